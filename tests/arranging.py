"""Model schemas and fixtures made by hand, and what arranging leaves of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fixturepipe.arrange.keys import KeyReaders
from fixturepipe.arrange.stage import ArrangeOptions, ArrangeResult, arrange
from fixturepipe.artifacts.manifest import (
    Arrangement,
    Chunk,
    ModelSchema,
    Reference,
    read_manifest,
)
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.events import Listener, ignore

Object = dict[str, Any]


def schema(label: str, *fields: str, **references: str) -> ModelSchema:
    """A model; `parent="shop.category?"` is a reference that may be null.

    Plain fields are in `fields`.
    """
    return ModelSchema(
        label=label,
        table=label.replace(".", "_"),
        pk="id",
        fields=(*fields, *references),
        references=tuple(
            Reference(name, model.rstrip("?"), null=model.endswith("?"))
            for name, model in references.items()
        ),
    )


def schemas(*models: ModelSchema) -> dict[str, ModelSchema]:
    return {model.label: model for model in models}


def a(label: str, pk: Any = None, /, **fields: Any) -> Object:
    """An object of a fixture, without a primary key where it is None."""
    key = {} if pk is None else {"pk": pk}
    return {"model": label, **key, "fields": fields}


def write(path: Path, objects: Iterable[Object]) -> Path:
    path.write_text(json.dumps(list(objects)), encoding="utf-8")
    return path


class Arranged:
    """An arrangement and the objects of its chunks."""

    def __init__(self, directory: RunDirectory, result: ArrangeResult) -> None:
        self.directory = directory
        self.result = result
        arrangement = read_manifest(directory).arrangement
        assert arrangement is not None
        self.arrangement: Arrangement = arrangement
        self.chunks: Sequence[Chunk] = arrangement.chunks

    def contents(self) -> list[list[Object]]:
        """The objects of each chunk."""
        return [
            json.loads((self.directory.path / chunk.file).read_bytes()) for chunk in self.chunks
        ]

    def objects(self) -> list[Object]:
        """All objects in load order."""
        return [each for content in self.contents() for each in content]

    def order(self) -> list[tuple[str, Any]]:
        """Model and key of all objects in load order."""
        return [(each["model"], each.get("pk")) for each in self.objects()]

    def files(self) -> dict[str, bytes]:
        """The files in the folder of chunks."""
        return {path.name: path.read_bytes() for path in sorted(self.directory.chunks.iterdir())}


def arranged(
    path: Path,
    models: Mapping[str, ModelSchema],
    objects: Iterable[Object] | Sequence[Path],
    listener: Listener = ignore,
    in_target: Any = None,
    key_readers: KeyReaders | None = None,
    **options: Any,
) -> Arranged:
    """Arrange objects (or fixture files) in a run directory of their own below `path`."""
    path.mkdir(exist_ok=True)
    given = list(objects)
    files = [each for each in given if isinstance(each, Path)]
    if not files:
        files = [write(path / "given.json", given)]  # type: ignore[arg-type]
    directory = RunDirectory(path / "run")
    result = arrange(
        directory, models, files, ArrangeOptions(**options), listener, in_target, key_readers
    )
    return Arranged(directory, result)


def forward_references(
    models: Mapping[str, ModelSchema], contents: Sequence[Sequence[Object]]
) -> list[str]:
    """References by primary key to an object that is first in a later chunk."""
    first: dict[tuple[str, str], int] = {}
    for number, content in enumerate(contents):
        for each in content:
            first.setdefault((each["model"], str(each.get("pk"))), number)
    found = []
    for number, content in enumerate(contents):
        for each in content:
            for reference in models[each["model"]].references:
                value = each["fields"].get(reference.field)
                if reference.field == "pk":
                    value = each.get("pk")
                if value is None or isinstance(value, list):
                    continue
                if first.get((reference.model, str(value)), -1) > number:
                    found.append(f"{each} in chunk {number}")
    return found


def counted(objects: Iterable[Object]) -> Counter[str]:
    """Objects as a multiset, whatever the order of their fields."""
    return Counter(json.dumps(each, sort_keys=True) for each in objects)
