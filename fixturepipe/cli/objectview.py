"""Objects of a fixture for people: values on a line, references with what they stand for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from shutil import get_terminal_size
from typing import Any

from fixturepipe.artifacts.catalog import objects_with_keys
from fixturepipe.artifacts.manifest import Manifest, ModelSchema
from fixturepipe.artifacts.records import key_text
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.wording import cut

# The columns of a stream that is no terminal.
_WIDE = 160


class ObjectView:
    """Shows objects of a run. A reference by key gets the natural key of what it refers to, if
    the chunks hold that.
    """

    def __init__(self, directory: RunDirectory, manifest: Manifest) -> None:
        self._directory = directory
        self._manifest = manifest
        self._schemas = manifest.schemas()

    def text(self, objects: Iterable[Mapping[str, Any]]) -> str:
        """The objects, a field a line."""
        every = list(objects)
        natural = self._natural_keys(every)
        return "\n".join(line for each in every for line in self._lines(each, natural))

    def _lines(
        self, each: Mapping[str, Any], natural: Mapping[tuple[str, str], str]
    ) -> Iterable[str]:
        label = each["model"]
        key = f" {json.dumps(each['pk'])}" if "pk" in each else ""
        yield f"{label}{key}"
        references = self._references(label)
        width = max(map(len, each["fields"]), default=0)
        room = max(20, get_terminal_size((_WIDE, 24)).columns - width - 6)
        for name, value in each["fields"].items():
            text = json.dumps(value, ensure_ascii=False)
            if name in references and value is not None:
                model = references[name]
                known = natural.get((model, key_text(value)), "")
                text = f"{text}  ({model}{f' {known}' if known else ''})"
            yield f"    {name:<{width}}  {cut(text, room)}"

    def _references(self, label: str) -> dict[str, str]:
        """The models that a model's fields refer to by primary key or natural key."""
        schema = self._schemas.get(label)
        found = schema.references if schema else ()
        return {each.field: each.model for each in found if each.to == "pk"}

    def _natural_keys(self, objects: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
        """The natural keys, as text, of the objects that are referred to by primary key."""
        keys: dict[str, list[Any]] = {}
        for each in objects:
            for name, model in self._references(each["model"]).items():
                value = each["fields"].get(name)
                if isinstance(value, (int, str)) and self._schemas[model].natural_key:
                    keys.setdefault(model, []).append(value)
        return {
            (model, text): _natural_key(self._schemas[model], found["fields"])
            for model, wanted in keys.items()
            for text, found in objects_with_keys(
                self._directory, self._manifest, model, wanted
            ).items()
        }


def _natural_key(schema: ModelSchema, fields: Mapping[str, Any]) -> str:
    """The natural key as a fixture has it; a part that leads to another object as its reference."""
    return json.dumps(
        [fields.get(path.partition("__")[0]) for path in schema.natural_key], ensure_ascii=False
    )


def shortened(value: Any, length: int = 120) -> str:
    """A value on one line, as Python writes it, cut where it is long."""
    return cut(repr(value), length)
