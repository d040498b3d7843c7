"""Setting the user's Django project up."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import django
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from fixturepipe.errors import ConfigurationError

_NAME_IT = "Name it with --settings mysite.settings, and its directory with --pythonpath DIR."

_SET_UP = (
    'Give it what it needs (what manage.py reads from a .env file, say), or put "fixturepipe"'
    " into INSTALLED_APPS and run it as `python manage.py fixturepipe`."
)


def set_up_project(module: str | None, pythonpath: str | None) -> str:
    """Import the settings and load the apps, once; gives the settings module's name.

    Without `module`: DJANGO_SETTINGS_MODULE, else what ./manage.py names. Raises
    ConfigurationError where the settings or an app cannot be imported.
    """
    if apps.ready:
        return os.environ.get("DJANGO_SETTINGS_MODULE", "")
    for directory in (str(Path.cwd()), pythonpath):
        if directory and directory not in sys.path:
            sys.path.insert(0, directory)
    module = (
        module or os.environ.get("DJANGO_SETTINGS_MODULE") or _settings_of_manage_py(pythonpath)
    )
    if not module:
        raise ConfigurationError("No settings module is named", hint=_NAME_IT)
    os.environ["DJANGO_SETTINGS_MODULE"] = module
    try:
        settings.INSTALLED_APPS  # noqa: B018  (reading one setting imports the module)
    except Exception as error:
        absent = isinstance(error, ModuleNotFoundError) and module.startswith(error.name or "?")
        raise ConfigurationError(
            f"The settings module {module} cannot be imported: {_first_line(error)}",
            hint=_NAME_IT if absent else _SET_UP,
        ) from error
    try:
        django.setup()
    except Exception as error:
        hint = (
            "Mend INSTALLED_APPS."
            if isinstance(error, ImproperlyConfigured)
            else ("Install what the project needs into this Python environment.")
        )
        raise ConfigurationError(
            f"The apps of {module} cannot be loaded: {_first_line(error)}", hint=hint
        ) from error
    return module


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
