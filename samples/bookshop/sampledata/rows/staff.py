"""Employees and their shifts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sampledata.forms import SPAN, clock, day, decimal
from sampledata.sizes import Sizes
from sampledata.table import Table, dice

SHIFTS_EACH = 15
HOUR_US = 3_600_000_000


def tables(sizes: Sizes) -> Iterator[Table]:
    yield Table(
        "staff_employee",
        (
            "id",
            "badge",
            "salary",
            "hired_on",
            "contract",
            "supervisor_id",
            "user_id",
            "warehouse_id",
        ),
        _employees(sizes),
    )
    yield Table(
        "staff_shift",
        ("id", "day", "starts_at", "length", "balance", "employee_id"),
        _shifts(sizes.employees),
    )


def _employees(sizes: Sizes) -> Iterator[tuple[Any, ...]]:
    """The employee n is the user n, so that staff users come first."""
    roll = dice("staff_employee")
    for employee in range(1, sizes.employees + 1):
        yield (
            employee,
            f"E-{employee:06}",
            decimal(2_000_000 + roll(9_000_000), 2),
            day(roll(SPAN.days)),
            f"contracts/{employee}.pdf" if employee % 4 else "",
            None if employee == 1 else 1 + (employee - 2) // 8,
            employee,
            1 + (employee - 1) % sizes.warehouses,
        )


def _shifts(employees: int) -> Iterator[tuple[Any, ...]]:
    roll = dice("staff_shift")
    shift = 0
    for employee in range(1, employees + 1):
        for number in range(SHIFTS_EACH):
            shift += 1
            yield (
                shift,
                day(employee % 1000 + number * 2),
                clock(6 * HOUR_US + roll(12 * HOUR_US)),
                4 * HOUR_US + roll(26 * HOUR_US),
                None if shift % 3 == 0 else roll(HOUR_US) - HOUR_US // 2,
                employee,
            )
