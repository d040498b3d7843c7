"""The project's own hook: a callable that is given each object before it is dumped.

    def fix(obj):
        if obj["model"] == "shop.product":
            obj["fields"]["sku"] = obj["fields"]["sku"].upper()
        return obj

It takes an object in fixture form, after all declared fixes, and returns it, changed or not, or
None to leave it out. The primary key must stay the same, and so must natural keys that references
to the object are written by. Content types and permissions, which have no primary key in a
fixture, are not passed to it.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fixturepipe.artifacts.changes import Change
from fixturepipe.artifacts.records import object_text
from fixturepipe.databases.jsontext import json_of_value
from fixturepipe.errors import ConfigurationError

RULE = "transform"


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

    def __call__(self, line: bytes) -> tuple[bytes | None, list[Change]]:
        """The line to write, or None to leave the object out, and the changes.

        Raises ConfigurationError, naming the object, for an error in the callable and for a
        change that is not allowed.
        """
        before = json.loads(line)
        if "pk" not in before:
            return line, []
        try:
            after = self._call(json.loads(line))
        except Exception as error:
            raise self._refusal(before, f"{type(error).__name__}: {error}") from error
        if after is None:
            pk, old = json_of_value(before["pk"]), line.decode()
            return None, [Change(before["model"], pk, None, old, "null", RULE)]
        if after == before and repr(after) == repr(before):
            return line, []
        return self._changed(before, after)

    def _changed(self, before: dict[str, Any], after: Any) -> tuple[bytes, list[Change]]:
        self._require_same_object(before, after)
        label, pk = before["model"], json_of_value(before["pk"])
        try:
            texts = {name: json_of_value(value) for name, value in after["fields"].items()}
        except (TypeError, ValueError) as error:
            raise self._refusal(before, f"it returned what JSON cannot hold: {error}") from error
        changes = [
            Change(label, pk, name, old, texts[name], RULE)
            for name, value in before["fields"].items()
            if (old := json_of_value(value)) != texts[name]
        ]
        ordered = {name: texts[name] for name in before["fields"]}
        return object_text(label, pk, ordered).encode(), changes

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
