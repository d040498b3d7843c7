"""A password that a server wants is asked for on a terminal, and written nowhere."""

from __future__ import annotations

import os
import pty
import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests import servers
from tests.shop import Shop, command

SECRET = "S3cret-w0rd"


@pytest.fixture
def locked(shop: Shop, server: servers.Server) -> Iterator[Shop]:
    """A shop with a dump, whose target's URL lacks the password that its user has."""
    user = f"locked_{uuid.uuid4().hex[:8]}"
    with server.database() as end:
        name = end.settings["NAME"]
        server.execute(f"CREATE USER {user}@'%' IDENTIFIED BY '{SECRET}'")
        try:
            server.execute(f"GRANT ALL ON `{name}`.* TO {user}@'%'")
            base = {**server.base, "USER": user, "PASSWORD": ""}
            locked = replace(shop, target=replace(server, base=base).url(name))
            locked.done("dump", "contenttypes", "sites")
            yield locked
        finally:
            server.execute(f"DROP USER {user}@'%'")


def on_terminal(shop: Shop, answer: str, *arguments: str) -> tuple[int, str]:
    """Run a command on a terminal, and answer its first question; gives status and output."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(shop.workdir.parent)
        arguments_of_process = command(*arguments)
        os.execve(arguments_of_process[0], arguments_of_process, shop.environment)
    output = b""
    try:
        while part := os.read(terminal, 4096):
            output += part
            if answer and output.rstrip().endswith(b":") and b"Password for" in output:
                os.write(terminal, f"{answer}\n".encode())
                answer = ""
    except OSError:
        pass  # the terminal's end
    finally:
        os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output.decode()


def test_a_password_is_asked_for_and_reaches_the_workers_alone(locked: Shop) -> None:
    status, output = on_terminal(locked, SECRET, "load", "--workers", "2")
    assert status == 0, output
    assert output.count(f"Password for {locked.target}: ") == 1
    assert SECRET not in output
    for path in locked.workdir.rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path


def test_a_wrong_password_is_refused_after_one_question(locked: Shop) -> None:
    status, output = on_terminal(locked, "wrong", "load")
    assert status == 2
    assert output.count("Password for") == 1
    assert "Access denied" in output


@pytest.mark.parametrize("option", [[], ["--json"]])
def test_without_a_terminal_or_with_json_nobody_is_asked(locked: Shop, option: list[str]) -> None:
    refused = locked.run("load", *option)
    assert refused.returncode == 2
    assert "into the environment variable FIXTUREPIPE_TARGET" in refused.stderr
    if option:
        status, output = on_terminal(locked, "", "load", *option)
        assert (status, "Password for" in output) == (2, False)
