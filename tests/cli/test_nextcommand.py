"""A command that a message prints can be pasted as it is, and goes where the message says."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import MySQLdb
import pytest

from fixturepipe.cli.nextcommand import NextCommand, next_command
from fixturepipe.cli.nextsteps import after_run
from tests.shop import Shop


def test_a_command_names_the_project_and_the_run_directory(tmp_path: Path) -> None:
    arguments = ["load", "--workdir", str(tmp_path / "my run"), "--settings=mysite.settings"]
    next_ = next_command("fixturepipe", [*arguments, "--workers", "2"], {})
    assert next_.line("verify").endswith(
        f"fixturepipe --settings mysite.settings --workdir '{tmp_path}/my run' verify"
    )
    assert next_.repeated.endswith(" load --workers 2")


def test_a_check_is_followed_by_a_run_with_its_options() -> None:
    given = ["--workdir", "w", "check", "--fix", "shop.Tag.name=truncate", "--schema", "models"]
    line = next_command("fixturepipe", given, {}).run_after_check()
    assert line.endswith(" --workdir w run --fix shop.Tag.name=truncate --schema models")
    line = next_command("fixturepipe", ["check", "--only", "FP101"], {}).run_after_check()
    assert line.endswith("fixturepipe run")


def test_the_environment_is_written_out_but_for_secrets() -> None:
    environment = {
        "FIXTUREPIPE_SETTINGS": "mysite.settings",
        "FIXTUREPIPE_TARGET": "mysql://me:S3cret@h/shop",
        "FIXTUREPIPE_SOURCE": "old",
    }
    next_ = next_command("fixturepipe", ["dump"], environment)
    assert next_.options == {"settings": "mysite.settings", "source": "old"}


def test_a_password_is_never_on_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # a run directory here would know its target
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


def on_embedded(shop: Shop, *statements: str) -> None:
    """Run statements in the embedded server, which must be running."""
    socket = str(shop.workdir / "server" / "mariadbd.sock")
    connection = MySQLdb.connect(
        unix_socket=socket, user="root", database="fixturepipe", autocommit=True
    )
    with contextlib.closing(connection), connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def test_each_line_after_a_difference_leads_on_until_everything_is_done(shop: Shop) -> None:
    ran = shop.done("run", "--target", "embedded")
    assert "Done: the data is in the embedded server" in ran
    shop.done("server", "start")
    try:
        on_embedded(shop, "UPDATE catalog_tag SET label = 'other' WHERE id = 1")
        verified = shop.run("verify")
        assert verified.returncode == 1
        looked = re.search(r"^To see a row on both sides: (.*)$", verified.stdout, re.MULTILINE)
        assert looked is not None
        row = pasted(f"Next: {looked[1]}", shop)
        assert re.search(r"^differs  label  .*'other'$", row.stdout, re.MULTILINE)
        assert row.returncode == 1
        status = shop.done("status")
        assert "1 row not equal" in status
        for text in (verified.stdout, status):
            refused = pasted(text, shop)
            assert refused.returncode == 2
            assert "catalog.tag: 1 row changed: 1" in refused.stderr
        given_up = re.findall(r"`([^`]* sync --existing update)`", refused.stderr)
        synced = pasted(f"Next: {given_up[0]}", shop)
        assert synced.returncode == 0, synced.stderr
        assert "Everything is done." in shop.done("status")
        equal = shop.done("verify", "--row", "catalog.Tag:1")
        assert equal.endswith("Both rows are equal.\n")
        assert (
            json.loads(shop.run("verify", "--row", "catalog.tag:0", "--json").stdout)["in_source"]
            is False
        )
        for wrong in ("catalog.tag", "no.model:1", "catalog.tag:red"):
            assert shop.run("verify", "--row", wrong).returncode == 2
    finally:
        shop.done("server", "stop")


def test_the_end_of_a_run_says_how_to_use_the_target_without_its_password(
    capsys: pytest.CaptureFixture[str],
) -> None:
    settings = {"ENGINE": "django.db.backends.mysql", "NAME": "shop", "USER": "me"}
    settings |= {"PASSWORD": "S3cret", "HOST": "db", "PORT": 3306}
    options = {"charset": "utf8mb4", "passwd": "S3cret"}
    after_run(
        "mysql://me@db/shop", {**settings, "OPTIONS": options}, NextCommand("fixturepipe", {})
    )
    said = capsys.readouterr().out
    assert "S3cret" not in said
    assert "To move later changes of the source: fixturepipe sync" in said
    lines = said.partition("settings:\n")[2].partition("To move")[0].replace("…", '"S3cret"')
    assert ast.literal_eval(f"{{{lines}}}")["default"] == {
        **settings,
        "PORT": "3306",
        "OPTIONS": {"charset": "utf8mb4"},
    }


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
