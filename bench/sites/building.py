"""A site made: its packages in an environment of its own, its tables migrated and filled."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.measuring import ROOT, StepError, clean_environment
from bench.sites.recipes import Site

_VERSIONS = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"


@dataclass(frozen=True)
class BuiltSite:
    """A site in its directory: `venv`, `site_settings.py`, `site.sqlite3`."""

    site: Site
    place: Path

    @property
    def database(self) -> Path:
        """Its SQLite file."""
        return self.place / "site.sqlite3"

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the site's environment in its directory."""
        binaries = self.place / "venv" / "bin"
        environment = clean_environment() | {
            "DJANGO_SETTINGS_MODULE": "site_settings",
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f".{os.pathsep}{ROOT}",
            "PYTHONWARNINGS": "ignore",
            **self.site.environment,
        }
        return subprocess.run(
            [str(binaries / command[0]), *command[1:]],
            cwd=self.place,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def must_run(self, *command: str) -> str:
        """Run a program that must end well; returns its output. Raises StepError."""
        done = self.run(*command)
        if done.returncode:
            words = " / ".join(done.stderr.strip().splitlines()[-3:])
            raise StepError(f"{self.site.name}: `{' '.join(command[:4])} …`: {words[-400:]}")
        return done.stdout

    def versions(self) -> tuple[str, str]:
        """The first requirement, as "wagtail 8.0.1", and Django's version."""
        package = re.split(r"[\[<>=]", self.site.requirements[0])[0]
        found = self.must_run("python", "-c", _VERSIONS, package, "django").split()
        return f"{package} {found[0]}", found[1]


def build(site: Site, place: Path, rows: int, python: str) -> BuiltSite:
    """Install, migrate and fill a site, unless its directory has it. Raises StepError.

    `python` is the interpreter of its environment.
    """
    built = BuiltSite(site, place)
    if built.database.exists():
        return built
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "venv").exists():
        _install(built, python)
    if site.start and not (place / "site_settings.py").exists():
        built.must_run(*site.start)
    (place / "data").mkdir(exist_ok=True)
    (place / "site_urls.py").write_text("urlpatterns = []\n")
    (place / "site_settings.py").write_text(site.module)
    django = ("python", "-m", "django")
    if site.sample:
        for app in (ROOT / "samples" / site.sample).iterdir():
            shutil.copytree(app, place / app.name, dirs_exist_ok=True)
            built.must_run(*django, "makemigrations", app.name, "--skip-checks")
    try:
        built.must_run(*django, "migrate", "--skip-checks", "--noinput", "-v", "0")
        built.must_run("python", "-m", "bench.sites.filler", str(rows))
    except StepError:
        built.database.unlink(missing_ok=True)
        raise
    return built


def _install(built: BuiltSite, python: str) -> None:
    venv = built.place / "venv"
    subprocess.run([python, "-m", "venv", str(venv)], check=True)
    pip = ("python", "-m", "pip", "install", "--quiet")
    try:
        built.must_run(*pip, "--editable", str(ROOT), "setuptools", *built.site.requirements)
    except StepError:
        shutil.rmtree(venv)
        raise
