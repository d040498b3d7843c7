"""Settings of a project whose tables SQLite takes, and MySQL or MariaDB only in part."""

import os

SECRET_KEY = "tests"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = [os.environ["PROJECT_APP"]]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["BOOKSHOP_DB"]},
}
