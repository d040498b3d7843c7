"""The declared remedies of a project: read against its models, and looked up for a problem.

A declaration that cannot mean anything is refused when the declarations are read, before a row
is looked at. For a problem, the declaration that says most of where is taken: finding and field,
field, finding and model, model, finding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models

from fixturepipe.databases.fields import TEXTS, Field, key_fields, root_field
from fixturepipe.errors import ConfigurationError
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.declarations import FIX_NAMES, FIXES_FOR, MEANT_FOR, Declaration

Model = type[models.Model]
_TABLE = "[tool.fixturepipe.fix]"


@dataclass(frozen=True)
class Fix:
    """What is done about a problem: the remedy, the column it changes, the declaration."""

    name: str
    field: Field
    declaration: Declaration


@dataclass(frozen=True)
class _Rule:
    """A declaration read: the finding's id or "", the model, the field."""

    declaration: Declaration
    finding: str
    model: Model | None
    field: Field | None

    @property
    def precision(self) -> tuple[bool, bool, bool]:
        return self.field is not None, self.model is not None, bool(self.finding)

    def concerns(self, finding: str, model: Model, fields: Sequence[Field]) -> bool:
        if self.model not in (None, model) or (self.field and self.field not in fields):
            return False
        remedy = self.declaration.fix
        if remedy not in FIXES_FOR.get(finding, ()) or self.finding not in ("", finding):
            return False
        is_meant = RULES[finding].level == "error" or (finding, remedy) in MEANT_FOR
        return is_meant or self.finding == finding


class Fixes:
    """The declarations of a project. `used` holds the targets of those that have mended a row.

    Raises ConfigurationError for one that names nothing there is, or makes no sense there.
    """

    def __init__(self, declarations: Sequence[Declaration] = ()) -> None:
        self._rules = sorted(map(_read, declarations), key=lambda r: r.precision, reverse=True)
        self.used: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def unused(self) -> list[Declaration]:
        """The declarations that have mended no row."""
        return [r.declaration for r in self._rules if r.declaration.target not in self.used]

    def of(self, finding: str, model: Model, fields: Sequence[Field]) -> Fix | None:
        """What is declared about a finding of a column, or of columns that are unique together."""
        for rule in self._rules:
            if rule.concerns(finding, model, fields):
                remedy = rule.declaration.fix
                for field in (rule.field,) if rule.field else fields:
                    if not misfit(remedy, field, rule.declaration.value):
                        return Fix(remedy, field, rule.declaration)
        return None

    def may_change(self, model: Model, field: Field) -> bool:
        """Whether any declaration can concern the column."""
        return any(r.model in (None, model) and r.field in (None, field) for r in self._rules)


def suggestions(finding: str, model: Model, fields: Sequence[Field]) -> list[Declaration]:
    """The declarations that would mend a finding, the best one first."""
    found = []
    for remedy in FIXES_FOR.get(finding, ()):
        fitting = [field for field in fields if not misfit(remedy, field)]
        if fitting:
            where = model._meta.label
            if not model._meta.auto_created:
                where += f".{fitting[0].name}"
            needs_id = RULES[finding].level != "error" and (finding, remedy) not in MEANT_FOR
            found.append(Declaration(f"{finding}:{where}" if needs_id else where, remedy))
    return found


def _read(declaration: Declaration) -> _Rule:
    if declaration.fix not in FIX_NAMES:
        known = ", ".join(FIX_NAMES)
        raise _refusal(declaration, f"there is no remedy {declaration.fix!r}", known)
    if declaration.value is not None and declaration.fix != "default":
        raise _refusal(declaration, f"{declaration.fix} takes no value")
    finding, label = _split(declaration.target)
    if finding and declaration.fix not in FIXES_FOR.get(finding, ()):
        reason = f"there is no finding {finding}"
        if finding in RULES:
            reason = f"{declaration.fix} does not mend {finding}"
        raise _refusal(declaration, reason, ", ".join(FIXES_FOR.get(finding, ())))
    if not label:
        return _Rule(declaration, finding, None, None)
    model, field = _named(declaration, label)
    if field is not None:
        wrong = misfit(declaration.fix, field, declaration.value)
        if wrong:
            raise _refusal(declaration, wrong)
    elif declaration.value is not None:
        raise _refusal(declaration, "a value belongs to a field", f"{label}.FIELD")
    return _Rule(declaration, finding, model, field)


def _split(target: str) -> tuple[str, str]:
    """The finding's id and the rest, either of which may be empty."""
    finding, colon, label = target.partition(":")
    if colon:
        return finding.strip().upper(), label.strip()
    return ("", target) if "." in target else (target.upper(), "")


def _named(declaration: Declaration, label: str) -> tuple[Model, Field | None]:
    app, _, rest = label.partition(".")
    name, _, field_name = rest.partition(".")
    try:
        model = apps.get_model(app, name)
    except (LookupError, ValueError) as error:
        raise _refusal(declaration, str(error)) from None
    model = model._meta.concrete_model or model
    if not field_name:
        return model, None
    try:
        field: Any = model._meta.get_field(field_name)
    except FieldDoesNotExist as error:
        raise _refusal(declaration, str(error)) from None
    # Some call themselves many-to-many and have no table between.
    through = getattr(field.remote_field, "through", None)
    if through is not None and not field.auto_created:
        return through, None
    if field not in model._meta.local_concrete_fields:
        owner = getattr(field, "model", model)._meta.label
        reason = f"{field_name} is no column of {model._meta.label}"
        raise _refusal(declaration, reason, f"{owner}.{field_name}" * (owner != model._meta.label))
    return model, field


def _refusal(declaration: Declaration, reason: str, instead: str = "") -> ConfigurationError:
    hint = f"Possible: {instead}." if instead else f"Mend it in {_TABLE} or --fix."
    return ConfigurationError(f"The remedy {declaration} makes no sense: {reason}", hint=hint)


def misfit(remedy: str, field: Field, value: Any = None) -> str:
    """Why a remedy makes no sense for a column; empty where it does."""
    if remedy == "drop":
        return ""
    if field in key_fields(field.model):
        return "a primary key is what others refer to: its row can only be dropped"
    return _MISFITS[remedy](field, value)


def _no_truncate(field: Field, _: Any) -> str:
    if isinstance(field, models.DecimalField) or (_is_text(field) and field.max_length):
        return ""
    return f"{field.name} is neither text of a limited length nor a decimal"


def _no_null(field: Field, _: Any) -> str:
    return "" if field.null else f"{field.name} does not allow NULL"


def _no_default(field: Field, value: Any) -> str:
    if value is None:
        return "" if field.has_default() else f"{field.name} has no default: give a value"
    end = root_field(field)
    try:
        end.run_validators(end.to_python(value))
    except (ValidationError, TypeError, ValueError) as error:
        said = "; ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        return f"{value!r} is no value of {field.name}: {said}"
    return ""


def _no_rename(field: Field, _: Any) -> str:
    return "" if _is_text(field) else f"{field.name} is not text, so it takes no suffix"


def _no_replace(field: Field, _: Any) -> str:
    if _is_text(field) or field.get_internal_type() == "JSONField":
        return ""
    return f"{field.name} is not text"


def _no_epoch(field: Field, _: Any) -> str:
    is_date = field.get_internal_type() in ("DateField", "DateTimeField")
    return "" if is_date else f"{field.name} is neither a date nor a moment"


def _is_text(field: Field) -> bool:
    return field.get_internal_type() in TEXTS and "IPAddress" not in field.get_internal_type()


_MISFITS: Mapping[str, Callable[[Field, Any], str]] = {
    "truncate": _no_truncate,
    "null": _no_null,
    "default": _no_default,
    "rename": _no_rename,
    "replace": _no_replace,
    "epoch": _no_epoch,
}

NO_FIXES = Fixes()
