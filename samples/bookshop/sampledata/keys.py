"""Keys that several tables have to agree on."""

from __future__ import annotations

from hashlib import md5

from sampledata.sizes import BOOKS_A_FAMILY, FAMILY

# Keys of rows that were deleted: above the last one that is left.
DELETED_PRODUCTS = 20
DELETED_USERS = 25


def order_id(number: int) -> str:
    """The UUID (version 4 in form) of an order, as 32 hex digits."""
    digits = md5(b"order %d" % number, usedforsecurity=False).hexdigest()
    return f"{digits[:12]}4{digits[13:16]}{'89ab'[number % 4]}{digits[17:]}"


def is_book(product: int) -> bool:
    return (product - 1) % FAMILY < BOOKS_A_FAMILY


def is_magazine(product: int) -> bool:
    return BOOKS_A_FAMILY <= (product - 1) % FAMILY < FAMILY - 1


def book(number: int) -> int:
    """The product key of the book `number`, from 0."""
    family, place = divmod(number, BOOKS_A_FAMILY)
    return family * FAMILY + place + 1


def sku(product: int) -> str:
    return f"BK-{product:07}"


def has_profile(user: int) -> bool:
    """Three users in four have one."""
    return user % 4 != 0


def with_profile(user: int) -> int:
    """The user, or the one before, who has a profile."""
    return user if has_profile(user) else user - 1
