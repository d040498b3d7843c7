"""The embedded server, a real one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
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
    socket = Path(embedded.endpoint().settings["HOST"])
    try:
        assert servers.embedded(embedded).execute("SELECT 1") == ((1,),)
    finally:
        embedded.stop()
    assert not socket.parent.exists()


def test_a_missing_program_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixturepipe.databases.mariadbd.shutil.which", lambda *_, **__: None)
    with pytest.raises(ConfigurationError, match="needs mariadbd") as caught:
        EmbeddedServer(tmp_path / "server").start()
    assert "apt-get install" in caught.value.hint


_STARTED = """
import sys
from pathlib import Path
from fixturepipe.databases.embedded import EmbeddedServer

server = EmbeddedServer(Path(sys.argv[1]))
server.start()
server.leave()
"""


def test_a_machine_whose_name_is_unknown_can_have_it(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    hidden = "mount --bind empty /etc/hosts && mount --bind empty /etc/resolv.conf"
    unshare = ["unshare", "--mount", "--uts", "sh", "-c"]
    alone = f"{hidden} && hostname nowhere"
    if subprocess.run([*unshare, alone], cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip("only root can hide the names of a machine")
    done = subprocess.run(
        [*unshare, f'{alone} && exec "$0" "$@"', sys.executable, "-c", _STARTED, "server"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_last_user_stops_it(tmp_path: Path) -> None:
    first, second = EmbeddedServer(tmp_path / "server"), EmbeddedServer(tmp_path / "server")
    first.start()
    second.start()
    first.leave()
    assert servers.embedded(second).execute("SELECT 1") == ((1,),)
    second.leave()
    assert not first.running


def test_a_server_in_use_is_not_stopped(tmp_path: Path) -> None:
    user, other = EmbeddedServer(tmp_path / "server"), EmbeddedServer(tmp_path / "server")
    user.start()
    try:
        with pytest.raises(ConfigurationError, match="Another fixturepipe command uses"):
            other.stop()
        assert user.running
    finally:
        user.leave()
    other.stop()


def test_a_kept_server_survives_its_users(tmp_path: Path) -> None:
    embedded = EmbeddedServer(tmp_path / "server")
    embedded.start(keep=True)
    embedded.leave()
    assert embedded.running
    embedded.stop()
    assert not embedded.running


def test_two_first_starts_at_once_make_one_server(tmp_path: Path) -> None:
    both = [EmbeddedServer(tmp_path / "server") for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(EmbeddedServer.start, both))
    try:
        for embedded in both:
            assert servers.embedded(embedded).execute("SELECT 1") == ((1,),)
    finally:
        for embedded in both:
            embedded.leave()
    assert not both[0].running


def test_two_spellings_of_a_path_are_one_server(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    embedded = EmbeddedServer(tmp_path / "link" / "server")
    assert embedded.directory == EmbeddedServer(tmp_path / "real" / "server").directory


def test_an_installation_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    embedded = EmbeddedServer(tmp_path / "server")
    for half_made in ("data.new/mysql", "data/mysql"):
        (embedded.directory / half_made).mkdir(parents=True)
    embedded.start()
    embedded.stop()
    assert not (embedded.directory / "data.new").exists()


def test_removed_pid_and_socket_files_do_not_hide_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fixturepipe.databases.mariadbd._WITHOUT_SOCKET_SECONDS", 0.1)
    embedded = EmbeddedServer(tmp_path / "server")
    embedded.start()
    try:
        (embedded.directory / "mariadbd.pid").unlink()
        embedded.start()
        Path(embedded.endpoint().settings["HOST"]).unlink()
        embedded.start()
        assert servers.embedded(embedded).execute("SELECT 1") == ((1,),)
    finally:
        embedded.stop()
    assert not embedded.running


def test_a_path_with_spaces_works(tmp_path: Path) -> None:
    embedded = EmbeddedServer(tmp_path / "a run" / "server")
    embedded.start()
    embedded.stop()


def test_a_server_that_does_not_start_says_the_cause(tmp_path: Path) -> None:
    embedded = EmbeddedServer(tmp_path / "server")
    embedded.start()
    embedded.stop()
    (embedded.directory / "data" / "ibdata1").write_bytes(b"x" * (12 << 20))
    with pytest.raises(ConfigurationError, match="wrong space ID") as caught:
        embedded.start()
    assert "mariadbd.log" in caught.value.hint


def test_it_takes_a_share_of_the_memory_as_its_buffer_pool(embedded_server: EmbeddedServer) -> None:
    ((size,),) = servers.embedded(embedded_server).execute("SELECT @@innodb_buffer_pool_size")
    assert 128 << 20 <= size <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
