"""Which models a dump takes, and which dumps of an earlier command are still valid and reused.

A dump is valid for the fingerprint of everything that it depends on: the content of the source,
the models of its app, the natural keys, the fixes and the transform. Without a fingerprint of
the source's content no dump is valid.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.core.management.base import CommandError
from django.core.management.utils import parse_apps_and_model_labels

from fixturepipe.artifacts.changes import changes_path, replace_changes
from fixturepipe.artifacts.manifest import Dump, Manifest, NotCovered
from fixturepipe.artifacts.records import file_sha256
from fixturepipe.artifacts.rejects import remove_rejects
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.coverage import Coverage
from fixturepipe.databases.fields import Model
from fixturepipe.databases.introspection import schema_of
from fixturepipe.dump.fingerprint import Fingerprint
from fixturepipe.dump.rowplan import RowPlan
from fixturepipe.errors import UsageError
from fixturepipe.events import Listener, Notice

# Part of each dump's fingerprint. A new form of the files makes all older dumps invalid.
FORM = 2


@dataclass(frozen=True)
class Selection:
    """The models to dump, all models that the source covers, and what is left out, with reasons."""

    models: list[Model]
    covered: list[Model]
    not_covered: list[NotCovered]


def select(covered: Coverage, labels: Sequence[str], exclude: Sequence[str]) -> Selection:
    """Choose by apps ("shop") and models ("shop.order"), as dumpdata does.

    Raises UsageError for a label that names neither.
    """
    wanted, unwanted = _named(labels), _named(exclude)
    chosen: list[Model] = []
    left_out = list(covered.not_covered)
    for model in covered.models:
        meta = model._meta
        if {meta.app_label, meta.label_lower} & unwanted:
            left_out.append(NotCovered(meta.label_lower, "excluded by name"))
        elif labels and not {meta.app_label, meta.label_lower} & wanted:
            left_out.append(NotCovered(meta.label_lower, "not among the apps and models named"))
        else:
            chosen.append(model)
    return Selection(chosen, covered.models, left_out)


def _named(labels: Sequence[str]) -> set[str]:
    try:
        named, apps = parse_apps_and_model_labels(labels)
    except (CommandError, LookupError, ValueError) as error:
        raise UsageError(
            str(error), hint="Name an app by its label (shop), or a model (shop.order)."
        ) from None
    concrete = {model._meta.concrete_model or model for model in named}
    return {model._meta.label_lower for model in concrete} | {config.label for config in apps}


def select_with_reused(
    directory: RunDirectory,
    manifest: Manifest,
    source: Fingerprint,
    covered: Coverage,
    labels: Sequence[str],
    exclude: Sequence[str],
    listener: Listener,
) -> Selection:
    """The models to dump: those named, and those of other dumps from the same source.

    So one app can be dumped again without the others. Dumps of an earlier state of the source
    are removed, with a warning: files of two states do not fit together.
    """
    chosen = select(covered, labels, exclude)
    apps = {model._meta.app_label for model in chosen.models}
    others = [dump for dump in manifest.dumps if dump.app not in apps]
    if not labels or not others:
        return chosen
    known = {model._meta.label_lower for model in covered.models}
    kept = [d for d in others if _is_of_source(manifest, source) and _is_whole(directory, d)]
    if kept:
        listener(Notice("info", f"Kept, because the source has not changed: {_files(kept)}"))
    if gone := [dump for dump in others if dump not in kept]:
        text = f"Removed, because the source has changed since: {_files(gone)}."
        listener(Notice("warning", f"{text} `fixturepipe dump` writes them again."))
    kept_labels = (label for dump in kept for label in dump.models if label in known)
    return select(covered, (*labels, *kept_labels), exclude)


def _is_of_source(manifest: Manifest, source: Fingerprint) -> bool:
    content = manifest.source.fingerprint.get("content") if manifest.source else None
    return content is not None and content == source.get("content")


def _is_whole(directory: RunDirectory, dump: Dump) -> bool:
    return not dump.rejected and (directory.path / dump.file).is_file()


def _files(dumps: Iterable[Dump]) -> str:
    return ", ".join(sorted(dump.file for dump in dumps))


def app_fingerprint(manifest: Manifest, plans: Sequence[RowPlan], altered_by: Sequence[Any]) -> str:
    """Of everything that an app's dump depends on; empty if the source's content has none."""
    source = manifest.source
    if source is None or "content" not in source.fingerprint:
        return ""
    models = [schema_of(plan.model) for plan in plans]
    content, natural = source.fingerprint["content"], manifest.natural_references
    parts = [FORM, content, models, natural, *altered_by]
    return hashlib.sha256(msgspec.json.encode(parts, enc_hook=str)).hexdigest()


def keep_valid(
    directory: RunDirectory, manifest: Manifest, wanted: Mapping[str, str]
) -> tuple[str, ...]:
    """Keep the dumps that are valid, remove all others, and return the apps of those kept.

    `wanted` maps each app to dump to the fingerprint that its dump must have.
    """
    before = manifest.dumps
    manifest.dumps = [d for d in before if _is_valid(directory, d, wanted.get(d.app, ""))]
    kept = {dump.app for dump in manifest.dumps}
    _remove(directory, {*(dump.app for dump in before), *wanted} - kept)
    if len(kept) < max(len(before), len(wanted)):
        manifest.arrangement = None
    known = {label for dump in manifest.dumps for label in dump.models}
    manifest.json_nulls = {k: v for k, v in manifest.json_nulls.items() if k in known}
    manifest.stored = {k: v for k, v in manifest.stored.items() if k in known}
    return tuple(sorted(kept))


def _is_valid(directory: RunDirectory, dump: Dump, fingerprint: str) -> bool:
    if not fingerprint or dump.fingerprint != fingerprint or dump.rejected:
        return False
    if (dump.changed or dump.dropped) and not changes_path(directory).is_file():
        return False
    path = directory.path / dump.file
    return path.is_file() and file_sha256(path) == dump.sha256


def _remove(directory: RunDirectory, apps: set[str]) -> None:
    replace_changes(directory, apps)
    for app in apps:
        (directory.dumps / f"{app}.json").unlink(missing_ok=True)
        remove_rejects(directory, f"dump-{app}.json")
