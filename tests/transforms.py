"""Transforms as a project would write them, right and wrong."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def upper(obj: Object) -> Object | None:
    """Names in capitals; one object changed in every way, one left out."""
    fields = obj["fields"]
    if obj["model"] != "dirty.values":
        return obj
    if obj["pk"] == 1:
        fields["json"] = {"a": 2, "b": [None]}
        fields["timestamp"] = "2021-01-01T00:00:00Z"
        fields["binary"] = "/wA="
    fields["char"] = fields["char"].upper()
    return None if obj["pk"] == 2 else obj


def numbered_places(obj: Object) -> Object | None:
    """Short names get their key's number, once more each time; one place is left out."""
    if obj["model"] == "loading.place" and len(obj["fields"]["name"]) < 40:
        obj["fields"]["name"] += f" {obj['pk']}"
    return None if obj["fields"].get("name") == "drop 4" else obj


def from_csv(obj: Object) -> Object | None:
    """Makes what a CSV import meant of what it wrote."""
    if obj["model"] != "dirty.values":
        return obj
    fields = obj["fields"]
    fields["integer"] = int(float(fields["integer"]))
    if isinstance(fields["boolean"], str):
        fields["boolean"] = fields["boolean"] == "wahr"
    if fields["date"] == "never":
        return None
    return obj


def other_reference(obj: Object) -> Object:
    """What referred to one tag by its natural key refers to another."""
    if obj["fields"].get("broader") == ["red"]:
        obj["fields"]["broader"] = ["blue"]
    return obj


def same(obj: Object) -> Object:
    return obj


def other_key(obj: Object) -> Object:
    return {**obj, "pk": 99}


def other_model(obj: Object) -> Object:
    return {**obj, "model": "dirty.name"}


def fails(obj: Object) -> Object:
    raise KeyError("missing")


def no_object(obj: Object) -> Any:
    return 7


def more_fields(obj: Object) -> Object:
    obj["fields"]["new"] = 1
    return obj


def no_json(obj: Object) -> Object:
    obj["fields"]["char"] = object()
    return obj


def other_word(obj: Object) -> Object:
    if obj["model"] == "dirty.tag":
        obj["fields"]["word"] = "changed"
    return obj


not_callable = 7
