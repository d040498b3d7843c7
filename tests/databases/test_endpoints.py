"""Aliases, URLs, and the endpoint that the project's own code reaches."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.models import F

from fixturepipe.databases.endpoints import (
    SOURCE,
    TARGET,
    Endpoint,
    Endpoints,
    complete_settings,
    resolve_endpoint,
)
from fixturepipe.errors import ConfigurationError


def test_an_unknown_alias_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="no alias 'nowhere'; it has: default"):
        resolve_endpoint("nowhere")


def test_a_url_is_shown_without_its_password() -> None:
    endpoint = resolve_endpoint("mysql://anna:s3cret@127.0.0.1:3307/shop")
    assert endpoint.name == "mysql://anna@127.0.0.1:3307/shop"
    assert endpoint.settings["PASSWORD"] == "s3cret"
    assert endpoint.vendor == "mysql"


def test_an_alias_without_autocommit_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "AUTOCOMMIT", False)
    assert resolve_endpoint("default").settings["AUTOCOMMIT"] is True


def test_a_url_without_a_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="names no database"):
        resolve_endpoint("mysql://anna@127.0.0.1:3307/")


def test_a_password_is_not_sent_as_part_of_the_user() -> None:
    with pytest.raises(ConfigurationError, match=r"^mysql:… is not a database URL") as refused:
        resolve_endpoint("mysql://anna%3As3cret@127.0.0.1:3307/shop")
    assert "as %3A" in refused.value.hint


def test_a_url_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is not a database URL"):
        resolve_endpoint("nosuch://anna@127.0.0.1:3307/x")


@pytest.mark.parametrize(
    ("engine", "vendor"),
    [("tests.apps.engines.immediate", "sqlite"), ("tests.apps.engines.utf8", "mysql")],
)
def test_an_engine_of_the_project_has_the_vendor_that_it_extends(engine: str, vendor: str) -> None:
    assert Endpoint("own", complete_settings({"ENGINE": engine, "NAME": "x"})).vendor == vendor


def test_an_engine_that_cannot_be_imported_is_an_error_with_a_next_step() -> None:
    with pytest.raises(ConfigurationError, match="nosuch") as caught:
        _ = Endpoint("own", complete_settings({"ENGINE": "nosuch", "NAME": "x"})).vendor
    assert "Install its driver" in caught.value.hint


@pytest.mark.parametrize(
    ("settings", "same"),
    [
        ({"HOST": "db"}, True),
        ({"HOST": "db", "ENGINE": "tests.apps.engines.utf8", "PORT": 3306}, True),
        ({"HOST": "db", "PORT": "3307"}, False),
        ({"HOST": "db", "NAME": "other"}, False),
        ({"HOST": "localhost"}, False),
    ],
)
def test_one_database_is_recognized_through_any_engine(
    settings: dict[str, Any], same: bool
) -> None:
    def endpoint(settings: dict[str, Any]) -> Endpoint:
        engine = {"ENGINE": "django.db.backends.mysql", "NAME": "shop"}
        return Endpoint("any", complete_settings(engine | settings))

    assert endpoint(settings).is_same_database(endpoint({"HOST": "db"})) is same


def test_only_connections_of_a_migration_are_set_up(empty_target: Endpoint) -> None:
    latin = {**empty_target.settings["OPTIONS"], "charset": "latin1"}
    settings = {**empty_target.settings, "OPTIONS": latin}

    def charset(alias: str) -> str:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT @@character_set_client")
            return str(cursor.fetchone()[0])

    connections.settings["site"] = settings
    try:
        assert charset("site") == "latin1"
        connections["site"].close()
        with Endpoints("site", Endpoint("site", settings)).bound_to_source() as alias:
            assert charset(alias) == "utf8mb4"
    finally:
        connections["site"].close()
        del connections["site"], connections.settings["site"]


def test_the_alias_is_one_endpoint_at_a_time(endpoints: Endpoints) -> None:
    Group.objects.create(name="in the source")
    with endpoints.bound_to_target():
        assert not Group.objects.exists()
        Group.objects.create(name="in the target")
    assert [g.name for g in Group.objects.using(SOURCE)] == ["in the source"]
    assert [g.name for g in Group.objects.using(TARGET)] == ["in the target"]


def test_cached_content_types_are_those_of_the_bound_endpoint(endpoints: Endpoints) -> None:
    Permission.objects.using(TARGET).all().delete()
    ContentType.objects.using(TARGET).update(id=F("id") + 1000)
    here = ContentType.objects.get_for_model(Group).pk
    with endpoints.bound_to_target():
        assert ContentType.objects.get_for_model(Group).pk == here + 1000
    assert ContentType.objects.get_for_model(Group).pk == here


def test_the_settings_are_put_back(endpoints: Endpoints) -> None:
    before = connections.settings["default"]["NAME"]
    with endpoints.bound_to_target():
        assert connections.settings["default"]["NAME"] != before
    assert connections.settings["default"]["NAME"] == before


def test_migrations_that_ask_for_the_vendor_while_imported_are_those_of_the_bound_endpoint(
    endpoints: Endpoints,
) -> None:
    def operations() -> int:
        migrations = MigrationLoader(None).disk_migrations
        return len(migrations["everyfield", "0002_only_for_sqlite"].operations)

    assert operations() == 1
    with endpoints.bound_to_target():
        assert operations() == 0
    assert operations() == 1
