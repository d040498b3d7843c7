"""Where an option's value comes from: the flag, then the environment, then pyproject.toml.

The option `--chunk-objects` reads FIXTUREPIPE_CHUNK_OBJECTS and `chunk-objects` in
[tool.fixturepipe] of the nearest pyproject.toml, from the working directory upwards.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixturepipe.errors import ConfigurationError

_WORDS = {"1": True, "true": True, "yes": True, "on": True}
_WORDS |= {"0": False, "false": False, "no": False, "off": False, "": False}


@dataclass(frozen=True)
class Option:
    """One option of the command line.

    `name` is the flag without dashes; `convert` makes a value from its text and raises
    ValueError, or is None for a flag that takes no value; `many` options may be repeated;
    `alone` is what the flag means when it stands without its value. A `table` in the file gives
    values, too; then those of flag, environment and file are taken together, and for one
    `target` the first of these counts.
    """

    name: str
    help: str
    convert: Callable[[str], Any] | None = str
    default: Any = None
    choices: tuple[str, ...] = ()
    metavar: str = ""
    many: bool = False
    alone: str = ""
    table: Callable[[Mapping[str, Any]], list[Any]] | None = None

    @property
    def key(self) -> str:
        """Its name in Python."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"FIXTUREPIPE_{self.key.upper()}"


def resolve(
    options: Iterable[Option],
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    file: Mapping[str, Any],
) -> dict[str, Any]:
    """Each option's value by key.

    Raises ConfigurationError for a value that the option does not take, naming its place.
    """
    values = {}
    for option in options:
        if option.table is not None:
            values[option.key] = _together(option, flags, environment, file)
        elif option.key in flags:
            values[option.key] = flags[option.key]
        elif option.variable in environment:
            given = environment[option.variable]
            values[option.key] = _converted(option, given, option.variable)
        elif option.name in file:
            place = f"{option.name} in [tool.fixturepipe]"
            values[option.key] = _converted(option, file[option.name], place)
        else:
            values[option.key] = [] if option.many else option.default
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
        raise ConfigurationError(f"{path} cannot be read: {error}", hint="Mend the file.") from None
    # As in TOML elsewhere, chunk_objects is chunk-objects.
    table = {name.replace("_", "-"): each for name, each in tool.get("fixturepipe", {}).items()}
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ConfigurationError(
            f"{path}: [tool.fixturepipe] has no option {', '.join(unknown)}",
            hint="`fixturepipe --help` lists the options; write them without the dashes in front.",
        )
    return table


def _together(
    option: Option,
    flags: Mapping[str, Any],
    environment: Mapping[str, str],
    file: Mapping[str, Any],
) -> list[Any]:
    """The values of a table's option: each target as the file has it, unless said nearer by."""
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
