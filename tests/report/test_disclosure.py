"""Which keys, values and texts a report may show."""

from __future__ import annotations

import uuid

import pytest

from fixturepipe.report.disclosure import Disclosure, without_values


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Duplicate entry 'O'Brien' for key 'u.name'", "Duplicate entry '…' for key 'u.name'"),
        ("Data too long for column 'name' at row 1", "Data too long for column 'name' at row 1"),
        ("shop.order pk 1, field amount = 12.5: refused", "shop.order pk 1, field amount =…"),
        (
            "owner refers to user 'ada', which does not exist",
            "owner refers to user '…', which does not exist",
        ),
        ('The reader\'s text is "x" and "y".', 'The reader\'s text is "…".'),
        ("The target's column is too short", "The target's column is too short"),
    ],
)
def test_a_text_is_shown_without_what_may_be_a_value(text: str, shown: str) -> None:
    assert without_values(text) == shown


def test_a_value_that_is_known_is_left_out_as_a_whole_word() -> None:
    assert without_values("owner is 7, not 77", "7") == "owner is …, not 77"


def test_numbers_and_uuids_are_keys_that_may_be_shown() -> None:
    hidden, shown = Disclosure(), Disclosure(values=True)
    for key, text in ((17, "17"), (str(uuid.UUID(int=5)), str(uuid.UUID(int=5))), ([3, 4], "3, 4")):
        assert hidden.key(key) == shown.key(key) == text
    for key in ("ada@lovelace.example", [3, "ada"]):
        assert not hidden.key(key)
        assert shown.key(key)


def test_a_long_value_is_cut() -> None:
    assert Disclosure().value("x") is None
    assert len(Disclosure(values=True).value("x" * 5_000) or "") < 200
