"""The bookshop's settings with the target as its only database, for stock manage.py commands."""

import os

import dj_database_url
from bookshop.settings import *  # noqa: F403  (settings are extended this way)

DATABASES = {"default": dj_database_url.parse(os.environ["BOOKSHOP_TARGET"])}
# Before Django 5.2 the default had three bytes a character.
if DATABASES["default"]["ENGINE"] == "django.db.backends.mysql":
    DATABASES["default"].setdefault("OPTIONS", {})["charset"] = "utf8mb4"
