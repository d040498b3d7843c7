"""Small Django projects that a test writes: an app `shop` with models and migrations of its own."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.shop import Shop

SETTINGS = """
import os
import dj_database_url
SECRET_KEY = "test"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": r"%s"}}
if "TARGET_URL" in os.environ:
    DATABASES["target"] = dj_database_url.parse(os.environ["TARGET_URL"])
"""


@dataclass(frozen=True)
class Project(Shop):
    """A project in `pythonpath`, its SQLite file and its run directory."""

    def django(self, *arguments: str) -> None:
        """Run a command of Django's that must end well."""
        given = {"DJANGO_SETTINGS_MODULE": self.settings, "TARGET_URL": self.target}
        environment = {**os.environ, **given}
        subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=self.pythonpath,
            env=environment,
            check=True,
            capture_output=True,
        )

    def fill(self, script: str) -> None:
        """Run SQL in the SQLite file."""
        connection = sqlite3.connect(self.database)
        connection.executescript(script)
        connection.close()


def write_project(
    path: Path, target: str, models: str, migrations: Mapping[str, str] | None = None
) -> Project:
    """Write a project whose app has these models and migrations; without any it is not migrated."""
    code = path / "code"
    app = code / "shop"
    app.mkdir(parents=True)
    database = path / "source.sqlite3"
    (code / "settings.py").write_text(SETTINGS % database)
    (app / "__init__.py").touch()
    (app / "models.py").write_text(f"from django.db import models\n{models}")
    if migrations is not None:
        (app / "migrations").mkdir()
        (app / "migrations" / "__init__.py").touch()
        for name, text in migrations.items():
            (app / "migrations" / f"{name}.py").write_text(
                f"from django.db import migrations, models\n{text}"
            )
    return Project(database, path / "run", target, "settings", code)
