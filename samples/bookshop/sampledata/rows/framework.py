"""Rows of Django's own tables: sessions, the admin's log and a second site."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from hashlib import md5
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.sessions.backends.db import SessionStore
from django.core import signing

from sampledata.forms import DAY_US, OPENED, SPAN_US, json_text, timestamp
from sampledata.keys import sku
from sampledata.phrases import REASONS
from sampledata.rows.accounts import PASSWORD
from sampledata.rows.reviews import ContentTypes
from sampledata.sizes import Sizes
from sampledata.table import Table, dice

DIFFERENT_SESSIONS = 1000

ADDITION, CHANGE, DELETION = 1, 2, 3
MESSAGES = {
    ADDITION: json_text([{"added": {}}]),
    CHANGE: json_text([{"changed": {"fields": ["Price", "Überschrift"]}}]),
    DELETION: "",
}


def tables(sizes: Sizes, content_types: ContentTypes) -> Iterator[Table]:
    """`content_types` gives the key for (app label, model name)."""
    yield Table(
        "django_site",
        ("id", "name", "domain"),
        [(2, "Trade ☕", "trade.bookshop.example")],
    )
    yield Table(
        "django_session",
        ("session_key", "session_data", "expire_date"),
        _sessions(sizes),
    )
    yield Table(
        "django_admin_log",
        (
            "id",
            "object_id",
            "object_repr",
            "action_flag",
            "change_message",
            "content_type_id",
            "user_id",
            "action_time",
        ),
        _log_entries(sizes, content_types),
    )


class _SigningClock(signing.TimestampSigner):
    """Signs as of the day the shop opened, for the same text every time."""

    def timestamp(self) -> str:
        return signing.b62_encode(int(OPENED.replace(tzinfo=UTC).timestamp()))


def _sessions(sizes: Sizes) -> Iterator[tuple[str, str, str]]:
    """Sessions that Django can read; most are of a user who is logged in."""
    roll = dice("django_session")
    contents = _session_contents(sizes)
    for number in range(1, sizes.sessions + 1):
        yield (
            md5(b"session %d" % number, usedforsecurity=False).hexdigest(),
            contents[number % len(contents)],
            timestamp(SPAN_US + roll(14 * DAY_US)),
        )


def _session_contents(sizes: Sizes) -> list[str]:
    """At most a thousand, which large samples use again: signing is slow."""
    roll = dice("django_session contents")
    signer = _SigningClock(salt=SessionStore().key_salt)
    # Depends on the password alone, which all users share.
    auth_hash = get_user_model()(password=PASSWORD).get_session_auth_hash()
    backend = f"{ModelBackend.__module__}.{ModelBackend.__qualname__}"
    contents = []
    for number in range(min(sizes.sessions, DIFFERENT_SESSIONS)):
        session: dict[str, Any] = {"basket": [sku(1 + roll(sizes.products))]}
        if number % 4:
            session["_auth_user_id"] = str(1 + roll(sizes.users))
            session["_auth_user_backend"] = backend
            session["_auth_user_hash"] = auth_hash
        contents.append(
            signer.sign_object(session, serializer=signing.JSONSerializer, compress=True)
        )
    return contents


def _log_entries(sizes: Sizes, content_types: ContentTypes) -> Iterator[tuple[Any, ...]]:
    """What the employees did in the admin, to things some of which are gone."""
    roll = dice("django_admin_log")
    product_type = content_types["catalog", "product"]
    for entry in range(1, sizes.log_entries + 1):
        flag = (CHANGE, CHANGE, ADDITION, DELETION)[entry % 4]
        product = 1 + roll(sizes.products)
        yield (
            entry,
            str(product),
            f"{sku(product)}: {REASONS[roll(len(REASONS))]}",
            flag,
            MESSAGES[flag],
            # None: of a model that the project no longer has.
            None if entry % 15 == 0 else product_type,
            1 + roll(sizes.employees),
            timestamp(roll(SPAN_US)),
        )
