"""Which module may know which: a reader of one stage never needs another to understand it.

    entry points   __main__, management/          start the parser
         │
        cli                                       the only one that prints and exits
         │
      pipeline                                    the only one that knows the stages
         │
       stages/     check  dump  arrange  load …   strangers to each other
         │
    databases/  config  artifacts/  graph  chunking
         │                 └───── no Django ─────┘
     apps  errors  events                         leaves

Modules are read, not imported, so that an import inside a function counts like any other.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "fixturepipe"
MODULES = sorted(PACKAGE.rglob("*.py"))

# The first part of a module's name below the package, and how high it stands.
LAYERS = {
    "__main__": 5,
    "management": 5,
    "cli": 4,
    "pipeline": 3,
    "stages": 2,
    "databases": 1,
    "config": 1,
    "artifacts": 1,
    "graph": 1,
    "chunking": 1,
    "apps": 0,
    "errors": 0,
    "events": 0,
}
WITHOUT_DJANGO = {"artifacts", "graph", "chunking", "errors", "events"}
MAY_EXIT = {"__main__", "management", "cli"}
STREAMS = {("sys", "stdout"), ("sys", "stderr"), ("sys", "exit"), ("os", "_exit")}


def parts_of(path: Path) -> tuple[str, ...]:
    """`fixturepipe/stages/dump.py` is ("stages", "dump"), a package is its folder."""
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


every_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


@every_module
def test_each_module_has_its_place_in_the_layers(path):
    parts = parts_of(path)
    assert not parts or parts[0] in LAYERS, "say in LAYERS who may import it"


@every_module
def test_imports_point_downwards(path):
    parts = parts_of(path)
    if not parts:
        pytest.skip("the package itself names what is public, from any layer")
    upwards = [
        ".".join(other) for other in siblings_of(path) if LAYERS.get(other[0], 0) > LAYERS[parts[0]]
    ]
    assert not upwards


@every_module
def test_only_the_pipeline_imports_stages(path):
    parts = parts_of(path)
    if parts[:1] == ("pipeline",):
        pytest.skip("it is the one that puts them in order")
    own = parts[:2] if parts[:1] == ("stages",) else None
    stages = {other[:2] for other in siblings_of(path) if other[0] == "stages"}
    assert stages <= {own}


@every_module
def test_the_pure_part_knows_neither_django_nor_what_talks_to_it(path):
    parts = parts_of(path)
    if not parts or parts[0] not in WITHOUT_DJANGO:
        pytest.skip("may use Django")
    assert not [name for name in imports_of(path) if name.split(".")[0] == "django"]
    assert {other[0] for other in siblings_of(path)} <= WITHOUT_DJANGO


@every_module
def test_only_the_command_line_prints_and_exits(path):
    parts = parts_of(path)
    if parts and parts[0] in MAY_EXIT:
        pytest.skip("it is the command line")
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Call(func=ast.Name(id="print" | "exit" | "quit" | "input" as name)):
                found.append(f"line {node.lineno}: {name}()")
            case ast.Attribute(value=ast.Name(id=owner), attr=attr) if (owner, attr) in STREAMS:
                found.append(f"line {node.lineno}: {owner}.{attr}")
            case ast.Name(id="SystemExit", ctx=ast.Load()):
                found.append(f"line {node.lineno}: SystemExit")
    assert not found
