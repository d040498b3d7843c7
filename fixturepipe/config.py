"""Where an option's value comes from, and where it goes.

The option `--chunk-objects` is taken from the flag, else from FIXTUREPIPE_CHUNK_OBJECTS in the
environment, else from `chunk-objects` in [tool.fixturepipe] of the nearest pyproject.toml, from
the working directory upwards, else it has the default of the options class that it belongs to.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from fixturepipe.errors import ConfigurationError

_WORDS = {"1": True, "true": True, "yes": True, "on": True}
_WORDS |= {"0": False, "false": False, "no": False, "off": False, "": False}


@dataclass(frozen=True)
class Project:
    """Which project, which databases, and where the run's files go.

    `settings` and `pythonpath` are those of django-admin. `source` and `target` are an alias in
    DATABASES or a URL; the target may also be "embedded", or None for the default. A server that
    sends nothing for `timeout` seconds is taken for lost; one statement over a large table may
    need minutes.
    """

    settings: str | None = None
    pythonpath: str | None = None
    # Not in the repr: a URL may hold a password.
    source: str = field(default="default", repr=False)
    target: str | None = field(default=None, repr=False)
    workdir: Path = Path("fixturepipe-run")
    timeout: int = 900


@dataclass(frozen=True)
class Option:
    """One option of the command line.

    `name` is the flag without dashes and `field` its name in Python where that is another.
    `convert` makes a value from its text and raises ValueError, or is None for a flag that takes
    no value. `many` options may be repeated; `alone` is the value of a flag that is given
    without one. `default` is for options that belong to no options class. An option with a
    `table` may be a table in the file: its values from flag, environment and file are joined,
    and for one `target` the first of these wins. `group` is its part of the help, whose example
    is that of the first option that has an `example`, a value or "" for a flag.
    """

    name: str
    help: str
    convert: Callable[[str], Any] | None = str
    default: Any = None
    choices: tuple[str, ...] = ()
    metavar: str = ""
    many: bool = False
    alone: str = ""
    field: str = ""
    table: Callable[[Mapping[str, Any]], list[Any]] | None = None
    group: str = "output"
    example: str | None = None

    @property
    def key(self) -> str:
        """Its name in Python."""
        return self.field or self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"FIXTUREPIPE_{self.name.replace('-', '_').upper()}"


def filled(kinds: Iterable[type[Any]], values: Mapping[str, Any]) -> list[Any]:
    """One options object of each of these classes; each value goes to all that have its name.

    Raises TypeError for a value whose name no class has.
    """
    names = {kind: {field.name for field in fields(kind)} for kind in kinds}
    if unknown := sorted(set(values).difference(*names.values())):
        raise TypeError(f"There is no option {', '.join(unknown)}")
    return [
        kind(**{name: _frozen(value) for name, value in values.items() if name in known})
        for kind, known in names.items()
    ]


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def resolve(
    options: Iterable[Option],
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    file: Mapping[str, Any],
) -> dict[str, Any]:
    """Each option's value by key, if it is given anywhere.

    Raises ConfigurationError for a value that the option does not take, naming its place.
    """
    values: dict[str, Any] = {}
    for option in options:
        if option.table is not None:
            if joined := _joined(option, flags, environment, file):
                values[option.key] = joined
        elif option.key in flags:
            values[option.key] = flags[option.key]
        elif option.variable in environment:
            given = environment[option.variable]
            values[option.key] = _converted(option, given, option.variable)
        elif option.name in file:
            place = f"{option.name} in [tool.fixturepipe]"
            values[option.key] = _converted(option, file[option.name], place)
    return values


def read_file(start: Path, known: Iterable[str]) -> dict[str, Any]:
    """[tool.fixturepipe] of the nearest pyproject.toml at or above `start`; {} without one.

    Raises ConfigurationError for a file that is not TOML and for a name that is no option.
    """
    candidates = (folder / "pyproject.toml" for folder in (start, *start.parents))
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        return {}
    try:
        tool = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error}", hint="Correct the file."
        ) from None
    # As elsewhere in TOML, chunk_objects is chunk-objects.
    table = {name.replace("_", "-"): each for name, each in tool.get("fixturepipe", {}).items()}
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ConfigurationError(
            f"{path}: [tool.fixturepipe] has no option {', '.join(unknown)}",
            hint="`fixturepipe COMMAND --help` lists them. Write them without leading dashes.",
        )
    return table


def _joined(
    option: Option,
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    file: Mapping[str, Any],
) -> list[Any]:
    """The values of a table's option; for each target the flag's, the variable's or the file's."""
    places = (
        (file.get(option.name), f"{option.name} in [tool.fixturepipe]"),
        (environment.get(option.variable), option.variable),
    )
    given = [_converted(option, value, place) for value, place in places if value is not None]
    given.append(flags.get(option.key, []))
    return list({each.target.lower(): each for values in given for each in values}.values())


def _converted(option: Option, given: Any, place: str) -> Any:
    try:
        if option.convert is None:
            return given if isinstance(given, bool) else _WORDS[str(given).strip().lower()]
        if option.table is not None and isinstance(given, Mapping):
            return option.table(given)
        if option.many:
            parts = given if isinstance(given, list) else str(given).split(",")
            return [_single(option, str(part).strip()) for part in parts if str(part).strip()]
        return _single(option, str(given))
    except (ValueError, KeyError):
        takes = f"one of {', '.join(option.choices)}" if option.choices else option.help
        raise ConfigurationError(
            f"{place} cannot be {given!r}", hint=f"--{option.name}: {takes}"
        ) from None


def _single(option: Option, text: str) -> Any:
    if option.choices and text not in option.choices:
        raise ValueError(text)
    assert option.convert is not None
    return option.convert(text)
