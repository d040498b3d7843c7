"""The project's own hook: a callable that is given each object before it is dumped.

    def fix(obj):
        if obj["model"] == "shop.product":
            obj["fields"]["sku"] = obj["fields"]["sku"].upper()
        return obj

It takes an object in fixture form, after all declared fixes, and returns it, changed or not, or
None to leave it out. A value that a fixture cannot hold, such as text in a column of dates, is
passed as it is stored, and the object is refused unless the function replaces it. The primary key
must stay the same, and so must natural keys that references to the object are written by. Content
types and permissions, which have no primary key in a fixture, are not passed to it.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fixturepipe.artifacts.changes import Change
from fixturepipe.artifacts.records import object_text
from fixturepipe.databases.jsontext import json_of_value, text_of_raw
from fixturepipe.errors import ConfigurationError

RULE = "transform"


@dataclass(frozen=True)
class Transformed:
    """What the transform made of an object: its line, or None if it is left out, and the changes.

    `unchanged` are fields whose values a fixture cannot hold, and which it did not replace.
    """

    line: bytes | None
    changes: Sequence[Change] = ()
    unchanged: frozenset[str] = frozenset()


class Transform:
    """The callable that "module:name" names. `fixed` holds, by label, the fields of the natural
    keys that references are written by.

    Raises ConfigurationError if the name does not lead to a callable.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._call = _imported(name)
        self.fixed: Mapping[str, Sequence[str]] = {}

    @property
    def fingerprint(self) -> str:
        """Changes when the callable's module does."""
        path = getattr(sys.modules.get(self._call.__module__), "__file__", None)
        content = Path(path).read_bytes() if path else b""
        return f"{self._name} {hashlib.sha256(content).hexdigest()}"

    def __call__(self, line: bytes, raws: Mapping[str, Any] = MappingProxyType({})) -> Transformed:
        """What the callable makes of an object. `raws` are stored values to pass instead of the
        line's, by field.

        Raises ConfigurationError, naming the object, for an error in the callable and for a
        change that is not allowed.
        """
        before = json.loads(line)
        if "pk" not in before or "pk" in raws:
            return Transformed(line, unchanged=frozenset(raws))
        before["fields"].update(raws)
        try:
            after = self._call(json.loads(line) if not raws else copy.deepcopy(before))
        except Exception as error:
            raise self._refusal(before, f"{type(error).__name__}: {error}") from error
        if after is None:
            pk, old = json_of_value(before["pk"]), line.decode()
            return Transformed(None, [Change(before["model"], pk, None, old, "null", RULE)])
        if after == before and repr(after) == repr(before):
            return Transformed(line, unchanged=frozenset(raws))
        self._require_same_object(before, after)
        fields = after["fields"]
        unchanged = frozenset(n for n, raw in raws.items() if repr(fields[n]) == repr(raw))
        return Transformed(line, (), unchanged) if unchanged else self._changed(before, after)

    def _changed(self, before: dict[str, Any], after: dict[str, Any]) -> Transformed:
        label, pk = before["model"], json_of_value(before["pk"])
        try:
            texts = {name: json_of_value(value) for name, value in after["fields"].items()}
        except (TypeError, ValueError) as error:
            raise self._refusal(before, f"it returned what JSON cannot hold: {error}") from error
        changes = [
            Change(label, pk, name, old, texts[name], RULE)
            for name, value in before["fields"].items()
            if (old := text_of_raw(value)) != texts[name]
        ]
        ordered = {name: texts[name] for name in before["fields"]}
        return Transformed(object_text(label, pk, ordered).encode(), changes)

    def _require_same_object(self, before: dict[str, Any], after: Any) -> None:
        if not isinstance(after, dict) or not isinstance(after.get("fields"), dict):
            raise self._refusal(before, f"it returned {type(after).__name__}, not an object")
        for name in ("model", "pk"):
            if after.get(name) != before[name]:
                raise self._refusal(before, f"it may not change {name!r}")
        if after["fields"].keys() != before["fields"].keys():
            raise self._refusal(before, "it may neither add nor remove fields")
        for name in self.fixed.get(before["model"], ()):
            if after["fields"].get(name) != before["fields"].get(name):
                raise self._refusal(
                    before,
                    f"{name} is part of the natural key that references are written by",
                    hint="Dump with --natural-keys none to change it.",
                )

    def _refusal(self, before: dict[str, Any], reason: str, hint: str = "") -> ConfigurationError:
        where = f"{before['model']} {json.dumps(before['pk'])}"
        return ConfigurationError(
            f"The transform {self._name} failed on {where}: {reason}",
            hint=hint or "Correct the function, and run the same command again.",
        )


def _imported(name: str) -> Callable[[Any], Any]:
    module, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"The transform {name} cannot be imported: {error}",
            hint="Write it as MODULE:NAME, and put the module on --pythonpath.",
        ) from error
    if not callable(found):
        raise ConfigurationError(f"The transform {name} is not callable")
    function: Callable[[Any], Any] = found
    return function
