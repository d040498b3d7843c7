"""A command that a message prints can be pasted as it is, and goes where the message says."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from fixturepipe.cli.nextcommand import NextCommand, next_command
from tests.shop import Shop


def test_a_command_names_the_project_and_the_run_directory(tmp_path: Path) -> None:
    arguments = ["load", "--workdir", str(tmp_path / "my run"), "--settings=mysite.settings"]
    next_ = next_command("fixturepipe", [*arguments, "--workers", "2"], {})
    assert next_.line("verify").endswith(
        f"fixturepipe --settings mysite.settings --workdir '{tmp_path}/my run' verify"
    )
    assert next_.repeated.endswith(" load --workers 2")


def test_the_environment_is_written_out_but_for_secrets() -> None:
    environment = {
        "FIXTUREPIPE_SETTINGS": "mysite.settings",
        "FIXTUREPIPE_TARGET": "mysql://me:S3cret@h/shop",
        "FIXTUREPIPE_SOURCE": "old",
    }
    next_ = next_command("fixturepipe", ["dump"], environment)
    assert next_.options == {"settings": "mysite.settings", "source": "old"}


def test_a_password_is_never_on_a_line() -> None:
    arguments = ["dump", "--target", "mysql://me:S3cret@h/shop?passwd=S3cret"]
    next_ = next_command("fixturepipe", arguments, {})
    assert next_.line("load").endswith(" --target mysql://me@h/shop load")


def test_a_command_of_files_needs_the_run_directory_alone() -> None:
    next_ = NextCommand("fixturepipe", {"settings": "a", "target": "b", "workdir": "c"})
    assert next_.line("status") == "fixturepipe --workdir c status"


def test_commands_in_a_text_are_completed() -> None:
    next_ = NextCommand("fixturepipe", {"settings": "a.b"})
    assert next_.completed("Run `fixturepipe load --rejects`, or `make`.") == (
        "Run `fixturepipe --settings a.b load --rejects`, or `make`."
    )


@pytest.mark.parametrize(
    ("argv", "orig", "prog", "expected"),
    [
        (["/x/fixturepipe/__main__.py"], ["py thon"], "fixturepipe", "'py thon' -m fixturepipe"),
        (["manage.py"], ["python"], "manage.py fixturepipe", "python manage.py fixturepipe"),
        (["/opt/no/bin/fixturepipe"], ["python"], "fixturepipe", "/opt/no/bin/fixturepipe"),
    ],
)
def test_the_program_is_named_as_it_was_started(argv, orig, prog, expected, monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", argv)
    monkeypatch.setattr("sys.orig_argv", orig)
    assert next_command(prog, ["load"], {}).line("load") == f"{expected} load"


def pasted(text: str, shop: Shop) -> subprocess.CompletedProcess[str]:
    """Run the last next command of a text in a shell that knows nothing of this project."""
    line = re.findall(r"^Next: (.*)$", text, flags=re.MULTILINE)[-1]
    kept = {k: v for k, v in shop.environment.items() if not k.startswith(("FIXTUREPIPE_", "DJ"))}
    return subprocess.run(
        line,
        shell=True,
        cwd=shop.workdir.parent,
        env=kept,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_next_command_can_be_pasted_until_everything_is_done(shop: Shop) -> None:
    text = shop.done("dump", "sites", "--target", "embedded")
    for _ in range(2):
        done = pasted(text, shop)
        assert done.returncode == 0, done.stderr
        text = shop.done("status")
    assert "Everything is done." in text


def test_the_run_keeps_its_target(shop_target: Shop, tmp_path: Path) -> None:
    shop_target.done("dump", "sites")
    shop_target.done("load")
    manifest = json.loads((shop_target.workdir / "manifest.json").read_text())
    assert "root:root" not in manifest["target"]
    assert manifest["target"].startswith("mysql://")
    shop_target.done("verify")  # the same URL, password and all, is the same target
    other = replace(shop_target, target="embedded")
    for command in ("load", "verify", "check"):
        refused = other.run(command)
        assert refused.returncode == 2
        assert f"The target of this run is {manifest['target']}, not embedded" in refused.stderr
    silent = replace(shop_target, target="").run("load")
    if manifest["target_needs"]:
        assert silent.returncode == 2
        assert "needs its password, which is not stored" in silent.stderr
        assert "FIXTUREPIPE_TARGET" in silent.stderr
    else:
        assert silent.returncode == 0, silent.stderr
        assert "Loaded" in silent.stdout
    assert not (shop_target.workdir / "server").exists()


def test_the_embedded_server_is_a_target_that_is_kept(shop: Shop) -> None:
    shop.done("dump", "sites")
    shop.done("load")
    refused = replace(shop, target="mysql://me@127.0.0.1:1/shop").run("load")
    assert refused.returncode == 2
    assert "The target of this run is embedded, not mysql://me@127.0.0.1:1/shop" in refused.stderr


def test_a_target_that_does_not_answer_is_not_kept(shop: Shop) -> None:
    shop.done("dump", "sites")
    assert replace(shop, target="mysql://me@127.0.0.1:1/shop").run("load").returncode == 2
    assert json.loads((shop.workdir / "manifest.json").read_text())["target"] == ""
