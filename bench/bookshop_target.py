"""The bookshop's settings with the target as its only database, for manage.py's own commands."""

import os

import dj_database_url
from bookshop.settings import *  # type: ignore[import-not-found]  # noqa: F403

DATABASES = {"default": dj_database_url.parse(os.environ["BOOKSHOP_TARGET"])}
