"""INSTALLED_APPS of the sites that have no settings of their own, and packages of many fields."""

from __future__ import annotations

FIELDS = """
    mixed.apps.MixedConfig taggit mptt treebeard easy_thumbnails filer sorl.thumbnail reversion
    simple_history guardian rest_framework oauth2_provider versatileimagefield django_celery_beat
    django_celery_results allauth allauth.account allauth.socialaccount django_otp
    django_otp.plugins.otp_totp django_otp.plugins.otp_static axes waffle auditlog constance
    polymorphic safedelete ordered_model sortedm2m parler knox
    rest_framework_simplejwt.token_blacklist django_q push_notifications django_jsonform djmoney
    phonenumber_field timezone_field colorfield recurrence flags django_quill imagekit tinymce
    ckeditor
"""
FIELD_PACKAGES = """
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
MACHINA = """
    mptt haystack widget_tweaks machina machina.apps.forum machina.apps.forum_conversation
    machina.apps.forum_conversation.forum_attachments
    machina.apps.forum_conversation.forum_polls machina.apps.forum_feeds
    machina.apps.forum_moderation machina.apps.forum_search machina.apps.forum_tracking
    machina.apps.forum_member machina.apps.forum_permission
"""
WIKI = """
    django_nyt.apps.DjangoNytConfig mptt sekizai sorl.thumbnail wiki.apps.WikiConfig
    wiki.plugins.attachments.apps.AttachmentsConfig
    wiki.plugins.notifications.apps.NotificationsConfig wiki.plugins.images.apps.ImagesConfig
    wiki.plugins.macros.apps.MacrosConfig wiki.plugins.help.apps.HelpConfig
    wiki.plugins.links.apps.LinksConfig
"""
CMS = """
    cms menus treebeard sekizai easy_thumbnails filer parler djangocms_text djangocms_link
    djangocms_picture djangocms_file djangocms_versioning djangocms_alias
"""
ALLIANCE = """
    allianceauth.corputils allianceauth.fleetactivitytracking allianceauth.hrapplications
    allianceauth.optimer allianceauth.permissions_tool allianceauth.srp allianceauth.timerboard
    allianceauth.services.modules.discord allianceauth.services.modules.discourse
    allianceauth.services.modules.mumble allianceauth.services.modules.openfire
    allianceauth.services.modules.phpbb3 allianceauth.services.modules.teamspeak3
"""
HYPERKITTY = """
    hyperkitty postorius django_mailman3 rest_framework django_gravatar compressor haystack
    django_extensions django_q allauth allauth.account allauth.socialaccount
"""
JUNTAGRICO = """
    juntagrico juntagrico_legacy fontawesomefree import_export impersonate crispy_forms
    crispy_bootstrap4 adminsortable2 polymorphic djrichtextfield django_select2
"""
EDX = """
    rest_framework waffle simple_history model_utils submissions openassessment
    openassessment.fileupload openassessment.workflow openassessment.assessment
    openassessment.staffgrader openassessment.xblock edx_proctoring completion edx_when
    organizations edxval openedx_tagging openedx_catalog openedx_content
    openedx_content.backcompat.backup_restore openedx_content.backcompat.collections
    openedx_content.backcompat.components openedx_content.backcompat.contents
    openedx_content.backcompat.publishing openedx_content.backcompat.sections
    openedx_content.backcompat.subsections openedx_content.backcompat.units
"""
FLUENT = """
    fluent_pages fluent_pages.pagetypes.fluentpage fluent_pages.pagetypes.redirectnode
    fluent_pages.pagetypes.textfile fluent_contents fluent_contents.plugins.text
    fluent_contents.plugins.code fluent_contents.plugins.iframe fluent_contents.plugins.picture
    fluent_contents.plugins.rawhtml fluent_contents.plugins.sharedcontent fluent_blogs
    fluent_blogs.pagetypes.blogpage mptt parler polymorphic polymorphic_tree slug_preview
    categories_i18n django_wysiwyg
"""
WAGTAIL_EXTRAS = """
    wagtail.contrib.forms wagtail.contrib.redirects wagtail.contrib.settings wagtail.embeds
    wagtail.sites wagtail.users wagtail.snippets wagtail.documents wagtail.images wagtail.search
    wagtail.admin wagtail wagtail.contrib.routable_page wagtail.contrib.sitemaps modelcluster taggit
    puput wagtail_localize wagtail_localize.locales
    wagtailmenus wagtailmedia wagtail_newsletter
"""


def oscar() -> str:
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
