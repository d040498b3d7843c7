"""The output of `--json`: one object for each command, described by a JSON Schema.

    {"command": "status", "version": 1, "run": "…", "source": "default", …}

After `command` and `version` come the fields of the command's result, all of them. A version is
kept while fields are only added. `docs/schemas/` has the schemas, which `python -m
fixturepipe.cli.output DIRECTORY` writes (https://json-schema.org/draft/2020-12/schema).
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_type_hints

import msgspec

from fixturepipe.artifacts.manifest import Chunk

VERSION = 1
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Place(msgspec.Struct, frozen=True):
    """Where one object is: its chunk, and the dumps that hold objects of its model."""

    chunk: str
    dumps: tuple[str, ...]
    object: dict[str, Any]


class ChunkContent(msgspec.Struct, frozen=True):
    """The first objects of a chunk."""

    chunk: Chunk
    objects: list[dict[str, Any]]


class Chunks(msgspec.Struct, frozen=True):
    """The chunks of a run, the numbers of those that are loaded, and `altered`, the fields whose
    values stock loaddata would change or refuse.
    """

    chunks: tuple[Chunk, ...]
    loaded: tuple[int, ...]
    altered: tuple[str, ...]


class Contents(msgspec.Struct, frozen=True):
    """What is in the chunks that were named."""

    contents: tuple[ChunkContent, ...]


class Places(msgspec.Struct, frozen=True):
    """Where an object is: more than once if it is loaded with a null key first; or nowhere."""

    places: tuple[Place, ...]


class Graph(msgspec.Struct, frozen=True):
    """The order of the models, as `status --graph` draws it."""

    graph: str


class Server(msgspec.Struct, frozen=True):
    """Whether the embedded server is running, and the command that connects to it."""

    running: bool
    client: str | None


class Cleaned(msgspec.Struct, frozen=True):
    """Whether the run directory is gone: it stays if it holds other files, or was not there."""

    workdir: str
    gone: bool
    ledger_kept: bool


def encoded(command: str, result: object) -> bytes:
    """A result as JSON."""
    head = msgspec.json.encode({"command": command, "version": VERSION})
    body = msgspec.json.encode(result, enc_hook=_encodable)
    return msgspec.json.format(head[:-1] + b"," + body[1:], indent=2) + b"\n"


def _encodable(value: object) -> object:
    """What JSON has for a value that it has no type for: a list for rows, else a text."""
    return list(value) if isinstance(value, Sequence) else str(value)


def schema_of(command: str) -> dict[str, Any]:
    """The JSON Schema of a command's output."""
    kinds = [_output(command, kind) for kind in _results()[command]]
    schemas, components = msgspec.json.schema_components(
        kinds, schema_hook=lambda _: {"type": "string"}
    )
    what = schemas[0] if len(kinds) == 1 else {"anyOf": list(schemas)}
    title = f"fixturepipe {command} --json, version {VERSION}"
    return {"$schema": _DIALECT, "title": title, **what, "$defs": components}


def _output(command: str, kind: type[Any]) -> type[msgspec.Struct]:
    """A result's class with the two fields before its own; all are always there."""
    fields: list[tuple[str, Any]] = [("command", Literal[command]), ("version", Literal[VERSION])]
    return msgspec.defstruct(
        kind.__name__,
        fields + list(_fields(kind)),
        namespace={"__doc__": kind.__doc__},
        forbid_unknown_fields=True,
    )


def _fields(kind: type[Any]) -> Iterator[tuple[str, Any]]:
    import fixturepipe

    # The types that a class names but its module imports for type checkers alone.
    hints = get_type_hints(kind, localns={n: getattr(fixturepipe, n) for n in fixturepipe.__all__})
    is_struct = issubclass(kind, msgspec.Struct)
    names = hints if is_struct else [each.name for each in dataclasses.fields(kind)]
    return ((name, hints[name]) for name in names)


def _results() -> dict[str, tuple[type[Any], ...]]:
    """What each command's output may be."""
    import fixturepipe
    from fixturepipe.artifacts.state import State
    from fixturepipe.report.data import Report
    from fixturepipe.verify.comparison import RowPair

    return {
        "check": (fixturepipe.CheckResult,),
        "run": (fixturepipe.RunResult,),
        "sync": (fixturepipe.SyncResult,),
        "dump": (fixturepipe.DumpResult,),
        "arrange": (fixturepipe.ArrangeResult,),
        "load": (fixturepipe.LoadResult,),
        "verify": (fixturepipe.VerifyResult, RowPair),
        "status": (State, Graph),
        "inspect": (Chunks, Contents, Places),
        "report": (Report,),
        "server": (Server,),
        "clean": (Cleaned,),
    }


def write_schemas(directory: Path) -> None:
    """Write the schema of each command's output."""
    directory.mkdir(parents=True, exist_ok=True)
    for command in _results():
        text = msgspec.json.format(msgspec.json.encode(schema_of(command)), indent=2)
        (directory / f"{command}.json").write_bytes(text + b"\n")


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
