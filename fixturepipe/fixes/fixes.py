"""The declared fixes of a project: read against its models, and looked up for a problem.

A declaration that cannot apply is refused when the declarations are read, before any row is. The
most specific declaration that matches a problem applies: finding and field, field, finding and
model, model, finding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import models

from fixturepipe.databases.fields import INTEGERS, TEXTS, Field, Model, key_fields, root_field
from fixturepipe.errors import ConfigurationError
from fixturepipe.findings.rules import RULES
from fixturepipe.fixes.declarations import FIX_NAMES, FIXES_FOR, MEANT_FOR, Declaration

_TABLE = "[tool.fixturepipe.fix]"


@dataclass(frozen=True)
class Fix:
    """What is done about a problem: the fix's name, the column it changes, the declaration."""

    name: str
    field: Field
    declaration: Declaration


@dataclass(frozen=True)
class RowChange:
    """What a fix did to a row of the copy of the source: a value that was changed or, with `field`
    None, a row that was left out.

    `key` is the row's primary key; it, `old` and `new` are raw values. Of a row that was left out
    `old` has the values of its `dumped_fields`, in their order. `rule` is the fix's name.
    """

    model: Model
    key: tuple[Any, ...]
    field: Field | None
    old: Any
    new: Any
    rule: str


@dataclass(frozen=True)
class _Rule:
    """A declaration that was read: the finding's id or "", the model, the field."""

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
        name = self.declaration.fix
        if name not in FIXES_FOR.get(finding, ()) or self.finding not in ("", finding):
            return False
        is_meant = RULES[finding].level == "error" or (finding, name) in MEANT_FOR
        return is_meant or self.finding == finding


class Fixes:
    """The declarations of a project. `used` holds the targets of those that have changed a row.

    Raises ConfigurationError for one that names something unknown, or that cannot apply to it.
    """

    def __init__(self, declarations: Sequence[Declaration] = ()) -> None:
        self._rules = sorted(map(_read, declarations), key=lambda r: r.precision, reverse=True)
        self.used: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def unused(self) -> list[Declaration]:
        """The declarations that could change rows and have changed none."""
        declarations = [rule.declaration for rule in self._rules]
        return [d for d in declarations if not d.changes_schema and d.target not in self.used]

    def of(self, finding: str, model: Model, fields: Sequence[Field]) -> Fix | None:
        """What is declared about a finding of a column, or of columns that are unique together."""
        for rule in self._rules:
            if rule.concerns(finding, model, fields):
                name = rule.declaration.fix
                for field in (rule.field,) if rule.field else fields:
                    if not misfit(name, field, rule.declaration.value):
                        return Fix(name, field, rule.declaration)
        return None

    def name_of(self, finding: str, model: Model, fields: Sequence[Field]) -> str:
        """The name of what `of` gives, or ""."""
        fix = self.of(finding, model, fields)
        return fix.name if fix is not None else ""

    def may_change(self, model: Model, field: Field) -> bool:
        """Whether any declaration can concern the column."""
        rules = [rule for rule in self._rules if not rule.declaration.changes_schema]
        return any(r.model in (None, model) and r.field in (None, field) for r in rules)


def suggestions(
    finding: str, model: Model, fields: Sequence[Field], *, with_id: bool
) -> list[Declaration]:
    """The declarations that would fix a finding, the best one first.

    `with_id` says that their left sides name the finding.
    """
    found = []
    for name in FIXES_FOR.get(finding, ()):
        fitting = [field for field in fields if not misfit(name, field)]
        if fitting:
            where = model._meta.label
            if not model._meta.auto_created:
                where += f".{fitting[0].name}"
            is_meant = RULES[finding].level == "error" or (finding, name) in MEANT_FOR
            target = where if is_meant and not with_id else f"{finding}:{where}"
            found.append(Declaration(target, name))
    return found


def _read(declaration: Declaration) -> _Rule:
    if declaration.fix not in FIX_NAMES:
        raise _refusal(declaration, f"there is no fix {declaration.fix!r}", ", ".join(FIX_NAMES))
    if declaration.value is not None and declaration.fix != "default":
        raise _refusal(declaration, f"{declaration.fix} takes no value")
    finding, label = _split(declaration.target)
    if finding and declaration.fix not in FIXES_FOR.get(finding, ()):
        reason = f"there is no finding {finding}"
        if finding in RULES:
            reason = f"{declaration.fix} does not fix {finding}"
        raise _refusal(declaration, reason, ", ".join(FIXES_FOR.get(finding, ())))
    if not label:
        return _Rule(declaration, finding, None, None)
    model, field = _named(declaration, label)
    if field is not None:
        wrong = misfit(declaration.fix, field, declaration.value)
        if wrong:
            raise _refusal(declaration, wrong)
    elif declaration.value is not None:
        raise _refusal(declaration, "only a field takes a value", f"{label}.FIELD")
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
        reason = f"{field_name} is not a column of {model._meta.label}"
        instead = f"{owner}.{field_name}" if owner != model._meta.label else ""
        raise _refusal(declaration, reason, instead)
    return model, field


def _refusal(declaration: Declaration, reason: str, instead: str = "") -> ConfigurationError:
    hint = f"Use one of: {instead}." if instead else f"Correct it in {_TABLE} or --fix."
    return ConfigurationError(f"Cannot use the fix {declaration}: {reason}", hint=hint)


def misfit(name: str, field: Field, value: Any = None) -> str:
    """Why a fix cannot apply to a column; empty if it can."""
    if name in ("drop", "drop-index"):
        return ""
    if field in key_fields(field.model):
        return "other rows may refer to a primary key, so its row can only be dropped"
    if name == "default":
        return _no_default(field, value)
    fits, otherwise = _FITTING[name]
    return "" if fits(field) else f"{field.name} {otherwise}"


def _no_default(field: Field, value: Any) -> str:
    if value is None:
        return "" if field.has_default() else f"{field.name} has no default; declare a value"
    end = root_field(field)
    try:
        end.run_validators(end.to_python(value))
    except (ValidationError, TypeError, ValueError) as error:
        reason = "; ".join(error.messages) if isinstance(error, ValidationError) else str(error)
        return f"{value!r} is not a valid value of {field.name}: {reason}"
    return ""


def _may_be_cut(field: Field) -> bool:
    is_cut = isinstance(field, models.DecimalField) or _is_of("DateField")(field)
    return is_cut or bool(_is_text(field) and field.max_length)


def _is_text(field: Field) -> bool:
    return _is_of(*TEXTS)(field) and "IPAddress" not in field.get_internal_type()


def _is_number(field: Field) -> bool:
    return _is_of(*INTEGERS, "DecimalField", "DurationField", "FloatField")(root_field(field))


def _is_of(*kinds: str) -> Callable[[Field], bool]:
    return lambda field: field.get_internal_type() in kinds


# The columns that each fix applies to, and what is said of all others.
_FITTING: Mapping[str, tuple[Callable[[Field], bool], str]] = {
    "truncate": (_may_be_cut, "is neither text with a max_length, nor a decimal, nor a date"),
    "null": (lambda field: field.null, "does not allow NULL"),
    "rename": (_is_text, "is not text, so it cannot take a suffix"),
    "replace": (lambda field: _is_text(field) or _is_of("JSONField")(field), "is not text"),
    "epoch": (_is_of("DateField", "DateTimeField"), "is neither a date nor a datetime"),
    "number": (_is_number, "is not a number"),
    "boolean": (_is_of("BooleanField"), "is not a boolean"),
    "bytes": (_is_of("BinaryField"), "is not binary"),
    "utc": (_is_of("DateTimeField"), "is not a datetime"),
    "prefix": (lambda field: _is_text(field) or _is_of("BinaryField")(field), "is not text"),
}

NO_FIXES = Fixes()
