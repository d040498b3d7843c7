"""The commands: each hands its options to the pipeline, shows the result, returns an exit status.

The pipeline, and with it Django, is imported when a command needs it: `status` and `inspect`
read files alone and answer at once.
"""

from __future__ import annotations

import contextlib
import getpass
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from fixturepipe.artifacts.catalog import find_object
from fixturepipe.artifacts.loadstatus import read_load_status
from fixturepipe.artifacts.manifest import Chunk, Manifest, read_manifest
from fixturepipe.artifacts.ranges import numbers_in
from fixturepipe.artifacts.records import first_objects
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import read_state
from fixturepipe.cli import output, show
from fixturepipe.cli.commandtable import Command
from fixturepipe.cli.nextcommand import PROGRAM, NextCommand
from fixturepipe.cli.objectview import ObjectView
from fixturepipe.cli.options import PROJECT
from fixturepipe.cli.terminal import flush_stdout, results, say, shown
from fixturepipe.cli.watch import watch
from fixturepipe.config import Option, Project, filled
from fixturepipe.errors import UsageError
from fixturepipe.events import Listener
from fixturepipe.graph import ModelGraph, as_dot, as_text

if TYPE_CHECKING:
    from fixturepipe.pipeline import Pipeline

DONE, PROBLEMS = 0, 1
_ARRANGE_FIRST = "There are no chunks yet. Make them with `fixturepipe arrange`."


@dataclass(frozen=True)
class Call:
    """One call of a command. `values` has the options and arguments that were given, by name."""

    command: Command
    values: Mapping[str, Any]
    listener: Listener
    next: NextCommand

    def __getitem__(self, name: str) -> Any:
        """The value of an option or argument that the command itself reads."""
        defaults = {option.key: option.default for option in self.command.all_options}
        return self.values.get(name, defaults.get(name))

    @property
    def project(self) -> Project:
        """The project that the options name."""
        project: Project = filled((Project,), self._given(PROJECT))[0]
        return project

    @property
    def directory(self) -> RunDirectory:
        """The run directory."""
        return RunDirectory(self.project.workdir)

    @property
    def view(self) -> show.View:
        """What its result is shown with."""
        return show.View(self.directory, self.next, self["verbosity"])

    def pipeline(self) -> Pipeline:
        """The pipeline over the project."""
        from fixturepipe.pipeline import Pipeline

        ask = None if self["json"] or not _is_terminal(sys.stdin) else getpass.getpass
        return Pipeline(self.project, self.listener, ask)

    def options(self, **arguments: Any) -> list[Any]:
        """The options classes that the command fills, filled."""
        return filled(self.command.fills, self._given(self.command.options) | arguments)

    def _given(self, options: Iterable[Option]) -> dict[str, Any]:
        keys = {option.key for option in options}
        return {key: value for key, value in self.values.items() if key in keys}

    def show(self, result: object, text: Callable[[], None]) -> None:
        """The result on stdout: JSON if asked for, else text."""
        if self["json"]:
            flush_stdout(output.encoded(self.command.name, result))
        else:
            self.show_text(text)

    def show_text(self, text: Callable[[], None]) -> None:
        """What `text` prints, on stdout."""
        with contextlib.redirect_stdout(io.StringIO()) as lines:
            text()
        encoding = results().encoding or "utf-8"
        text_shown = shown(lines.getvalue(), results())
        flush_stdout(text_shown.encode(encoding, "backslashreplace"))

    def ask(self, question: str) -> None:
        """Raises UsageError if there is no one to ask, and if the answer is not yes."""
        if self["yes"]:
            return
        if not _is_terminal(sys.stdin):
            raise UsageError(
                f"Not confirmed: {question}",
                hint="Not a terminal, so there is no one to ask. Pass --yes to confirm.",
            )
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise UsageError("Nothing was done")


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _check(call: Call) -> int:
    with call.pipeline() as pipeline:
        result = pipeline.check(*call.options())
    call.show(result, lambda: show.checked(result, call.view))
    return DONE if result.ok else PROBLEMS


def _dump(call: Call) -> int:
    with call.pipeline() as pipeline:
        result = pipeline.dump(*call.options(labels=call["labels"]))
    call.show(result, lambda: show.dumped(result, call.view))
    return PROBLEMS if result.problems else DONE


def _arrange(call: Call) -> int:
    files = [Path(name) for name in call["files"]]
    with call.pipeline() as pipeline:
        result = pipeline.arrange(files, *call.options())
    call.show(result, lambda: show.arranged(result, call.view))
    return PROBLEMS if result.problems else DONE


def _load(call: Call) -> int:
    _ask_before_deleting(call)
    with call.pipeline() as pipeline:
        result = pipeline.load(*call.options())
    call.show(result, lambda: show.loaded(result, call.view))
    return PROBLEMS if result.rejected else DONE


def _verify(call: Call) -> int:
    if call["row"]:
        return _verify_row(call, call["row"])
    with call.pipeline() as pipeline:
        result = pipeline.verify(*call.options())
    call.show(result, lambda: show.verified(result, call.view))
    return DONE if result.ok else PROBLEMS


def _verify_row(call: Call, row: str) -> int:
    with call.pipeline() as pipeline:
        pair = pipeline.compare_row(row)
    call.show(pair, lambda: show.row(pair))
    return DONE if pair.ok else PROBLEMS


def _sync(call: Call) -> int:
    if call.values.get("existing") == "delete":
        call.ask("Delete the rows in the target that the source lacks, whoever wrote them?")
    with call.pipeline() as pipeline:
        result = pipeline.sync(*call.options())
    call.show(result, lambda: show.synced(result, call.view))
    return DONE if result.ok else PROBLEMS


def _run(call: Call) -> int:
    _ask_before_deleting(call)
    with call.pipeline() as pipeline:
        result = pipeline.run(*call.options())
        target = pipeline.target
    call.show(result, lambda: show.ran(result, call.view, target.name, target.settings))
    return DONE if result.ok else PROBLEMS


def _status(call: Call) -> int:
    if call["graph"]:
        graph = _graph(read_manifest(call.directory), call["graph"])
        call.show(output.Graph(graph), lambda: print(graph, end=""))
        return DONE
    if call["watch"]:
        watch(call.directory)
    state = read_state(call.directory)
    call.show(state, lambda: show.status(state, call.view))
    return DONE


def _graph(manifest: Manifest, form: str) -> str:
    graph = ModelGraph(manifest.schemas())
    if form == "text":
        return as_text(graph)
    dot = as_dot(graph)
    if form == "dot":
        return dot
    program = shutil.which("dot")
    if program is None:
        raise UsageError(
            "Graphviz is not installed",
            hint="Install it (`apt install graphviz`), or use --graph dot.",
        )
    drawn = subprocess.run(
        [program, "-Tsvg"], input=dot, capture_output=True, text=True, check=True
    )
    return drawn.stdout


def _report(call: Call) -> int:
    # The page is made by Django's templates, which no other command waits for.
    from fixturepipe.report import PAGE, write_report

    report = write_report(call.directory, call.next.line, values=call["values"])
    call.show(report, lambda: print(f"Wrote the report to {call.directory.path / PAGE}"))
    return DONE


def _inspect(call: Call) -> int:
    manifest = read_manifest(call.directory)
    model, pk = call["model"], call["pk"]
    if pk is not None and model is None:
        raise UsageError(
            "--pk needs --model", hint="For example: inspect --model shop.order --pk 17"
        )
    label = None if model is None else manifest.label_of(model)
    if label is not None and pk is not None:
        return _inspect_object(call, manifest, label, pk)
    if call["chunks"]:
        return _inspect_chunks(call, manifest, call["chunks"])
    chunks = _chunks(manifest)
    if label is not None:
        chunks = tuple(chunk for chunk in chunks if label in chunk.models)
    load_status = read_load_status(call.directory, manifest.run)
    loaded = numbers_in(load_status.loaded) if load_status else set()
    result = output.Chunks(
        chunks,
        tuple(chunk.number for chunk in chunks if chunk.number in loaded),
        tuple(
            f"{name}.{field}" for name, field in manifest.altered_fields if label in (None, name)
        ),
    )
    call.show(result, lambda: show.chunks(result))
    return DONE


def _inspect_chunks(call: Call, manifest: Manifest, names: Sequence[str]) -> int:
    by_number = {chunk.number: chunk for chunk in _chunks(manifest)}
    contents = []
    for name in names:
        # A chunk may be named by its number, its file's name or its path.
        digits = re.match(r"\d+", Path(name).name)
        chunk = by_number.get(int(digits.group())) if digits else None
        if chunk is None:
            last = max(by_number, default=0)
            hint = f"The chunks are numbered 1 to {last}." if last else _ARRANGE_FIRST
            raise UsageError(f"There is no chunk {name}", hint=hint)
        found = first_objects(call.directory.path / chunk.file, call["objects"])
        contents.append(output.ChunkContent(chunk, found))
    result = output.Contents(tuple(contents))
    call.show(result, lambda: show.contents(result, ObjectView(call.directory, manifest)))
    return DONE


def _inspect_object(call: Call, manifest: Manifest, label: str, pk: str) -> int:
    found = find_object(call.directory, manifest, label, pk)
    result = output.Places(
        tuple(output.Place(each.chunk.file, each.origins, json.loads(each.line)) for each in found)
    )
    call.show(result, lambda: show.places(result, ObjectView(call.directory, manifest)))
    if not result.places:
        say(f"No chunk holds {label} with the primary key {pk}.")
    return DONE if result.places else PROBLEMS


def _chunks(manifest: Manifest) -> tuple[Chunk, ...]:
    return manifest.arrangement.chunks if manifest.arrangement else ()


def _clean(call: Call) -> int:
    path = call.directory.path
    keep_ledger = call["keep_ledger"]
    if not path.exists():
        result = output.Cleaned(str(path), gone=True, ledger_kept=keep_ledger)
        call.show(result, lambda: print(f"There is no run directory {path}."))
        return DONE
    call.directory.require_ours()
    ledger = "" if keep_ledger else " and the run's ledger in the target"
    call.ask(f"Remove fixturepipe's files in {path}{ledger}?")
    with call.pipeline() as pipeline:
        result = output.Cleaned(str(path), pipeline.clean(keep_ledger=keep_ledger), keep_ledger)
    call.show(result, lambda: show.cleaned(result))
    return DONE


def _server(call: Call) -> int:
    with call.pipeline() as pipeline:
        server = pipeline.server
        match call["action"]:
            case "start":
                pipeline.directory.create()
                server.start(keep=True)
            case "stop":
                pipeline.directory.require_ours()
                server.stop()
        running = server.running
    state = output.Server(running, server.client if running else None)
    call.show(state, lambda: show.server(state))
    return DONE


def _completion(call: Call) -> int:
    from argcomplete.shell_integration import shellcode

    script = shellcode([PROGRAM], shell=call["shell"])
    call.show_text(lambda: print(script))
    return DONE


def _ask_before_deleting(call: Call) -> None:
    if call.values.get("existing") == "delete":
        call.ask("Delete the rows in the target that this run did not write?")


COMMANDS: dict[str, Callable[[Call], int]] = {
    "check": _check,
    "dump": _dump,
    "arrange": _arrange,
    "load": _load,
    "verify": _verify,
    "sync": _sync,
    "run": _run,
    "status": _status,
    "inspect": _inspect,
    "report": _report,
    "clean": _clean,
    "server": _server,
    "completion": _completion,
}
