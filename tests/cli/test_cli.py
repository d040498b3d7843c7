"""The command line: what parses, what it refuses, and how it says so."""

from __future__ import annotations

import json
import os
import re
import shlex
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.state import ModelState, State
from fixturepipe.cli import main, show
from fixturepipe.cli.commands import COMMANDS as FUNCTIONS
from fixturepipe.cli.commandtable import COMMANDS, MOST, STAGES, Command, all_options
from fixturepipe.cli.nextcommand import NextCommand
from fixturepipe.cli.options import COMMON
from fixturepipe.cli.parser import build_parser
from tests import servers
from tests.shop import Shop


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"fixturepipe {command}" in capsys.readouterr().out


def test_the_help_begins_with_the_three_commands_that_most_people_need(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    titles = re.findall(r"^([a-z].*):$", capsys.readouterr().out, flags=re.MULTILINE)
    assert titles[:2] == [MOST, STAGES]
    assert [command.name for command in COMMANDS if command.group == MOST] == [
        "check",
        "run",
        "sync",
    ]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_each_group_of_options_begins_with_an_example_that_parses(
    command: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command.name, "--help"])
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    examples = re.findall(r"^  fixturepipe (.*)$", text, flags=re.MULTILINE)
    assert len(examples) == len({o.group for o in command.all_options if command.heeds(o)})
    actions = [argument.choices[0] for argument in command.arguments if argument.choices]
    for example in examples:
        build_parser("fixturepipe").parse_args([*shlex.split(example), *actions])


def test_without_a_command_the_help_says_which_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2
    assert MOST in capsys.readouterr().err


def test_every_command_does_something() -> None:
    assert set(FUNCTIONS) == {command.name for command in COMMANDS}


@pytest.mark.parametrize("option", [option.name for option in COMMON])
def test_common_options_stand_before_or_after_the_command(option: str) -> None:
    parser = build_parser("fixturepipe")
    flag = [f"--{option}"]
    wanted = next(each for each in COMMON if each.name == option)
    if wanted.convert is not None:
        flag.append(wanted.choices[0] if wanted.choices else "1")
    before = vars(parser.parse_args([*flag, "status"]))
    after = vars(parser.parse_args(["status", *flag]))
    assert before == after
    assert option.replace("-", "_") in before


def test_an_option_means_the_same_everywhere() -> None:
    names = [o.name for command in COMMANDS for o in (*command.options, *command.own)]
    for option in all_options():
        if option.name == "only":
            continue  # a chunk of load, a finding of check
        same = [o for c in COMMANDS for o in c.all_options if o.name == option.name]
        assert all(each is option for each in same)
    assert set(names) & {option.name for option in COMMON} == set()


def refused(shop: Shop, *arguments: object, status: int = 2, **environment: str) -> str:
    """The message of a command that must fail without a traceback, and say what to do."""
    result = shop.run(*arguments, **environment)
    assert result.returncode == status, result.stderr
    assert "Traceback" not in result.stderr
    assert "error: " in result.stderr
    assert "next: " in result.stderr
    return result.stderr


def test_an_unknown_alias_is_refused(shop: Shop) -> None:
    assert "no alias 'nowhere'" in refused(shop, "dump", "--source", "nowhere")


def test_settings_that_do_not_import_are_refused(shop: Shop) -> None:
    message = refused(shop, "dump", "--settings", "no.such.settings")
    assert "no.such.settings cannot be imported: ModuleNotFoundError" in message


def test_verbosity_3_shows_the_traceback(shop: Shop) -> None:
    result = shop.run("dump", "--settings", "no.such.settings", "-v", "3")
    assert "Traceback" in result.stderr


def test_no_settings_at_all_are_refused(shop: Shop) -> None:
    assert "No settings module" in refused(
        shop, "dump", FIXTUREPIPE_SETTINGS="", FIXTUREPIPE_PYTHONPATH=""
    )


def test_settings_that_lack_a_variable_are_not_taken_for_missing_ones(
    shop: Shop, tmp_path: Path
) -> None:
    (tmp_path / "needy.py").write_text("import os\nSECRET_KEY = os.environ['NOT_SET']\n")
    place = ("--pythonpath", tmp_path)
    message = refused(shop, "check", "--settings", "needy", *place)
    assert "KeyError: 'NOT_SET'" in message
    assert "python manage.py fixturepipe" in message
    assert "Name it with --settings" in refused(shop, "check", "--settings", "nedy", *place)


def test_the_settings_are_found_in_manage_py(shop: Shop) -> None:
    output = shop.done("dump", "sites", FIXTUREPIPE_SETTINGS="")
    assert "sites.site" in output


def test_a_server_that_does_not_answer_is_refused(shop: Shop) -> None:
    shop.done("dump", "sites")
    message = refused(replace(shop, target="mysql://root@127.0.0.1:1/shop"), "load")
    assert '"mysql://root@127.0.0.1:1/shop" cannot be used' in message


def test_a_missing_database_is_refused_with_the_statement(
    shop: Shop, server: servers.Server
) -> None:
    shop.done("dump", "sites")
    message = refused(replace(shop, target=server.url("no_such_db")), "load")
    assert "CREATE DATABASE no_such_db" in message


def test_a_wrong_user_is_refused_and_no_password_shown(shop: Shop, server: servers.Server) -> None:
    shop.done("dump", "sites")
    base = {**server.base, "USER": "nobody_here", "PASSWORD": "s3cret"}
    target = servers.Server(server.name, base).url("x")
    message = refused(replace(shop, target=target), "load", "-v", "2")
    assert "Access denied" in message
    assert "s3cret" not in message


def test_an_option_that_the_driver_lacks_is_refused(shop: Shop, server: servers.Server) -> None:
    shop.done("dump", "sites")
    url = server.url("mysql")
    target = f"{url}{'&' if '?' in url else '?'}color=blue"
    message = refused(replace(shop, target=target), "load")
    assert "keyword argument" in message  # each Python says the rest its own way
    assert "'color'" in message
    assert "OPTIONS in DATABASES" in message


def test_a_user_who_may_not_make_tables_learns_what_to_grant(
    shop: Shop, server: servers.Server
) -> None:
    shop.done("dump", "sites")
    shop.done("arrange")
    user = {"USER": f"reader_{uuid.uuid4().hex[:8]}", "PASSWORD": "r3ader"}
    account = f"{user['USER']}@'%'"
    with server.database() as end:
        server.execute(f"CREATE USER {account} IDENTIFIED BY '{user['PASSWORD']}'")
        try:
            server.execute(f"GRANT SELECT ON `{end.settings['NAME']}`.* TO {account}")
            reader = replace(server, base={**server.base, **user}).url(end.settings["NAME"])
            result = replace(shop, target=reader).run("load")
        finally:
            server.execute(f"DROP USER {account}")
    assert result.returncode == 3
    assert "CREATE command denied" in result.stderr
    assert "Grant the user SELECT, INSERT" in result.stderr


def test_a_missing_sqlite_file_is_refused_and_not_made(shop: Shop, tmp_path: Path) -> None:
    missing = tmp_path / "missing.sqlite3"
    assert "There is no SQLite file" in refused(shop, "dump", "--source", f"sqlite:///{missing}")
    assert not missing.exists()


def test_a_source_that_was_never_migrated_is_refused(shop: Shop, tmp_path: Path) -> None:
    empty = tmp_path / "empty.sqlite3"
    empty.touch()
    message = refused(shop, "dump", "--source", f"sqlite:///{empty}")
    assert "has never been migrated" in message
    assert "manage.py migrate" in message


@pytest.mark.parametrize("command", ["check", "load", "run"])
def test_a_target_of_another_kind_is_refused(shop: Shop, tmp_path: Path, command: str) -> None:
    shop.done("dump", "sites")
    (tmp_path / "other.sqlite3").touch()
    target = f"sqlite:///{tmp_path / 'other.sqlite3'}"
    assert "neither MySQL nor MariaDB" in refused(replace(shop, target=target), command)


def test_an_engine_that_cannot_be_imported_is_refused(shop: Shop) -> None:
    shop.done("dump", "sites")
    message = refused(replace(shop, target="oracle://someone@127.0.0.1:1/x"), "load")
    assert "Install its driver" in message


def test_source_and_target_must_differ(shop: Shop) -> None:
    shop.done("dump", "sites")
    assert "the same database" in refused(replace(shop, target="default"), "load")


def test_a_run_directory_that_cannot_be_made_is_refused(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = refused(shop, "dump", "--workdir", tmp_path / "file" / "run")
    assert "cannot be written" in message


def test_somebody_elses_directory_is_refused(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    mode = (tmp_path / "photos").stat().st_mode & 0o777
    (tmp_path / "photos" / "cat.jpg").touch()
    message = refused(shop, "dump", "--workdir", tmp_path / "photos")
    assert "not a run directory" in message
    refused(shop, "clean", "--yes", "--workdir", tmp_path / "photos")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]
    assert (tmp_path / "photos").stat().st_mode & 0o777 == mode


def test_a_run_of_a_newer_version_is_refused(shop: Shop) -> None:
    shop.done("dump", "sites")
    manifest = shop.workdir / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": 99}))
    for command in ("status", "dump", "load"):
        assert "version 99" in refused(shop, command)


def test_a_damaged_manifest_is_refused(shop: Shop) -> None:
    shop.done("dump", "sites")
    (shop.workdir / "manifest.json").write_text('{"version": 1, "run"')
    assert "damaged" in refused(shop, "status")


def test_a_directory_without_a_run_is_refused(shop: Shop) -> None:
    for command in ("status", "load", "inspect"):
        assert " run`" in refused(shop, command)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('[{"model": "sites.site", "pk": 1, "fields": {"na', "fixture.json"),
        ('{"model": "sites.site"}', "fixture.json"),
        ("", "fixture.json"),
        ('[{"model": "no.model", "pk": 1, "fields": {}}]', "no.model"),
        ('[{"model": "sites.site", "pk": 1, "fields": {"nothing": 1}}]', "nothing"),
    ],
    ids=["cut off", "an object", "empty", "unknown model", "unknown field"],
)
def test_a_file_that_is_not_a_fixture_of_this_project_is_refused(
    shop: Shop, tmp_path: Path, content: str, said: str
) -> None:
    fixture = tmp_path / "fixture.json"
    fixture.write_text(content)
    assert said in refused(shop, "arrange", fixture)
    assert not list((shop.workdir / "2-chunks").glob("*.json"))


def test_a_dump_that_was_cut_off_is_refused(shop: Shop) -> None:
    shop.done("dump", "sites")
    dump = shop.workdir / "1-dump" / "sites.json"
    dump.write_bytes(dump.read_bytes()[:-20])
    assert "sites.json" in refused(shop, "arrange")


def test_status_says_what_to_do_with_rejected_objects(capsys: pytest.CaptureFixture[str]) -> None:
    models = (ModelState("a.b", 9, 9, 7, rejected=2), ModelState("a.c", 1, 1, 0, rejected=1))
    view = show.View(RunDirectory(Path("run")), NextCommand("fixturepipe", {}))
    show.status(State("0", "a", "b", models, 1, 1, 1, 0, "verify"), view)
    assert (
        "3 objects rejected: correct them in rejects/, then run `fixturepipe load --rejects`"
        in (capsys.readouterr().out)
    )


def test_wrong_use_exits_2(shop: Shop) -> None:
    for arguments in (["no-such-command"], ["load", "--workers", "-1"], []):
        assert shop.run(*arguments).returncode == 2
    assert "FIXTUREPIPE_CHUNK_OBJECTS" in refused(shop, "arrange", FIXTUREPIPE_CHUNK_OBJECTS="x")


def test_clean_asks_before_it_removes(shop: Shop) -> None:
    shop.done("dump", "sites")
    assert "--yes" in refused(shop, "clean")
    assert shop.workdir.exists()
    shop.done("clean", "--yes", "--target", "embedded")
    assert not shop.workdir.exists()


def test_clean_knows_every_file_that_a_run_leaves(shop_target: Shop) -> None:
    shop_target.run("check")
    shop_target.done("dump", "sites", "contenttypes")
    for command in ("load", "verify", "report"):
        shop_target.done(command)
    shop_target.done("clean", "--yes")
    assert not shop_target.workdir.exists()
    assert ("fixturepipe_ledger",) not in shop_target.execute("SHOW TABLES")


def test_clean_leaves_what_it_did_not_make(shop: Shop) -> None:
    shop.done("dump", "sites")
    (shop.workdir / "notes.txt").touch()
    output = shop.done("clean", "--yes", "--keep-ledger")
    assert "Removed fixturepipe's files from" in output
    assert [path.name for path in shop.workdir.iterdir()] == ["notes.txt"]


def test_clean_without_its_target_keeps_the_ledger_if_asked_to(shop: Shop) -> None:
    shop.done("dump", "sites")
    gone = replace(shop, target="mysql://nobody@127.0.0.1:1/gone")
    assert "--keep-ledger" in refused(gone, "clean", "--yes")
    assert (shop.workdir / "1-dump" / "sites.json").exists()
    assert "stays in the target" in gone.done("clean", "--yes", "--keep-ledger")
    assert not shop.workdir.exists()


def test_clean_waits_for_no_other_command(shop: Shop) -> None:
    shop.done("dump", "sites")
    with RunDirectory(shop.workdir).locked():
        assert "is running" in refused(shop, "clean", "--yes", "--keep-ledger")
    assert (shop.workdir / "manifest.json").exists()


def test_a_run_directory_of_another_user_is_a_warning(shop: Shop) -> None:
    shop.workdir.mkdir()
    os.chown(shop.workdir, 12345, -1)
    assert "belongs to another user (id 12345)" in shop.run("dump", "sites").stderr


def test_manage_py_has_the_same_commands(shop: Shop) -> None:
    result = shop.manage("fixturepipe", "dump", "sites")
    assert result.returncode == 0, result.stderr
    assert "sites.site" in result.stdout
