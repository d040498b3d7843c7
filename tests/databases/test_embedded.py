"""The embedded server, a real one."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from fixturepipe.databases.embedded import EmbeddedServer
from fixturepipe.errors import ConfigurationError
from tests import servers


def test_it_listens_on_a_socket_only(embedded_server: EmbeddedServer) -> None:
    server = servers.embedded(embedded_server)
    ((value,),) = server.execute("SELECT @@skip_networking")
    assert value == 1


def test_its_directory_is_private(embedded_server: EmbeddedServer) -> None:
    assert embedded_server.directory.stat().st_mode & 0o777 == 0o700


def test_its_start_leaves_other_servers_temporary_tables_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    others = shared / "#sql-temptable-1-1-1.MAI"
    others.touch()
    monkeypatch.setenv("TMPDIR", str(shared))
    embedded = EmbeddedServer(tmp_path / "server")
    embedded.start()
    embedded.stop()
    assert others.exists()


def test_data_survive_a_kill(tmp_path: Path) -> None:
    embedded = EmbeddedServer(tmp_path / "server")
    embedded.start()
    try:
        server = servers.embedded(embedded)
        server.execute("CREATE TABLE t (i INT) ENGINE=InnoDB", "fixturepipe")
        server.execute("INSERT INTO t VALUES (42)", "fixturepipe")
        os.kill(int((embedded.directory / "mariadbd.pid").read_text()), signal.SIGKILL)
        embedded.stop()
        embedded.start()
        assert server.execute("SELECT i FROM t", "fixturepipe") == ((42,),)
    finally:
        embedded.stop()
    assert not embedded.running


def test_a_long_path_gets_its_socket_elsewhere(tmp_path: Path) -> None:
    embedded = EmbeddedServer(tmp_path / ("long" * 30) / "server")
    embedded.start()
    try:
        assert servers.embedded(embedded).execute("SELECT 1") == ((1,),)
    finally:
        embedded.stop()


def test_a_missing_program_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixturepipe.databases.embedded.shutil.which", lambda *_, **__: None)
    with pytest.raises(ConfigurationError, match="needs mariadbd") as caught:
        EmbeddedServer(tmp_path / "server").start()
    assert "apt-get install" in caught.value.hint
