"""Settings of the tests' own project: Django's contributed apps and each hazard in tests/apps."""

from __future__ import annotations

import os
from pathlib import Path

_HERE = Path(__file__).parent

SECRET_KEY = "tests"
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# One package a hazard; none has migrations, `migrate --run-syncdb` makes their tables.
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "fixturepipe",
    *sorted(f"tests.apps.{path.parent.name}" for path in (_HERE / "apps").glob("*/models.py")),
]

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("FIXTUREPIPE_TEST_SOURCE", ":memory:"),
    }
}
