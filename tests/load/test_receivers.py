"""Receivers that a load does not call are told in one line, however many models they hear."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db.models.signals import post_save

from fixturepipe.databases.endpoints import Endpoint
from tests.loading import Log, a, load_into, make_run


def hears(**_: Any) -> None:
    """A receiver of the project's own."""


def test_a_receiver_without_a_sender_is_said_to_hear_all_models(
    tmp_path: Path, source: Endpoint, shared_target: Endpoint
) -> None:
    directory = make_run(tmp_path / "run", [a("shade", 1, slug="red")], [a("place", 1, name="p")])
    log = Log()
    post_save.connect(hears)
    try:
        load_into(shared_target, source, directory, log=log)
    finally:
        post_save.disconnect(hears)
    assert "has receivers for all models, which are not called" in log.text
