"""Users, their profiles, groups and permissions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sampledata.forms import SPAN_US, day, json_text, timestamp
from sampledata.keys import has_profile
from sampledata.phrases import FIRST_NAMES, LAST_NAMES, SENTENCES
from sampledata.sizes import Sizes
from sampledata.table import Table, dice

# Of the password "bookshop": made once, because a hash costs half a second.
PASSWORD = (
    "pbkdf2_sha256$1000000$bookshopBookshopbooksh$2xbcj0UpoO41/j81pfXnYTHxjigW81mAXb1VERAH/cY="
)
UNUSABLE_PASSWORD = "!bookshopBookshopbookshopBookshopbooksho"

GROUPS = ("Editors", "Buyers", "Support ☎", "Kundendienst", "Équipe de nuit", "Readers")

JSON_NULL = "null"
PREFERENCES: tuple[Any, ...] = (
    {"theme": "dark", "languages": ["de", "fr"], "fonts": {"size": 1.25, "serif": None}},
    {"recent": [9007199254740993, -1, 0], "emoji": "📚", "quote": '"it\'s"\n'},
    [],
    ["a", {"b": [True, False, None, 0.1]}],
    "compact",
    42,
    False,
    {},
)


def tables(sizes: Sizes, permissions: Sequence[int], json_null: bool) -> Iterator[Table]:
    """`permissions` are the keys to give away; for `json_null` see the command."""
    yield Table(
        "accounts_user",
        (
            "id",
            "password",
            "last_login",
            "is_superuser",
            "username",
            "first_name",
            "last_name",
            "email",
            "is_staff",
            "is_active",
            "date_joined",
            "last_seen",
            "invited_by_id",
        ),
        _users(sizes),
    )
    yield Table(
        "accounts_profile",
        (
            "user_id",
            "display_name",
            "biography",
            "birthday",
            "newsletter",
            "preferences",
            "avatar",
            "loyalty_points",
            "changed_at",
        ),
        _profiles(sizes, json_null),
    )
    yield Table("auth_group", ("id", "name"), enumerate(GROUPS, start=1))
    yield Table(
        "auth_group_permissions",
        ("id", "group_id", "permission_id"),
        _group_permissions(permissions),
    )
    yield Table("accounts_user_groups", ("id", "user_id", "group_id"), _user_groups(sizes))
    yield Table(
        "accounts_user_user_permissions",
        ("id", "user_id", "permission_id"),
        _user_permissions(sizes, permissions),
    )


def username(user: int) -> str:
    if user == 1:
        return "admin"
    first = FIRST_NAMES[user % len(FIRST_NAMES)].lower().replace(" ", "-")
    return f"{first}.{user}"


def _users(sizes: Sizes) -> Iterator[tuple[Any, ...]]:
    roll = dice("accounts_user")
    for user in range(1, sizes.users + 1):
        joined = roll(SPAN_US)
        name = username(user)
        yield (
            user,
            UNUSABLE_PASSWORD if user % 10 == 9 else PASSWORD,
            None if user % 5 == 0 else timestamp(joined + roll(SPAN_US - joined)),
            user == 1,
            name,
            FIRST_NAMES[user % len(FIRST_NAMES)],
            LAST_NAMES[roll(len(LAST_NAMES))],
            f"reader{user}@bookshop.example" if user % 7 else "",
            user <= sizes.employees,
            user % 29 != 0,
            timestamp(joined),
            None if user % 3 == 0 else timestamp(joined + roll(SPAN_US - joined)),
            _inviter(user, sizes.users, roll(user)),
        )


def _inviter(user: int, users: int, earlier: int) -> int | None:
    """An earlier user, or none; for one user in fifty the one who came next."""
    if user % 50 == 7 and user < users:
        return user + 1
    # The next one was invited by nobody, or the two could have invited each other.
    if user % 3 or user % 50 == 8:
        return None
    return earlier or None


def _profiles(sizes: Sizes, json_null: bool) -> Iterator[tuple[Any, ...]]:
    roll = dice("accounts_profile")
    preferences = [json_text(value) for value in PREFERENCES]
    for user in filter(has_profile, range(1, sizes.users + 1)):
        chosen: str | None = preferences[roll(len(preferences))]
        if user % 6 == 1:
            chosen = None
        elif user % 6 == 2 and json_null:
            chosen = JSON_NULL
        yield (
            user,
            f"{FIRST_NAMES[user % len(FIRST_NAMES)]} {LAST_NAMES[roll(len(LAST_NAMES))]}",
            SENTENCES[roll(len(SENTENCES))],
            None if user % 5 == 0 else day(-7000 - roll(20000)),
            (None, False, True)[roll(3)],
            chosen,
            f"avatars/{user % 100:02}/reader-{user}.jpg" if user % 3 else "",
            (1 << 62) + user if user % 11 == 0 else roll(5000) - 100,
            timestamp(roll(SPAN_US)),
        )


def _group_permissions(permissions: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Eight permissions for each group but the last, which readers are in."""
    row = 0
    for group in range(1, len(GROUPS)):
        for step in range(8):
            row += 1
            place = (group * 17 + step * 5) % len(permissions)
            yield row, group, permissions[place]


def _user_groups(sizes: Sizes) -> Iterator[tuple[int, int, int]]:
    row = 0
    for user in range(1, sizes.users + 1):
        if user <= sizes.employees:
            row += 1
            yield row, user, 1 + user % (len(GROUPS) - 1)
        if user % 4 == 1:
            row += 1
            yield row, user, len(GROUPS)


def _user_permissions(sizes: Sizes, permissions: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    for row, user in enumerate(range(2, sizes.users + 1, 20), start=1):
        yield row, user, permissions[user % len(permissions)]
