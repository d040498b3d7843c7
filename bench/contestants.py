"""The contestants: names and command lines. Each works in a fresh place, its ground."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.measuring import Step
from bench.samples import BOOKSHOP, MANAGE
from bench.servers import MADE_BY_MIGRATE, Database

STOCK = "dumpdata + loaddata"
COPIER = "sqlite3-to-mysql"
LIMIT = "LOAD DATA from sqlite3"


@dataclass(frozen=True)
class Ground:
    """Where one run works: the source, an empty directory, and a fresh target if it needs one.

    `prepared` holds files that were made before the measured time.
    """

    source: Path
    place: Path
    target: Database | None = None
    prepared: Path = Path()

    @property
    def database(self) -> Database:
        """The target of a run that has one."""
        assert self.target is not None
        return self.target


@dataclass(frozen=True)
class Contestant:
    """`steps` run one after the other. `stock` marks Django's own commands, which take minutes."""

    name: str
    steps: Callable[[Ground], list[Step]]
    stock: bool = False
    ready: Callable[[Ground], None] = field(default=lambda _: None)


def fixturepipe(
    ground: Ground, *arguments: str, fine: tuple[int, ...] = (0,), workdir: Path | None = None
) -> Step:
    """One fixturepipe command."""
    environment = {
        "FIXTUREPIPE_SETTINGS": "bookshop.settings",
        "FIXTUREPIPE_PYTHONPATH": str(BOOKSHOP),
        "FIXTUREPIPE_WORKDIR": str(workdir or ground.place / "run"),
        "FIXTUREPIPE_NO_PROGRESS": "1",
        **source_environment(ground),
    }
    if ground.target is not None:
        environment["FIXTUREPIPE_TARGET"] = ground.target.url
    command = (sys.executable, "-m", "fixturepipe", *arguments)
    return Step(arguments[0], command, environment, fine)


def source_environment(ground: Ground) -> dict[str, str]:
    """The environment that points the bookshop's settings at the source."""
    return {"BOOKSHOP_DB": str(ground.source)}


def manage(name: str, environment: Mapping[str, str], *arguments: str) -> Step:
    """One of Django's own commands."""
    return Step(name, (*MANAGE, name, *arguments), environment)


def stock_dump(ground: Ground) -> Step:
    """Django's dump of the source into stock.json."""
    environment = {**source_environment(ground), "DJANGO_SETTINGS_MODULE": "bookshop.settings"}
    output = str(ground.place / "stock.json")
    return manage("dumpdata", environment, "--natural-foreign", "--all", "-o", output)


def stock_load(ground: Ground, fixture: Path) -> Step:
    """Django's load of a fixture into the target."""
    return manage("loaddata", ground.database.environment, str(fixture))


def infile(what: str, ground: Ground, files: Path) -> Step:
    """LOAD DATA LOCAL INFILE; see bench.infile."""
    command = (sys.executable, "-m", "bench.infile", what, str(ground.source), str(files))
    environment = {"BOOKSHOP_TARGET": ground.target.url} if ground.target else {}
    return Step(f"infile {what}", command, environment)


def workers(number: int) -> str:
    """The number of workers as a contestant's name has it."""
    return "1 worker" if number == 1 else f"{number} workers"


def run_with_verify(number: int) -> Contestant:
    """All stages: check, dump, arrange, load, verify."""
    return Contestant(
        f"fixturepipe run, {workers(number)}",
        lambda ground: [fixturepipe(ground, "run", "--workers", str(number))],
    )


def run_without_verify(number: int) -> Contestant:
    """Two commands: `load` arranges by itself."""
    return Contestant(
        f"fixturepipe dump + load, {workers(number)}",
        lambda ground: [
            fixturepipe(ground, "dump"),
            fixturepipe(ground, "load", "--workers", str(number)),
        ],
    )


def stock() -> Contestant:
    """Django's own commands, into a target without content types and permissions.

    loaddata refuses content types that the target has with other keys, and `migrate` makes such.
    """
    return Contestant(
        STOCK,
        lambda ground: [stock_dump(ground), stock_load(ground, ground.place / "stock.json")],
        stock=True,
        ready=empty,
    )


def empty(ground: Ground) -> None:
    """Remove the rows that `migrate` made in the target, except its record of migrations."""
    database = ground.database
    tables = (f"`{database.name}`.`{each}`" for each in MADE_BY_MIGRATE)
    truncate = (f"TRUNCATE TABLE {each}" for each in tables)
    database.server.execute("SET foreign_key_checks = 0", *truncate)


def copier(program: Path) -> Contestant:
    """sqlite3-to-mysql into the migrated tables, which it empties first."""

    def steps(ground: Ground) -> list[Step]:
        database, server = ground.database, ground.database.server
        command = [str(program), "-f", str(ground.source), "-d", database.name, "-u", server.user]
        if isinstance(server.where, tuple):
            command += ["-h", server.where[0], "-P", str(server.where[1])]
        else:
            command += ["-k", server.where]
        if server.password:
            command += ["--mysql-password", server.password]
        # Keep the tables, empty them, print errors only.
        return [Step("copy", (*command, "-K", "-E", "-q"))]

    return Contestant(COPIER, steps)


def limit() -> Contestant:
    """LOAD DATA LOCAL INFILE of each table, written to a file by Python's sqlite3."""
    return Contestant(LIMIT, lambda ground: [infile("move", ground, ground.place)])
