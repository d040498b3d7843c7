"""The bookshop's settings with the target as its only database, for manage.py's own commands."""

import os

import dj_database_url
from bookshop.settings import *  # type: ignore[import-not-found]  # noqa: F403

DATABASES = {"default": dj_database_url.parse(os.environ["BOOKSHOP_TARGET"])}
# Before Django 5.2 the default had three bytes a character.
if DATABASES["default"]["ENGINE"] == "django.db.backends.mysql":
    DATABASES["default"].setdefault("OPTIONS", {})["charset"] = "utf8mb4"
