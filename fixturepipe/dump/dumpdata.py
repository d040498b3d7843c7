"""Django's dumpdata, reading rows instead of instances.

The command is Django's: its labels, its exclusions, its routers, its order of work. Two things
are replaced: the managers that `--all` reads through, which give batches of raw rows
(see `rowquery`), and the serialization format that writes them (see `serializer`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.core.management.commands import dumpdata

from fixturepipe.dump.rowplan import RowPlan
from fixturepipe.dump.rowquery import row_manager
from fixturepipe.dump.serializer import FORMAT, Sink, register


class Command(dumpdata.Command):
    """dumpdata of the models that plans were made for."""

    def __init__(self, plans: Iterable[RowPlan]) -> None:
        super().__init__(no_color=True)
        self._plans = list(plans)

    def handle(self, *labels: str, **options: Any) -> None:
        with _read_through_plans(self._plans):
            super().handle(*labels, **options)


def dump_models(plans: Iterable[RowPlan], alias: str, sink: Sink) -> None:
    """Write every object of these models to the sink. Raises what reading them raises."""
    register()
    command = Command(plans)
    labels = [plan.label for plan in command._plans]
    # `traceback` has dumpdata raise errors as they are.
    call_command(
        command,
        *labels,
        format=FORMAT,
        database=alias,
        use_base_manager=True,
        stdout=sink,
        traceback=True,
        skip_checks=True,
    )


@contextmanager
def _read_through_plans(plans: Iterable[RowPlan]) -> Iterator[None]:
    """While in the block, the base manager of each model gives batches of raw rows."""
    before = {}
    try:
        for plan in plans:
            meta = plan.model._meta
            before[meta] = meta.base_manager
            meta.__dict__["base_manager"] = row_manager(plan)
        yield
    finally:
        for meta, manager in before.items():
            meta.__dict__["base_manager"] = manager
