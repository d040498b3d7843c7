"""What the target computes or allocates itself is compared like any other value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections

from fixturepipe.artifacts.manifest import Manifest
from fixturepipe.databases.endpoints import SOURCE, TARGET, Endpoints
from fixturepipe.databases.introspection import NATURAL_PRIMARY
from fixturepipe.databases.ledger import Ledger
from fixturepipe.events import ignore
from fixturepipe.verify.options import VerifyOptions
from fixturepipe.verify.stage import VerifyResult, verify
from tests.apps.hidden.models import House
from tests.django_versions import needs_generated_fields

RUN = "0" * 32


def execute(statement: str, alias: str = TARGET) -> None:
    with connections[alias].cursor() as cursor:
        cursor.execute(statement)


def verified(pair: Endpoints) -> VerifyResult:
    """Compare them as after a run."""
    natural: dict[str, list[tuple[list[Any], int]]] = {label: [] for label in NATURAL_PRIMARY}
    manifest = Manifest(run=RUN, created="", natural_ids=natural)
    return verify(pair, VerifyOptions(workers=1), ignore, manifest)


@pytest.fixture
def house(endpoints: Endpoints) -> Endpoints:
    """A house in both databases."""
    for alias in (SOURCE, TARGET):
        houses = House._base_manager.using(alias)
        houses.create(id=1, number=4)
        houses.update(changed=datetime(2020, 1, 1, tzinfo=UTC))
    return endpoints


@needs_generated_fields
def test_a_generated_column_is_compared(house: Endpoints) -> None:
    assert not verified(house).differences
    execute("ALTER TABLE hidden_house DROP COLUMN doubled")
    execute("ALTER TABLE hidden_house ADD COLUMN doubled INT AS (number * 3) STORED")
    (found,) = verified(house).differences
    assert (found.model, found.column) == ("hidden.house", "doubled")
    assert (found.source, found.target) == (8, 12)


def test_ids_that_the_run_kept_are_compared(endpoints: Endpoints) -> None:
    assert not verified(endpoints).differences
    execute("SET foreign_key_checks = 0")
    execute("UPDATE django_content_type SET id = id + 1000")
    execute("UPDATE auth_permission SET content_type_id = content_type_id + 1000")
    execute("SET foreign_key_checks = 1")
    assert not verified(endpoints).differences
    ledger = Ledger(connections[TARGET], RUN)
    ledger.register_run(was_empty=True, migrated=True, tables=())
    ledger.mark_keeps_ids([])
    differing = {each.model for each in verified(endpoints).differences}
    assert differing == {"contenttypes.contenttype", "auth.permission"}
