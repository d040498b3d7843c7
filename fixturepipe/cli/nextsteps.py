"""What a user can do after a command: look at rows that differ, put the target into use."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import read_state
from fixturepipe.cli.nextcommand import NextCommand

if TYPE_CHECKING:
    from fixturepipe import Difference, VerifyResult

# The rest of a target's options may hold secrets.
_SHOWN_OPTIONS = ("unix_socket", "charset")
_MEANING = {
    "value": "A row differs if the source has changed since the dump, or the target since the"
    " load.",
    "missing": "A row is missing if it is new in the source, or was deleted from the target.",
    "extra": "A row is extra if it was deleted from the source, or is new in the target.",
}


def after_differences(
    result: VerifyResult, directory: RunDirectory, next_command: NextCommand
) -> None:
    """What the differences mean, how to look at a row, how to continue."""
    print()
    kinds = {each.kind for each in result.differences}
    for kind, meaning in _MEANING.items():
        if kind in kinds:
            print(meaning)
    if result.differences:
        print(f"To see a row on both sides: {next_command.line(_row(result.differences[0]))}")
    step = read_state(directory).next if directory.manifest.exists() else "verify"
    if step == "sync":
        print(
            "`sync` brings the target up to date with the source. If someone else wrote to the"
            " target, it changes nothing and names their rows."
        )
    elif step == "verify":
        print("Correct the target, then verify again.")
    print(f"Next: {next_command.line(step)}")


def _row(difference: Difference) -> str:
    named = f"{difference.model}:{shown_key(difference.pk)}"
    return f"verify --row {shlex.quote(named)}"


def shown_key(pk: Any) -> str:
    """A primary key, as a user types it."""
    return pk if isinstance(pk, str) else json.dumps(pk)


def after_run(target: str, settings: Mapping[str, Any], next_command: NextCommand) -> None:
    """Where the data is, how the project comes to use them, and how later changes follow."""
    print()
    if target == "embedded":
        print("Done: the data is in the embedded server, which is for rehearsals.")
        print("Its files are in the run directory, and it listens on a Unix socket only.")
        print(f"To look around: {next_command.line('server start')}")
        print("To move to your server, run again with --target and another --workdir.")
    else:
        print(f"Done: the data is in {target}.")
        print("To use it, put this into DATABASES in your settings:")
        print("\n".join(f"    {line}" for line in _setting(settings)))
    print(f"To move later changes of the source: {next_command.line('sync')}")


def _setting(settings: Mapping[str, Any]) -> list[str]:
    """The lines of a database in DATABASES, without its password."""
    given = {name: settings.get(name) for name in ("ENGINE", "NAME", "USER")}
    lines = [f'"{name}": {_quoted(value)},' for name, value in given.items() if value]
    lines.append('"PASSWORD": …,')
    lines += [f'"{k}": {_quoted(settings[k])},' for k in ("HOST", "PORT") if settings.get(k)]
    options = settings.get("OPTIONS") or {}
    # Django's own default is utf8mb4 since 5.2 alone.
    shown = {"charset": "utf8mb4"} | {k: options[k] for k in _SHOWN_OPTIONS if k in options}
    lines.append(f'"OPTIONS": {json.dumps(shown)},')
    return ['"default": {', *(f"    {line}" for line in lines), "},"]


def _quoted(value: object) -> str:
    return json.dumps(str(value), ensure_ascii=False)
