"""Objects that the target refused, and the sentences about them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db import Error as DatabaseError

from fixturepipe.artifacts.rejects import Reason
from fixturepipe.databases.text import shortened
from fixturepipe.errors import LoadError
from fixturepipe.load.objects.modelplan import ModelPlan
from fixturepipe.load.objects.rows import FixtureObject, RowProblem
from fixturepipe.load.server.servererrors import code_of, hint_for, server_message
from fixturepipe.wording import in_lines

_SHOWN = 5
_LONGEST = 80


class ExistingRowError(DatabaseError):
    """The server has a row under the key of one that was to be inserted."""

    hint = (
        "The load leaves rows that it did not write as they are. --existing update writes objects"
        " over those with the same key, and --existing delete deletes them."
    )


def _shown(value: object) -> str:
    """A value on one line, cut where it is long."""
    return shortened(repr(value), _LONGEST)


def sentence(problem: RowProblem) -> str:
    """The object, the field, the value and what is wrong, on one line."""
    each = problem.object
    pk = each.get("pk")
    name = f"{each['model']} {'without a primary key' if pk is None else f'pk {_shown(pk)}'}"
    if problem.field:
        name += f", field {problem.field}"
        if problem.value is not None:
            name += f" = {_shown(problem.value)}"
    return f"{name}: {problem.text}"


def reason_of(problem: RowProblem) -> Reason:
    """The problem as it is written with the rejected object."""
    each = problem.object
    value = "" if problem.value is None else _shown(problem.value)
    return Reason(
        str(each["model"]), each.get("pk"), problem.text, problem.field, value, problem.hint
    )


def refused_chunk(file: str, problems: Sequence[RowProblem]) -> LoadError:
    """The error of a chunk of which some objects were refused."""
    sentences = [sentence(problem) for problem in problems]
    lines = [f"{file} was not loaded. The target refused:", *in_lines(sentences, _SHOWN)]
    command = "load --rejects" if file.startswith("rejects/") else "load"
    hints = " ".join(dict.fromkeys(problem.hint for problem in problems if problem.hint))
    return LoadError(
        "\n".join(lines),
        hint=f"{hints} Correct the objects in the source or in {file}, then continue with"
        f" `fixturepipe {command}`; or leave such objects out with `fixturepipe {command}"
        " --on-error reject`.".strip(),
        chunk=file,
        problems=sentences,
    )


def problem_of(
    plan: ModelPlan, each: FixtureObject, error: Exception, columns: Collection[str]
) -> RowProblem:
    """What an error says of an object, `columns` being those that it speaks of."""
    if isinstance(error, ExistingRowError):
        text = "the target already has a row with this key, which this chunk did not write"
        return RowProblem(each, text, hint=ExistingRowError.hint, code=code_of(error))
    named = [c.field.name for c in plan.columns if c.name in columns]
    values = [
        each.get("pk") if name == plan.pk.name else each["fields"].get(name) for name in named
    ]
    return RowProblem(
        each,
        server_message(error),
        ", ".join(named),
        values[0] if len(values) == 1 else values or None,
        hint_for(error),
        code_of(error),
    )
