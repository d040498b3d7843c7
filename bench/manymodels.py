"""A project of many models: `check` asks about each of them, however few rows they have.

    python -m bench.manymodels DIRECTORY 500       writes the project, migrates and fills its file

Ten apps; each model has a foreign key to the one before it, an index, a unique column and a text;
every fifth has a many-to-many field, every tenth a few hundred rows.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from bench.measuring import Step, measured

APPS = 10
ROWS = 300
_SETTINGS = """
SECRET_KEY = "bench"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", {apps}]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {database!r}}}}}
"""
_MODEL = """
class Model{number}(models.Model):
    name = models.CharField(max_length=80, db_index=True)
    code = models.CharField(max_length=40, unique=True)
    text = models.TextField(blank=True)
    amount = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    created = models.DateTimeField(null=True)
    active = models.BooleanField(default=True)
{more}
    class Meta:
        indexes = [models.Index(fields=["created", "name"])]
        constraints = [
            models.CheckConstraint({check}=models.Q(amount__gte=0), name="positive{number}")
        ]
"""
_FOREIGN_KEY = (
    '    before = models.ForeignKey("app{app}.Model{number}", models.CASCADE, null=True)\n'
)
_MANY_TO_MANY = '    others = models.ManyToManyField("app{app}.Model{number}", related_name="+")\n'


def project(place: Path, count: int) -> Path:
    """Write the project into a directory and make its SQLite file; returns that file.

    `settings` is the module of its settings.
    """
    database = place / "source.sqlite3"
    if database.exists():
        return database
    apps = [f"app{number}" for number in range(APPS)]
    for app in apps:
        (place / app / "migrations").mkdir(parents=True)
        (place / app / "__init__.py").touch()
        (place / app / "migrations" / "__init__.py").touch()
        (place / app / "models.py").write_text(_models(int(app[3:]), count))
    names = ", ".join(f'"{app}"' for app in apps)
    (place / "settings.py").write_text(_SETTINGS.format(apps=names, database=str(database)))
    environment = {"DJANGO_SETTINGS_MODULE": "settings", "PYTHONPATH": str(place)}
    for command in ("makemigrations", "migrate"):
        django = (sys.executable, "-m", "django", command, "-v0")
        measured(Step(command, django, environment), place)
    with closing(sqlite3.connect(database)) as connection:
        for number in range(0, count, 10):
            _fill(connection, f"app{number % APPS}_model{number}", bool(number))
        connection.commit()
    return database


def _models(app: int, count: int) -> str:
    """The models of one app: those whose number ends with the app's own."""
    import django

    check = "condition" if django.VERSION >= (5, 1) else "check"
    text = "from django.db import models\n"
    for number in range(app, count, APPS):
        before = {"app": (number - 1) % APPS, "number": number - 1}
        more = _FOREIGN_KEY.format(**before) if number else ""
        if number and number % 5 == 0:
            more += _MANY_TO_MANY.format(**before)
        text += _MODEL.format(number=number, more=more, check=check)
    return text


def _fill(connection: sqlite3.Connection, table: str, refers: bool) -> None:
    columns = "name, code, text, amount, created, active" + (", before_id" if refers else "")
    values = "(?, ?, ?, ?, ?, ?" + (", NULL)" if refers else ")")
    rows = (
        (f"name {n}", f"code-{n}", "text " * 20, n / 4, "2026-01-02 03:04:05.678901", n % 2)
        for n in range(ROWS)
    )
    connection.executemany(f'INSERT INTO "{table}" ({columns}) VALUES {values}', rows)


if __name__ == "__main__":
    print(project(Path(sys.argv[1]).resolve(), int(sys.argv[2])))
