"""When stages ran."""

from __future__ import annotations

from pathlib import Path

from fixturepipe.artifacts.rundir import RunDirectory
from fixturepipe.artifacts.times import StageRecorder, read_stage_times
from fixturepipe.events import Event, StageFinished, StageStarted


def test_a_stage_that_ends_has_a_line_and_one_that_stops_is_not_finished(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    heard: list[Event] = []
    recorder = StageRecorder(directory, heard.append, lambda: {"Python": "3"})
    recorder(StageStarted("check"))
    recorder(StageFinished("check", 5, 0.1))
    assert read_stage_times(directory) == [], "there is no run directory yet"
    directory.create()
    recorder(StageStarted("dump"))
    recorder(StageFinished("dump", 7, 0.1))
    with recorder.during(None):
        recorder(StageStarted("load"))
        recorder(StageFinished("load", 7, 0.1))
    with recorder.during("sync"):
        recorder(StageStarted("verify"))
    recorder(StageStarted("load"))
    recorder.stopped()
    found = [(t.stage, t.command, t.objects, t.finished) for t in read_stage_times(directory)]
    assert found == [
        ("dump", "run", 7, True),
        ("verify", "sync", 0, False),
        ("load", "run", 0, False),
    ]
    assert len(heard) == 8
    with (directory.path / "stages.jsonl").open("ab") as file:
        file.write(b'{"stage": "ver')
    assert len(read_stage_times(directory)) == 3
