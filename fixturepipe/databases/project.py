"""Setting up the user's Django project."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import django
import MySQLdb
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from fixturepipe.apps import SUPPORTED_DJANGO, is_supported_django
from fixturepipe.errors import ConfigurationError

_NAME_IT = "Name it with --settings mysite.settings, and its directory with --pythonpath DIR."

_SET_UP = (
    "Set the environment that it needs (variables that manage.py reads from a .env file, say), or"
    ' add "fixturepipe" to INSTALLED_APPS and run `python manage.py fixturepipe`.'
)


def require_supported_django() -> None:
    """Raise ConfigurationError unless fixturepipe supports the installed Django."""
    if not is_supported_django():
        raise ConfigurationError(
            f"fixturepipe supports {SUPPORTED_DJANGO}; this environment has {django.get_version()}",
            hint="Install fixturepipe and a supported Django into one environment.",
        )


def set_up_project(module: str | None, pythonpath: str | None) -> str:
    """Import the settings and load the apps, once; return the settings module's name.

    Without `module`: DJANGO_SETTINGS_MODULE, or else the module that ./manage.py names. Raises
    ConfigurationError for an unsupported Django, and if the settings or an app cannot be imported.
    """
    require_supported_django()
    if apps.ready:
        return os.environ.get("DJANGO_SETTINGS_MODULE", "")
    for directory in (str(Path.cwd()), pythonpath):
        if directory and directory not in sys.path:
            sys.path.insert(0, directory)
    module = (
        module or os.environ.get("DJANGO_SETTINGS_MODULE") or _settings_of_manage_py(pythonpath)
    )
    if not module:
        raise ConfigurationError("No settings module is given", hint=_NAME_IT)
    os.environ["DJANGO_SETTINGS_MODULE"] = module
    try:
        settings.INSTALLED_APPS  # noqa: B018  (reading one setting imports the module)
    except Exception as error:
        absent = isinstance(error, ModuleNotFoundError) and module.startswith(error.name or "?")
        raise ConfigurationError(
            f"The settings module {module} cannot be imported: {_first_line(error)}",
            hint=_NAME_IT if absent else _hint(error, _SET_UP),
        ) from error
    _keep_mysqlclient()
    try:
        django.setup()
    except Exception as error:
        raise ConfigurationError(
            f"The apps of {module} cannot be loaded: {_first_line(error)}",
            hint=_hint(
                error,
                "Correct INSTALLED_APPS."
                if isinstance(error, ImproperlyConfigured)
                else "The project's own code fails at its start; -v 3 shows where.",
            ),
        ) from error
    return module


def _hint(error: Exception, otherwise: str) -> str:
    if isinstance(error, ImportError):
        return "Install the project's requirements into this Python environment."
    return otherwise


def _keep_mysqlclient() -> None:
    """Undo what pymysql.install_as_MySQLdb() in the settings did: `load` needs mysqlclient."""
    for name in ("MySQLdb", "_mysql"):
        if getattr(sys.modules.get(name), "__name__", "") == "pymysql":
            del sys.modules[name]
    sys.modules["MySQLdb"] = MySQLdb


def _settings_of_manage_py(pythonpath: str | None) -> str | None:
    for directory in (pythonpath, "."):
        path = Path(directory or ".") / "manage.py"
        if path.is_file():
            found = re.search(
                r"""DJANGO_SETTINGS_MODULE["']\s*,\s*["']([\w.]+)["']""",
                path.read_text(encoding="utf-8", errors="replace"),
            )
            if found:
                if directory and directory not in sys.path:
                    sys.path.insert(0, directory)
                return found.group(1)
    return None


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return f"{type(error).__name__}: {text.splitlines()[0]}"
