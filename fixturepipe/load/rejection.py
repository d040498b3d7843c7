"""Objects that the target did not take, and the sentences about them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from fixturepipe.artifacts.rejects import Reason
from fixturepipe.errors import LoadError
from fixturepipe.load.rows import FixtureObject, ModelPlan, RowProblem
from fixturepipe.load.servererrors import code_of, hint_for, server_message

_SHOWN = 5
_LONGEST = 80


def shortened(value: object) -> str:
    """A value on one line, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"


def sentence(problem: RowProblem) -> str:
    """The object, the field, the value and what is wrong, on one line."""
    each = problem.object
    pk = each.get("pk")
    name = f"{each['model']} {'without a primary key' if pk is None else f'pk {shortened(pk)}'}"
    if problem.field:
        name += f", field {problem.field}"
        if problem.value is not None:
            name += f" = {shortened(problem.value)}"
    return f"{name}: {problem.text}"


def reason_of(problem: RowProblem) -> Reason:
    """The problem as it is written beside the rejected object."""
    each = problem.object
    value = "" if problem.value is None else shortened(problem.value)
    return Reason(
        str(each["model"]), each.get("pk"), problem.text, problem.field, value, problem.hint
    )


def refused_chunk(file: str, problems: Sequence[RowProblem]) -> LoadError:
    """The error of a chunk of which some objects were not taken."""
    lines = [f"{file} was not loaded: the target does not take"]
    lines += [f"  {sentence(problem)}" for problem in problems[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append("  and more")
    again = "load --rejects" if file.startswith("rejects/") else "load"
    hints = " ".join(dict.fromkeys(problem.hint for problem in problems if problem.hint))
    return LoadError(
        "\n".join(lines),
        hint=f"{hints} Mend it in the source or in {file}, then go on with `fixturepipe {again}`;"
        " or leave such objects out with `--on-error reject`.".strip(),
    )


def problem_of(
    plan: ModelPlan, each: FixtureObject, error: Exception, columns: Collection[str]
) -> RowProblem:
    """What an error says of an object, `columns` being those that it speaks of."""
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
