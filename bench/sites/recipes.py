"""The sites: what pip installs for each, and its settings.

Where a package has a settings module or a start project, that is used; otherwise its applications
are added to a plain project. Each has its database in `site.sqlite3`, in a directory of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bench.sites.applications import (
    ALLIANCE,
    CMS,
    EDX,
    FIELD_PACKAGES,
    FIELDS,
    FLUENT,
    HYPERKITTY,
    JUNTAGRICO,
    MACHINA,
    WAGTAIL_EXTRAS,
    WIKI,
    oscar,
)

_PLAIN = """
SECRET_KEY = "trial"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
MEDIA_ROOT, MEDIA_URL, STATIC_ROOT, STATIC_URL = "media", "/media/", "static", "/static/"
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


_LOCMEM = "django.core.cache.backends.locmem.LocMemCache"
_EPHIOS = {
    "DEBUG": "False",
    "SECRET_KEY": "trial",
    "DATA_DIR": "data",
    "DATABASE_URL": "sqlite:///site.sqlite3",
    "ALLOWED_HOSTS": "*",
    "SITE_URL": "https://example.com",
    "EMAIL_URL": "dummymail://",
    "DEFAULT_FROM_EMAIL": "a@example.com",
    "SERVER_EMAIL": "a@example.com",
    "ADMINS": "A <a@example.com>",
}

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
            f"{oscar()} widget_tweaks haystack treebeard sorl.thumbnail django_tables2",
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
            CMS,
            "CMS_CONFIRM_VERSION4 = THUMBNAIL_HIGH_RESOLUTION = True\n"
            "LANGUAGES = [('en', 'English'), ('de', 'German')]\nLANGUAGE_CODE = 'en'\n"
            "CMS_TEMPLATES = [('page.html', 'Page')]",
        ),
    ),
    Site("wiki", ("wiki>=0.13,<0.14",), _with_apps(WIKI)),
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
    Site("machina", ("django-machina>=1.3,<2",), _with_apps(MACHINA)),
    Site(
        "allianceauth",
        ("allianceauth>=5.5,<6", "fakeredis"),
        f"from allianceauth.project_template.project_name.settings.base import *\n"
        f"INSTALLED_APPS += {ALLIANCE.split()}\nROOT_URLCONF = 'site_urls'\n"
        "DISCORD_BOT_TOKEN = 'trial'\n"
        "import fakeredis\nCACHES['default']['OPTIONS'] = {\n"
        "    'CONNECTION_POOL_KWARGS': {'connection_class': fakeredis.FakeConnection}}",
    ),
    Site(
        "mezzanine",
        ("mezzanine>=6.1,<7", "cartridge>=1.3,<2"),
        # In the locale C, its amounts of money would have 127 decimal places.
        "import locale\nlocale._override_localeconv = {'frac_digits': 2}\n"
        "from cartridge.project_template.project_name.settings import *\n"
        "SECRET_KEY = NEVERCACHE_KEY = 'trial'\nROOT_URLCONF = 'site_urls'",
    ),
    Site(
        "hyperkitty",
        ("hyperkitty>=1.3,<2", "postorius>=1.3,<2"),
        _with_apps(HYPERKITTY, "MIDDLEWARE += ['allauth.account.middleware.AccountMiddleware']"),
    ),
    Site(
        "reviewboard",
        ("reviewboard>=8.1,<9",),
        # Its settings take those of the installation from a module of this name.
        "import sys, types\n_local = types.ModuleType('settings_local')\n"
        "_local.__file__, _local.SECRET_KEY = __file__, 'trial'\n"
        f"_local.CACHES = {{'default': {{'BACKEND': {_LOCMEM!r}}}}}\n"
        "sys.modules['settings_local'] = _local\nfrom reviewboard.settings import *",
    ),
    Site(
        "rdmo",
        ("rdmo>=2.5,<3",),
        "from rdmo.core.settings import *\n"
        "SECRET_KEY, ROOT_URLCONF, STATIC_ROOT = 'trial', 'site_urls', 'static'",
    ),
    Site(
        "spirit",
        ("django-spirit>=0.14,<0.15",),
        "from spirit.extra.project_template.project_name.settings.base import *\n"
        "ROOT_URLCONF, ST_SITE_URL = 'site_urls', 'https://example.com/'",
    ),
    Site("wafer", ("wafer>=0.17,<0.18",), "from wafer.settings import *"),
    Site(
        "ephios",
        ("ephios>=0.27,<0.28",),
        "from ephios.settings import *\nROOT_URLCONF = 'site_urls'",
        environment=_EPHIOS,
    ),
    Site(
        "juntagrico",
        ("juntagrico>=2,<3", "fontawesomefree"),
        _with_apps(
            JUNTAGRICO, "AUTHENTICATION_BACKENDS = ['juntagrico.backends.AuthenticateWithEmail']"
        ),
    ),
    Site(
        "askbot",
        ("askbot>=0.13,<0.14",),
        "import sys\nsys.path.insert(0, 'forum')\nfrom forum.settings import *",
        start=(
            *["askbot-setup", "--noinput", "--root-directory", "forum", "--proj-name", "forum"],
            *["--db-engine", "sqlite", "--db-name", "site.sqlite3"],
            *["--domain-name", "example.com", "--admin-name", "A", "--admin-email", "a@b.example"],
        ),
    ),
    Site(
        "kiwitcms",
        ("kiwitcms>=12,<13",),
        "import inspect\ninspect.getargspec = inspect.getfullargspec\n"
        "from tcms.settings.product import *",
    ),
    Site("wooey", ("wooey>=0.14,<0.15",), _with_apps("wooey", "from wooey.settings import *")),
    Site(
        "doccano",
        ("doccano>=1.5,<1.6",),
        "import sys, backend\nsys.path.insert(0, list(backend.__path__)[0])\n"
        "from app.settings import *",
    ),
    Site(
        "label-studio",
        ("label-studio>=1.23,<2",),
        "import sys, label_studio\nsys.path.insert(0, label_studio.__path__[0])\n"
        "from core.settings.base import *\nfrom core.settings.label_studio import *",
        environment={"BASE_DATA_DIR": "data", "DJANGO_DB": "sqlite", "SENTRY_DSN": ""},
    ),
    Site(
        "edx",
        (
            "openedx-core>=1,<2",
            *["edx-submissions", "ora2", "edx-proctoring", "edx-completion", "edx-when"],
            *["edx-organizations", "edxval"],
        ),
        _with_apps(
            EDX,
            "DEFAULT_AUTO_FIELD = 'django.db.models.AutoField'\n"
            "SITE_NAME = PLATFORM_NAME = ENV_ROOT = 'x'\nFEATURES = PROCTORING_SETTINGS = {}\n"
            "PROCTORING_BACKENDS = {'DEFAULT': 'null', 'null': {}}",
        ),
    ),
    Site(
        "fluent",
        (
            *["django-fluent-pages>=3,<4", "django-fluent-contents", "django-fluent-blogs"],
            *["Django>=5.2,<6", "django-wysiwyg", "pygments"],
        ),
        _with_apps(FLUENT, "FLUENT_PAGES_TEMPLATE_DIR = '/'"),
    ),
    Site(
        "wagtail-extras",
        (
            "puput>=2,<3",
            *["wagtail-localize", "wagtailmenus", "wagtailmedia", "wagtail-newsletter"],
        ),
        _with_apps(
            WAGTAIL_EXTRAS,
            "WAGTAIL_SITE_NAME = 'x'\nWAGTAILADMIN_BASE_URL = 'https://example.com'",
        ),
    ),
    Site(
        "fields",
        ("Django>=5.2,<6", *FIELD_PACKAGES.split()),
        _with_apps(
            FIELDS,
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
