"""Contestants in turn, each run in a fresh place; their losses are counted after the first run."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from bench.contestants import Contestant, Ground, fixturepipe
from bench.measuring import Measure, StepError, measured
from bench.results import Loss, Row

Say = Callable[[str], None]


def compare(
    contestants: Sequence[Contestant],
    runs: int,
    stock_runs: int,
    fresh: Callable[[], AbstractContextManager[Ground]],
    say: Say,
    *,
    losses: bool = False,
) -> list[Row]:
    """Run A B C A B C …. A contestant that fails is not run again, and its row says why.

    `stock_runs` is the number of runs of Django's own commands; 0 leaves them out.
    """
    limits = {each.name: stock_runs if each.stock else runs for each in contestants}
    taking_part = [each for each in contestants if limits[each.name]]
    rows = {each.name: Row(each.name) for each in taking_part}
    for number in range(1, max(limits.values()) + 1):
        for contestant in taking_part:
            row = rows[contestant.name]
            if number > limits[contestant.name] or row.error:
                continue
            with fresh() as ground:
                _run_once(contestant, ground, row, losses=losses and number == 1)
            say(f"{number}/{limits[contestant.name]} {contestant.name}: {_said(row)}")
    return list(rows.values())


def _run_once(contestant: Contestant, ground: Ground, row: Row, *, losses: bool) -> None:
    try:
        contestant.ready(ground)
        total, steps = Measure(), {}
        for step in contestant.steps(ground):
            measure, _, _ = measured(step, ground.place)
            total += measure
            steps[step.name] = measure.seconds
        row.runs.append(total)
        row.steps.append(steps)
        if losses:
            row.loses = lost(ground)
    except StepError as error:
        row.error = str(error)


def lost(ground: Ground) -> Loss:
    """What the target lacks, as `fixturepipe verify` finds it; it does not know the contestant."""
    step = fixturepipe(
        ground, "verify", "--json", "--limit", "0", fine=(0, 1), workdir=ground.place / "judge"
    )
    source = {"FIXTUREPIPE_SOURCE": f"sqlite:///{ground.source}"}
    step = replace(step, environment={**step.environment, **source})
    found = json.loads(measured(step, ground.place)[1])
    models = {
        each["model"]: (each["missing"], each["extra"], each["differing"])
        for each in found["models"]
        if each["missing"] or each["extra"] or each["differing"]
    }
    findings: dict[str, int] = {}
    for each in found["findings"]:
        findings[each["id"]] = findings.get(each["id"], 0) + max(each["count"], 1)
    missing, extra, differing = (sum(numbers[i] for numbers in models.values()) for i in range(3))
    return Loss(missing, extra, differing, findings, models)


def _said(row: Row) -> str:
    if row.error:
        return f"FAILED: {row.error}"
    last = row.runs[-1]
    return f"{last.seconds:.2f} s, {last.cpu:.2f} s of the processor, {last.peak_mib:.0f} MiB"
