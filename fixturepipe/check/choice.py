"""Which findings and which models the options of a check choose."""

from __future__ import annotations

from collections.abc import Iterable

from django.apps import apps

from fixturepipe.check.options import CheckOptions
from fixturepipe.errors import UsageError
from fixturepipe.findings.finding import Finding
from fixturepipe.findings.rules import RULES


def require_known(options: CheckOptions) -> None:
    """Raises UsageError for a finding or a model that does not exist."""
    for option, chosen in (("--ignore", options.ignore), ("--only", options.only_findings)):
        for each in chosen:
            rule, _, label = each.partition(":")
            if rule.upper() not in RULES:
                raise UsageError(
                    f"{option} {each}: there is no finding {rule}",
                    hint="docs/findings.md has them all: FP101 and so on.",
                )
            if label and not _is_model(label):
                raise UsageError(
                    f"{option} {each}: the project has no model {label}",
                    hint=f"Name a model as APP.MODEL: {rule.upper()}:shop.order.",
                )


def is_reported(finding: Finding, options: CheckOptions) -> bool:
    """Whether the options leave the finding in."""
    only = not options.only_findings or _is_among(finding, options.only_findings)
    return only and not _is_among(finding, options.ignore)


def is_asked_for(label: str, options: CheckOptions) -> bool:
    """Whether the options choose a model or a table, by its label."""
    names = {label, label.partition(".")[0]}
    chosen = not options.labels or any(each.lower() in names for each in options.labels)
    return chosen and not any(each.lower() in names for each in options.exclude)


def _is_among(finding: Finding, chosen: Iterable[str]) -> bool:
    for each in chosen:
        rule, _, label = each.partition(":")
        if rule.upper() == finding.id and label.lower() in ("", finding.model):
            return True
    return False


def _is_model(label: str) -> bool:
    try:
        apps.get_model(label)
    except (LookupError, ValueError):
        return False
    return True
