"""A URL is shown by what it keeps, and never with a password."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixturepipe.databases.urls import hidden_parts, is_url, shown_url, with_password


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("default", "default"),
        ("mysql://h/n", "mysql://h/n"),
        ("mysql://a@h/n", "mysql://a@h/n"),
        ("mysql://a:b@h:3306/n", "mysql://a@h:3306/n"),
        ("mysql://a:b:c@h/n", "mysql://a@h/n"),
        ("mysql://a:b@c@h/n", "mysql://a@h/n"),
        ("mysql://:b@h/n", "mysql://h/n"),
        ("mysql://a:b@[::1]:3306/n", "mysql://a@[::1]:3306/n"),
        ("mysql://a@h/n?passwd=b", "mysql://a@h/n"),
        ("mysql://a:b@h/n?charset=utf8mb4", "mysql://a@h/n"),
        ("mysql://a@/n?unix_socket=/run/my.sock&passwd=b", "mysql://a@/n?unix_socket=/run/my.sock"),
        ("sqlite:///file.sqlite3", "sqlite:///file.sqlite3"),
        ("sqlite:////tmp/a@b/file.sqlite3?key=b", "sqlite:////tmp/a@b/file.sqlite3"),
        ("sqlite://:memory:", "sqlite://:memory:"),
        ("sqlite://a:b@h/file", "sqlite://a@h/file"),
        ("postgresql://a:b@h/n", "postgresql://a@h/n"),
    ],
)
def test_what_is_shown_of_a_url(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert shown_url(shown) == shown


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root:S3c/ret@127.0.0.1/x",
        "mysql://root:S3c@re/t@host/x",
        "mysql://root:S3c#ret@host/x",
        "mysql://root:S3c?ret@host/x",
        "mysql://root:123/S3cret@host/x",
        "mysql://root:123?S3cret@host/x",
        "mysql:/root:S3cret@host/x",
        "mysql:root:S3cret@host/x",
        "mysql//root:S3cret@host/x",
        "root:S3cret@host/x",
        "S3cret:root@host/x",
        "mysql://S3cret@root@host/x",
        "mysql://root:S3cret",
        "mysql://root%3aS3cret@host/x",
        "mysql://root:S3cret/x",
        "mysql;//root:S3cret@host/x",
        "@S3cret",
    ],
)
def test_of_a_url_that_is_not_clear_only_the_scheme_is_shown(url: str) -> None:
    assert is_url(url)
    assert shown_url(url) in ("mysql:…", "…")


@given(password=st.text(min_size=1, max_size=8))
def test_no_password_is_shown_wherever_it_ends(password: str) -> None:
    secret = f"S3{password}cret"
    assert "S3" not in shown_url(f"mysql://root:{secret}@host:3306/shop")
    assert "S3" not in shown_url(f"mysql://root@host:3306/shop?password={secret}")


def test_what_was_hidden_is_named() -> None:
    assert hidden_parts("mysql://a@h/n") == []
    assert hidden_parts("mysql://a@/n?unix_socket=/s") == []
    assert hidden_parts("mysql://a:b@h/n?passwd=c&charset=d") == ["password", "passwd", "charset"]
    assert hidden_parts("sqlite:///f?timeout=3") == ["timeout"]


def test_a_password_can_be_put_back() -> None:
    assert with_password("mysql://a@h/n", "b@c/d") == "mysql://a:b%40c%2Fd@h/n"
