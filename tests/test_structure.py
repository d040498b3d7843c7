"""Which module may know which: a reader of one stage never needs another to understand it.

    entry points   __main__, management/          start the parser
         │
        cli                                       the only one that prints and exits
         │
      pipeline                                    the only one that knows the stages
         │
       stages/     check  dump  arrange  load …   strangers to each other
         │
    databases/  config  artifacts/  arranging/  graph  chunking
         │                 └─────────── no Django ───────────┘
     apps  errors  events                         leaves

Modules are read, not imported, so that an import inside a function counts like any other.
"""

import ast
from collections.abc import Callable, Iterator
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
    "remedies": 1,
    "artifacts": 1,
    "arranging": 1,
    "graph": 1,
    "schedule": 1,
    "chunking": 1,
    "apps": 0,
    "errors": 0,
    "events": 0,
}
WITHOUT_DJANGO = {"artifacts", "arranging", "graph", "chunking", "schedule", "remedies"}
WITHOUT_DJANGO |= {"errors", "events"}
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


def layer_of(path: Path) -> str:
    """The first part of the name; "" is the package itself, which names what is public."""
    return next(iter(parts_of(path)), "")


def modules(condition: Callable[[str], bool]) -> pytest.MarkDecorator:
    """The test runs once on each module whose layer meets the condition."""
    chosen = [path for path in MODULES if condition(layer_of(path))]
    return pytest.mark.parametrize("path", chosen, ids=name_of)


@modules(lambda layer: layer != "")
def test_each_module_has_its_place_in_the_layers(path):
    assert layer_of(path) in LAYERS, "say in LAYERS who may import it"


@modules(lambda layer: layer in LAYERS)
def test_imports_point_downwards(path):
    own = LAYERS[layer_of(path)]
    assert not [other for other in siblings_of(path) if LAYERS.get(other[0], 0) > own]


@modules(lambda layer: layer != "pipeline")
def test_only_the_pipeline_imports_stages(path):
    own = parts_of(path)[:2]
    assert not [other for other in siblings_of(path) if other[0] == "stages" and other[:2] != own]


@modules(lambda layer: layer in WITHOUT_DJANGO)
def test_the_pure_part_knows_neither_django_nor_what_talks_to_it(path):
    assert not [name for name in imports_of(path) if name.split(".")[0] == "django"]
    assert {other[0] for other in siblings_of(path)} <= WITHOUT_DJANGO


@modules(lambda layer: layer not in MAY_EXIT)
def test_only_the_command_line_prints_and_exits(path):
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
