"""Which target a run uses."""

from __future__ import annotations

import pytest

from fixturepipe.artifacts.manifest import Manifest, read_manifest
from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.databases.runendpoints import choose_target, record_target
from fixturepipe.errors import ConfigurationError, UsageError


def run(target: str = "", *needs: str) -> Manifest:
    return Manifest(run="0" * 32, created="", target=target, target_needs=list(needs))


def test_without_a_record_it_is_the_one_that_is_given() -> None:
    assert choose_target(None, "mysql://h/n", None) == "mysql://h/n"
    assert choose_target(run(), None, None) == "embedded"


def test_the_recorded_one_is_the_default() -> None:
    assert choose_target(run("mysql://a@h/n"), None, None) == "mysql://a@h/n"


def test_a_password_is_asked_for() -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return "p/w"

    assert choose_target(run("mysql://a@h/n", "password"), None, ask) == "mysql://a:p%2Fw@h/n"
    assert asked == ["Password for mysql://a@h/n: "]


@pytest.mark.parametrize("needs", [["password"], ["passwd", "charset"]])
def test_what_is_not_stored_must_be_given_again(needs: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="which is not stored"):
        choose_target(run("mysql://a@h/n", *needs), None, None)
    whole = "mysql://a:b@h/n?passwd=c"
    assert choose_target(run("mysql://a@h/n", *needs), whole, None) == whole


def test_another_one_is_refused_without_its_password() -> None:
    with pytest.raises(UsageError, match=r"is mysql://a@h/n, not mysql://a@other/n$"):
        choose_target(run("mysql://a@h/n"), "mysql://a:b@other/n", None)


def test_another_spelling_is_the_same(tmp_path) -> None:
    assert choose_target(run("mysql://a@h/n"), "mysql://b:c@h:3306/n", None)


def test_it_is_recorded_once_and_without_its_password(tmp_path) -> None:
    directory = RunDirectory(tmp_path / "run")
    record_target(directory, "mysql://a:b@h/n?passwd=c")
    record_target(directory, "mysql://other/n")
    manifest = read_manifest(directory)
    assert (manifest.target, manifest.target_needs) == ("mysql://a@h/n", ["password", "passwd"])
    assert "other" not in directory.manifest.read_text()
