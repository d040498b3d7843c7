"""Which module may know which: a reader of one stage never needs another to understand it.

    __main__  management/            start the parser
         │
        cli/                         the only one that prints and exits
         │
      pipeline  sync/                the only ones that import a stage's entry, `*/stage.py`
      priorrun  handovers            parts of the pipeline
         │
    check/  dump/  arrange/  load/  verify/   the stages: none imports another
         │
    databases/  fixes/  findings/  report/  artifacts/  graph   shared: none imports a stage
         │
    config  errors  events  wording  apps   single modules

Modules are read, not imported, so that an import inside a function counts like any other.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "fixturepipe"
MODULES = sorted(PACKAGE.rglob("*.py"))

ENTRIES = ("__main__", "management")
PIPELINE = ("pipeline", "priorrun", "handovers", "sync")
STAGES = ("check", "dump", "arrange", "load", "verify")
SHARED = ("databases", "fixes", "findings", "report", "artifacts", "graph")
SINGLE = ("config", "errors", "events", "wording", "apps")
# From the top down; a module imports none above it.
LAYERS = (ENTRIES, ("cli",), PIPELINE, STAGES, SHARED, SINGLE)
WITHOUT_DJANGO = {"arrange", "artifacts", "findings", "graph", "errors", "events", "wording"}
# `fixes` has a half that knows no Django.
PURE_MODULES = {("fixes", "declarations")}
# Rooms within a stage on which the stage's other modules are built, never the reverse.
LOWEST_ROOMS = [("load", "server")]
# What the other modules are built on: these import none of those.
INNER_ROOMS = [("load", "objects"), ("load", "server")]
STREAMS = {("sys", "stdout"), ("sys", "stderr"), ("sys", "exit"), ("os", "_exit")}


def parts_of(path: Path) -> tuple[str, ...]:
    """`fixturepipe/dump/stage.py` is ("dump", "stage"), a package is its folder."""
    names = path.relative_to(PACKAGE).with_suffix("").parts
    return names[:-1] if names[-1] == "__init__" else names


def imports_of(path: Path) -> Iterator[str]:
    """Yields dotted names; `from a import b` gives `a.b`, as b may be a module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: a relative import hides its direction"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def siblings_of(path: Path) -> Iterator[tuple[str, ...]]:
    """The imports from this package, as parts below it."""
    for name in imports_of(path):
        first, *rest = name.split(".")
        if first == "fixturepipe" and rest:
            yield tuple(rest)


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def room_of(path: Path) -> str:
    """The first part of the name; "" is the package itself, which names what is public."""
    return next(iter(parts_of(path)), "")


def height_of(room: str) -> int:
    return next(len(LAYERS) - i for i, rooms in enumerate(LAYERS) if room in rooms)


def modules(condition: Callable[[str], bool]) -> pytest.MarkDecorator:
    """The test runs once on each module whose room meets the condition."""
    chosen = [path for path in MODULES if condition(room_of(path))]
    return pytest.mark.parametrize("path", chosen, ids=name_of)


def known(room: str) -> bool:
    return any(room in rooms for rooms in LAYERS)


@modules(lambda room: room != "")
def test_each_module_has_its_place_in_the_layers(path):
    assert known(room_of(path)), "say in LAYERS who may import it"


@modules(known)
def test_imports_point_downwards(path):
    own = height_of(room_of(path))
    assert not [s for s in siblings_of(path) if known(s[0]) and height_of(s[0]) > own]


@modules(lambda room: room in STAGES)
def test_no_stage_imports_another(path):
    others = set(STAGES) - {room_of(path)}
    assert not [sibling for sibling in siblings_of(path) if sibling[0] in others]


@modules(lambda room: room not in (*PIPELINE, ""))
def test_only_the_pipeline_imports_the_entry_of_a_stage(path):
    own = room_of(path)
    entries = [s for s in siblings_of(path) if s[0] in STAGES and s[1:2] == ("stage",)]
    assert not [entry for entry in entries if entry[0] != own]


@pytest.mark.parametrize("below", LOWEST_ROOMS, ids=str)
def test_the_lowest_room_of_a_stage_knows_no_other_of_the_stage(below):
    inside = [path for path in MODULES if parts_of(path)[:2] == below]
    assert len(inside) > 1
    siblings = [sibling for path in inside for sibling in siblings_of(path)]
    assert not [s for s in siblings if s[0] == below[0] and s[:2] != below]


@pytest.mark.parametrize("inner", INNER_ROOMS, ids=str)
def test_a_room_within_a_stage_imports_no_module_outside_it(inner):
    inside = [path for path in MODULES if parts_of(path)[:2] == inner]
    siblings = [sibling for path in inside for sibling in siblings_of(path)]
    assert not [s for s in siblings if s[0] == inner[0] and s[:2] not in INNER_ROOMS]


def test_no_two_rooms_import_each_other():
    rooms: dict[str, set[str]] = {}
    for path in MODULES:
        if own := room_of(path):
            found = {sibling[0] for sibling in siblings_of(path) if known(sibling[0])}
            rooms.setdefault(own, set()).update(found - {own})
    assert list(TopologicalSorter(rooms).static_order())  # raises CycleError for a cycle


def test_no_room_holds_more_than_a_quarter_of_the_lines():
    lines: Counter[str] = Counter()
    for path in MODULES:
        lines[room_of(path)] += path.read_text(encoding="utf-8").count("\n")
    assert max(lines.values()) <= lines.total() / 4, lines.most_common(3)


@pytest.mark.parametrize(
    "path",
    [p for p in MODULES if room_of(p) in WITHOUT_DJANGO or parts_of(p) in PURE_MODULES],
    ids=name_of,
)
def test_the_pure_part_knows_neither_django_nor_what_talks_to_it(path):
    assert not [name for name in imports_of(path) if name.split(".")[0] == "django"]
    siblings = [s for s in siblings_of(path) if s[:2] not in PURE_MODULES]
    assert {sibling[0] for sibling in siblings} <= WITHOUT_DJANGO


@modules(lambda room: room not in (*ENTRIES, "cli"))
def test_only_the_command_line_prints_and_exits(path):
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="print" | "exit" | "quit" | "input" as name)):
                found.append(f"line {node.lineno}: {name}()")
            case ast.Attribute(value=ast.Name(id=owner), attr=attr) if (owner, attr) in STREAMS:
                found.append(f"line {node.lineno}: {owner}.{attr}")
            case ast.Raise(
                exc=ast.Name(id="SystemExit") | ast.Call(func=ast.Name(id="SystemExit"))
            ):
                found.append(f"line {node.lineno}: SystemExit")
    assert not found
