"""Two databases are compared by their migrations as `migrate --check` would compare them."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from django.test import override_settings

from fixturepipe.databases.migrations import MigrationDifference, difference

PLAIN = """
from django.db import migrations
class Migration(migrations.Migration):
    dependencies = {dependencies!r}
    replaces = {replaces!r}
    operations = []
"""

FILES: dict[str, tuple[list[str], list[str]]] = {
    "0001_initial": ([], []),
    "0002_name": (["0001_initial"], []),
    "0001_squashed_0002_name": ([], ["0001_initial", "0002_name"]),
    "0003_price": (["0002_name"], []),
}
APP = "trees"
SQUASHED = [(APP, "0001_squashed_0002_name")]
REPLACED = [(APP, "0001_initial"), (APP, "0002_name")]
SAME = MigrationDifference((), ())


@pytest.fixture(scope="module", autouse=True)
def squashing_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An app of the project whose first two migrations were squashed."""
    path = tmp_path_factory.mktemp("code")
    package = path / "squashing_migrations"
    package.mkdir()
    (package / "__init__.py").touch()
    for name, (after, replaced) in FILES.items():
        text = PLAIN.format(
            dependencies=[(APP, each) for each in after],
            replaces=[(APP, each) for each in replaced],
        )
        (package / f"{name}.py").write_text(text)
    sys.path.insert(0, str(path))
    with override_settings(MIGRATION_MODULES={APP: package.name}):
        yield
    sys.path.remove(str(path))
    for name in [name for name in sys.modules if name.startswith(package.name)]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        pytest.param(SQUASHED, REPLACED, id="squashed here, replaced there"),
        pytest.param(REPLACED, [*REPLACED, *SQUASHED], id="recorded with what it replaces"),
        pytest.param([*REPLACED, (APP, "0000_gone")], REPLACED, id="a name without code"),
        pytest.param([("gone_app", "0001_initial")], [], id="an app without code"),
    ],
)
def test_databases_that_migrate_is_content_with_are_the_same(source, target):
    assert difference(source, target) == SAME
    assert difference(target, source) == SAME


def test_a_migration_that_one_lacks_is_named():
    further = (APP, "0003_price")
    assert difference([*SQUASHED, further], REPLACED) == MigrationDifference((further,), ())
    assert difference(REPLACED, [*SQUASHED, further]) == MigrationDifference((), (further,))


def test_half_of_what_is_replaced_is_not_the_squashed_one():
    found = difference(SQUASHED, REPLACED[:1])
    assert found == MigrationDifference(tuple(SQUASHED), tuple(REPLACED[:1]))
