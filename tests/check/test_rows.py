"""check keeps every row of every finding, in a file of the run directory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixturepipe.check.options import CheckOptions
from fixturepipe.check.stage import check
from fixturepipe.databases.endpoints import SOURCE, Endpoints
from fixturepipe.errors import UsageError
from fixturepipe.events import ignore
from fixturepipe.findings.finding import Example, collected, spooled_in
from tests.apps.dirty.models import Name, Values
from tests.dirty import plant, unprotected

NUMBER = 2_500


@pytest.fixture
def both(migrated: Endpoints) -> Iterator[Endpoints]:
    unprotected()
    yield migrated
    for model in (Values, Name):
        plant(f"DELETE FROM {model._meta.db_table}")


def test_few_rows_stay_in_memory_and_many_in_order_in_a_file(tmp_path: Path) -> None:
    rows = [Example(n, f"ä{n}") for n in range(NUMBER)]
    with spooled_in(tmp_path):
        assert collected(rows[:10]) == tuple(rows[:10])
        many = collected(rows)
        assert len(many) == NUMBER
        assert list(many) == rows
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


def test_every_row_of_every_finding_is_in_the_run_directory(
    both: Endpoints, tmp_path: Path
) -> None:
    Values.objects.using(SOURCE).bulk_create(Values(pk=n, char="sixsix") for n in range(1, 2_501))
    Name.objects.using(SOURCE).bulk_create(
        Name(pk=n, name=f"{'Aa'[n % 2]}-{n // 2}") for n in range(1, 2_501)
    )
    options = CheckOptions(
        labels=("dirty",), only_findings=("FP101", "fp203"), workdir=tmp_path / "run"
    )
    result = check(both, options, ignore)
    found = {finding.id: finding for finding in result.findings}
    assert {f.id: f.count for f in result.findings} == {"FP101": 2500, "FP203": 2498}
    assert [row.pk for row in found["FP101"].rows] == list(range(1, 2_501))
    assert [e.pk for e in found["FP203"].examples] == [2, 3, 4, 5, 6]
    assert len(list(found["FP203"].rows)) == 2498
    file = tmp_path / "run" / "findings.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert len(lines) == 4_998
    assert lines[0] == {
        "id": "FP101",
        "level": "error",
        "model": "dirty.values",
        "field": "char",
        "pk": 1,
        "value": "sixsix",
    }
    assert result.file == file
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "options", [{"ignore": ("FP999",)}, {"only_findings": ("FP203:dirty.nothing",)}]
)
def test_an_unknown_finding_or_model_is_refused(
    both: Endpoints, tmp_path: Path, options: dict[str, tuple[str, ...]]
) -> None:
    with pytest.raises(UsageError) as refused:
        check(both, CheckOptions(**options, workdir=tmp_path / "run"), ignore)  # type: ignore[arg-type]
    assert "FP999" in refused.value.message or "dirty.nothing" in refused.value.message
