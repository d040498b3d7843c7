"""The sites: what pip installs for each, and its settings.

Where a package has a settings module or a start project, that is used; otherwise its applications
are added to a plain project. Each has its database in `site.sqlite3`, in a directory of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

_PLAIN = """
SECRET_KEY = "trial"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
MEDIA_ROOT, MEDIA_URL, STATIC_URL = "media", "/media/", "/static/"
SITE_ID = 1
ROOT_URLCONF = "site_urls"
INSTALLED_APPS = ["django.contrib." + name for name in (
    "admin", "auth", "contenttypes", "sessions", "messages", "staticfiles", "sites", "flatpages",
    "redirects", "humanize",
)]
MIDDLEWARE = ["django.contrib." + name for name in (
    "sessions.middleware.SessionMiddleware", "auth.middleware.AuthenticationMiddleware",
    "messages.middleware.MessageMiddleware",
)]
TEMPLATES = [{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {"context_processors": ["django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages"]},
}]
HAYSTACK_CONNECTIONS = {"default": {"ENGINE": "haystack.backends.simple_backend.SimpleEngine"}}
_CACHE = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
CACHES = {"default": _CACHE, "machina_attachments": _CACHE}
"""
_DATABASE = """
from pathlib import Path as _Path
DATABASES = {"default": {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": str(_Path(__file__).parent / "site.sqlite3"),
}}
"""


@dataclass(frozen=True)
class Site:
    """A site: its first requirement is the package that it is about.

    `start` makes a start project in the directory; `sample` is a folder of samples/ whose
    applications, which have no migrations yet, are copied there.
    """

    name: str
    requirements: tuple[str, ...]
    settings: str
    start: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    sample: str = ""

    @property
    def module(self) -> str:
        """The text of the settings module."""
        return f"{self.settings}\n{_DATABASE}"


def _with_apps(apps: str, more: str = "", *, first: str = "") -> str:
    return f"{_PLAIN}\nINSTALLED_APPS = {first.split()} + INSTALLED_APPS + {apps.split()}\n{more}"


def _oscar() -> str:
    shop = (
        "analytics checkout address shipping catalogue catalogue.reviews:CatalogueReviews"
        " communication partner basket payment offer order customer search voucher wishlists"
        " dashboard"
    )
    dashboard = "reports users orders catalogue offers partners pages ranges reviews vouchers"
    names = ["oscar.config.Shop"]
    for each in shop.split():
        module, _, kind = each.partition(":")
        names.append(f"oscar.apps.{module}.apps.{kind or module.title()}Config")
    for module in f"{dashboard} communications shipping".split():
        names.append(f"oscar.apps.dashboard.{module}.apps.{module.title()}DashboardConfig")
    return " ".join(names)


_FIELDS = """
    mixed.apps.MixedConfig taggit mptt treebeard easy_thumbnails filer sorl.thumbnail reversion
    simple_history guardian rest_framework oauth2_provider versatileimagefield django_celery_beat
    django_celery_results allauth allauth.account allauth.socialaccount django_otp
    django_otp.plugins.otp_totp django_otp.plugins.otp_static axes waffle auditlog constance
    polymorphic safedelete ordered_model sortedm2m parler knox
    rest_framework_simplejwt.token_blacklist django_q push_notifications django_jsonform djmoney
    phonenumber_field timezone_field colorfield recurrence flags django_quill imagekit tinymce
    ckeditor
"""
_FIELD_PACKAGES = """
    django-multiselectfield django-timezone-field django-bitfield django-picklefield django-money
    django-countries django-phonenumber-field[phonenumberslite] jsonfield django-model-utils
    django-taggit django-mptt django-treebeard django-fernet-encrypted-fields django-colorfield
    django-recurrence django-autoslug sorl-thumbnail easy-thumbnails django-filer
    django-modeltranslation django-reversion django-simple-history django-guardian
    django-oauth-toolkit django-versatileimagefield django-stdimage django-hashid-field
    django-celery-beat django-celery-results django-allauth django-otp django-axes django-waffle
    django-auditlog django-constance django-polymorphic django-safedelete django-fsm-2
    django-ordered-model django-sortedm2m django-parler django-localflavor django-rest-knox
    djangorestframework-simplejwt django-q2 django-push-notifications django-jsonform
    django-imagekit django-tinymce django-ckeditor django-annoying django-choices-field
    django-enumfields2 django-relativedelta django-macaddress django-unixtimestampfield
    django-cryptography-5 django-quill-editor django-flags setuptools
"""
_MACHINA = """
    mptt haystack widget_tweaks machina machina.apps.forum machina.apps.forum_conversation
    machina.apps.forum_conversation.forum_attachments
    machina.apps.forum_conversation.forum_polls machina.apps.forum_feeds
    machina.apps.forum_moderation machina.apps.forum_search machina.apps.forum_tracking
    machina.apps.forum_member machina.apps.forum_permission
"""
_WIKI = """
    django_nyt.apps.DjangoNytConfig mptt sekizai sorl.thumbnail wiki.apps.WikiConfig
    wiki.plugins.attachments.apps.AttachmentsConfig
    wiki.plugins.notifications.apps.NotificationsConfig wiki.plugins.images.apps.ImagesConfig
    wiki.plugins.macros.apps.MacrosConfig wiki.plugins.help.apps.HelpConfig
    wiki.plugins.links.apps.LinksConfig
"""
_CMS = """
    cms menus treebeard sekizai easy_thumbnails filer parler djangocms_text djangocms_link
    djangocms_picture djangocms_file djangocms_versioning djangocms_alias
"""

SITES = (
    Site(
        "wagtail",
        ("wagtail>=8,<9",),
        "from mysite.settings.dev import *",
        start=("wagtail", "start", "mysite", "."),
    ),
    Site(
        "coderedcms",
        ("coderedcms>=6,<7",),
        "from mysite.settings.dev import *",
        start=("coderedcms", "start", "mysite", "."),
    ),
    Site(
        "oscar",
        ("django-oscar>=4.2,<5", "sorl-thumbnail"),
        _with_apps(
            f"{_oscar()} widget_tweaks haystack treebeard sorl.thumbnail django_tables2",
            "from oscar.defaults import *",
        ),
    ),
    Site(
        "pretix",
        ("pretix>=2026.8,<2027",),
        "from pretix.settings import *",
        environment={"DATA_DIR": "data"},
    ),
    Site(
        "pretalx",
        ("pretalx>=2026.1,<2027",),
        "from pretalx.settings import *",
        environment={"PRETALX_DATA_DIR": "data", "PRETALX_NO_INITIAL_LOG": "1"},
    ),
    Site(
        "byro",
        ("byro>=2026.4,<2027",),
        "from byro.settings import *",
        environment={"BYRO_DATA_DIR": "data", "BYRO_DB_ENGINE": "sqlite3"},
    ),
    Site(
        "evennia",
        ("evennia>=6.1,<7",),
        "import sys\nsys.path.insert(0, 'game')\nfrom server.conf.settings import *",
        start=("evennia", "--init", "game"),
    ),
    Site(
        "helpdesk",
        ("django-helpdesk>=2.6,<3",),
        _with_apps("helpdesk rest_framework", "HELPDESK_TEAMS_MODE_ENABLED = False"),
    ),
    Site(
        "cms",
        (
            "django-cms>=5.1,<6",
            *["django-filer", "djangocms-text", "djangocms-picture", "djangocms-link"],
            *["djangocms-file", "djangocms-versioning", "djangocms-alias"],
        ),
        _with_apps(
            _CMS,
            "CMS_CONFIRM_VERSION4 = THUMBNAIL_HIGH_RESOLUTION = True\n"
            "LANGUAGES = [('en', 'English'), ('de', 'German')]\nLANGUAGE_CODE = 'en'\n"
            "CMS_TEMPLATES = [('page.html', 'Page')]",
        ),
    ),
    Site("wiki", ("wiki>=0.13,<0.14",), _with_apps(_WIKI)),
    Site("ledger", ("django-ledger>=0.8.5,<0.9",), _with_apps("django_ledger")),
    Site(
        "ca",
        ("django-ca>=3.2,<4",),
        _with_apps("django_object_actions django_ca", "CA_DIR = 'ca'"),
    ),
    Site(
        "ara",
        ("ara[server]>=1.8,<2",),
        "from ara.server.settings import *",
        environment={"ARA_BASE_DIR": "data"},
    ),
    Site("machina", ("django-machina>=1.3,<2",), _with_apps(_MACHINA)),
    Site(
        "fields",
        ("Django>=5.2,<6", *_FIELD_PACKAGES.split()),
        _with_apps(
            _FIELDS,
            "LANGUAGES = [('en', 'English'), ('de', 'German')]\nLANGUAGE_CODE = 'en'\n"
            "SALT_KEY = 'salt'\nANONYMOUS_USER_NAME = None\n"
            "CONSTANCE_BACKEND = 'constance.backends.database.DatabaseBackend'\n"
            "CONSTANCE_CONFIG = {'ANSWER': (42, 'x')}\n"
            "PARLER_LANGUAGES = {1: ({'code': 'en'}, {'code': 'de'})}\n"
            "MIDDLEWARE += ['allauth.account.middleware.AccountMiddleware']",
            first="modeltranslation",
        ),
        sample="fields",
    ),
)
