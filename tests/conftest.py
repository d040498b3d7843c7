"""Fixtures: servers, a source with every table of the tests' project, targets."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import django
import hypothesis
import pytest

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
django.setup()
# An example's time depends on the machine; a test that hangs has its own limit.
hypothesis.settings.register_profile("fixturepipe", deadline=None)
hypothesis.settings.load_profile("fixturepipe")
# A shell lets what it starts in the background ignore these, and so would what the tests start.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)

from django.core.management import call_command  # noqa: E402  (needs django.setup)
from django.db import connections  # noqa: E402

from fixturepipe.cli.interrupts import SIGNALS  # noqa: E402
from fixturepipe.databases.embedded import EmbeddedServer  # noqa: E402
from fixturepipe.databases.endpoints import TARGET, Endpoint, Endpoints, complete_settings  # noqa: E402
from fixturepipe.databases.sequences import next_keys  # noqa: E402
from tests import postgresql as postgresql_servers  # noqa: E402
from tests import servers  # noqa: E402
from tests.dumping import Dumped  # noqa: E402
from tests.shop import Shop  # noqa: E402

ADDED = {server.name: server for server in servers.added()}


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """No test changes what signals do: the processes of later tests would inherit it."""
    before = [signal.getsignal(number) for number in SIGNALS]
    yield
    after = [signal.getsignal(number) for number in SIGNALS]
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, handler)
    assert after == before


@pytest.fixture(scope="session")
def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """The private MariaDB of the test run."""
    memory = Path("/dev/shm")  # a disk would spend most of the tests' time on making tables
    where = tempfile.mkdtemp(dir=memory) if os.access(memory, os.W_OK) else None
    server = EmbeddedServer(Path(where) if where else tmp_path_factory.mktemp("server"))
    server.start()
    # MariaDB's own default: values larger than ours take the tests long to write.
    servers.embedded(server).execute("SET GLOBAL max_allowed_packet = 16777216")
    yield server
    server.stop()
    if where:
        shutil.rmtree(where)


@pytest.fixture(scope="session", params=["embedded", *ADDED])
def server(request: pytest.FixtureRequest) -> servers.Server:
    """Each server in turn; a test that takes it runs once on each."""
    if request.param == "embedded":
        return servers.embedded(request.getfixturevalue("embedded_server"))
    return ADDED[request.param]


@contextmanager
def migrated_pair(server: servers.Server, source: Path) -> Iterator[Endpoints]:
    """A source file and a target with the tables of the tests' project, both open."""
    with server.database() as target:
        endpoints = Endpoints("default", sqlite_endpoint(source), target)
        with endpoints.bound_to_target():
            call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)
        endpoints.open()
        yield endpoints
        connections.close_all()


@pytest.fixture
def dumped(source: Endpoint, tmp_path: Path) -> Dumped:
    """Dumps apps of the source when it is called."""
    return Dumped(tmp_path / "run", source)


@pytest.fixture
def empty_target(server: servers.Server) -> Iterator[Endpoint]:
    """A database without a table, dropped after the test."""
    with server.database() as endpoint:
        yield endpoint


@pytest.fixture
def url(server: servers.Server) -> Iterator[str]:
    """A database without a table, dropped after the test, as --target takes it."""
    with server.database() as endpoint:
        yield server.url(str(endpoint.settings["NAME"]))


@pytest.fixture(scope="session")
def source_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with every table and no rows but those that `migrate` makes."""
    path = tmp_path_factory.mktemp("source") / "template.sqlite3"
    endpoints = Endpoints("default", sqlite_endpoint(path))
    with endpoints.bound_to_source():
        call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)
    return path


@pytest.fixture
def source(source_template: Path, tmp_path: Path) -> Iterator[Endpoint]:
    """A SQLite source of the test's own; the ORM's "default" is this source in the test."""
    path = tmp_path / "source.sqlite3"
    shutil.copyfile(source_template, path)
    endpoints = Endpoints("default", sqlite_endpoint(path))
    with endpoints.bound_to_source():
        yield endpoints.source


@pytest.fixture(scope="session")
def target_template(server: servers.Server, source_template: Path) -> Iterator[str]:
    """The name of a migrated database on each server, the template of others."""
    with server.database() as endpoint:
        endpoints = Endpoints("default", sqlite_endpoint(source_template), endpoint)
        with endpoints.bound_to_target():
            call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)
        yield str(endpoint.settings["NAME"])


@pytest.fixture
def target(
    server: servers.Server, target_template: str, empty_target: Endpoint, source: Endpoint
) -> Endpoint:
    """A migrated database: every table, and no rows but those that `migrate` makes.

    A copy of the template, table by table: `migrate` itself takes several times as long.
    """
    server.copy(target_template, str(empty_target.settings["NAME"]))
    return empty_target


@pytest.fixture(scope="module")
def migrated(
    server: servers.Server,
    source_template: Path,
    target_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Endpoints]:
    """A source and a migrated target, open, for all tests of a module that clean up."""
    path = tmp_path_factory.mktemp("migrated") / "source.sqlite3"
    shutil.copyfile(source_template, path)
    with server.database() as target:
        server.copy(target_template, str(target.settings["NAME"]))
        both = Endpoints("default", sqlite_endpoint(path), target)
        both.open()
        yield both
        connections.close_all()


@pytest.fixture
def endpoints(source: Endpoint, target: Endpoint) -> Iterator[Endpoints]:
    """The source and the migrated target, open under their own aliases too."""
    both = Endpoints("default", source, target)
    both.open()
    yield both
    connections.close_all()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[postgresql_servers.PostgreSQL]:
    """A PostgreSQL: the one that the environment names, else a private one.

    Tests that want it are skipped where there is neither.
    """
    with ExitStack() as started:
        if url := os.environ.get(postgresql_servers.VARIABLE):
            yield postgresql_servers.PostgreSQL(url)
        elif installed := postgresql_servers.binaries():
            yield started.enter_context(postgresql_servers.private_server(installed))
        else:
            pytest.skip(
                "NOT TESTED ON POSTGRESQL: it is not installed, and"
                f" {postgresql_servers.VARIABLE} names none"
            )


@pytest.fixture(scope="session")
def postgresql_template(postgresql: postgresql_servers.PostgreSQL) -> Iterator[str]:
    """The name of a migrated PostgreSQL database, the template of others."""
    with postgresql.database() as endpoint:
        with Endpoints("default", endpoint).bound_to_source():
            # Tables that migrations make come first: those that none makes refer to them.
            for run_syncdb in (False, True):
                call_command("migrate", run_syncdb=run_syncdb, verbosity=0, interactive=False)
        yield str(endpoint.settings["NAME"])


@pytest.fixture
def postgresql_source(
    postgresql: postgresql_servers.PostgreSQL, postgresql_template: str
) -> Iterator[Endpoint]:
    """A migrated PostgreSQL source; the ORM's "default" is this source in the test."""
    with postgresql.database(template=postgresql_template) as endpoint:
        with Endpoints("default", endpoint).bound_to_source():
            yield endpoint
        connections.close_all()


def sqlite_endpoint(path: Path) -> Endpoint:
    """A SQLite file as an endpoint."""
    settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}
    return Endpoint(f"sqlite:///{path}", complete_settings(settings))


@pytest.fixture(scope="session")
def shop_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample, made once; tests that change it work on a copy."""
    path = tmp_path_factory.mktemp("shop") / "bookshop.sqlite3"
    made = Shop(path, path.parent / "run").manage("make_sample", "--scale", "0.05")
    assert made.returncode == 0, made.stderr
    return path


@pytest.fixture
def shop(shop_database: Path, tmp_path: Path) -> Shop:
    """The sample shop with a run directory of the test's own, and no target yet."""
    return Shop(shop_database, tmp_path / "run")


@pytest.fixture
def shop_target(server: servers.Server, shop: Shop) -> Iterator[Shop]:
    """The sample shop with an empty database on each server as its target."""
    with server.database() as endpoint:
        yield replace(shop, target=server.url(str(endpoint.settings["NAME"])))


@pytest.fixture(scope="session")
def migrated_databases(
    server: servers.Server, source_template: Path
) -> Iterator[tuple[Endpoint, Endpoint]]:
    """Two migrated databases of a server, for tests that would otherwise wait for `migrate`."""
    with server.database() as one, server.database() as other:
        for endpoint in (one, other):
            with Endpoints("default", sqlite_endpoint(source_template), endpoint).bound_to_target():
                call_command("migrate", run_syncdb=True, verbosity=0, interactive=False)
        yield one, other


@pytest.fixture
def shared_target(migrated_databases: tuple[Endpoint, Endpoint], source: Endpoint) -> Endpoint:
    """A migrated database whose rows are deleted before each test (content types are kept)."""
    delete_rows(migrated_databases[0])
    return migrated_databases[0]


@pytest.fixture
def second_target(migrated_databases: tuple[Endpoint, Endpoint], source: Endpoint) -> Endpoint:
    """Another one like `shared_target` on the same server."""
    delete_rows(migrated_databases[1])
    return migrated_databases[1]


def delete_rows(endpoint: Endpoint) -> None:
    """Bring a database back to what `migrate` left, the ledger gone."""
    Endpoints("default", endpoint, endpoint).open()
    connection = connections[TARGET]
    kept = {"django_migrations", "django_content_type", "auth_permission"}
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor)) - kept
        cursor.execute("SET foreign_key_checks = 0")
        for table in sorted(tables):
            verb = "DROP TABLE" if table.startswith("fixturepipe_") else "DELETE FROM"
            cursor.execute(f"{verb} `{table}`")
        for table, key in next_keys(connection).items():
            if key > 1 and table in tables:
                cursor.execute(f"ALTER TABLE `{table}` AUTO_INCREMENT = 1")
        cursor.execute("SET foreign_key_checks = 1")
    connection.close()
