"""Reviews of books, magazines, products, authors and orders, and votes on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sampledata.forms import SPAN_US, timestamp
from sampledata.keys import book, order_id, with_profile
from sampledata.phrases import HEADLINES, SENTENCES
from sampledata.sizes import BOOKS_A_FAMILY, Sizes
from sampledata.table import Table, dice

ContentTypes = Mapping[tuple[str, str], int]


def tables(sizes: Sizes, content_types: ContentTypes) -> Iterator[Table]:
    """`content_types` gives the key for (app label, model name)."""
    yield Table(
        "reviews_review",
        (
            "id",
            "object_id",
            "stars",
            "headline",
            "body",
            "published",
            "created_at",
            "author_id",
            "content_type_id",
        ),
        _reviews(sizes, content_types),
    )
    yield Table("reviews_vote", ("id", "helpful", "review_id", "voter_id"), _votes(sizes))


def _reviews(sizes: Sizes, content_types: ContentTypes) -> Iterator[tuple[Any, ...]]:
    roll = dice("reviews_review")
    books = sizes.families * BOOKS_A_FAMILY
    for review in range(1, sizes.reviews + 1):
        subject = review % 8
        if subject < 5:
            model, key = ("catalog", "book"), str(book(roll(books)))
        elif subject == 5:
            model, key = ("catalog", "product"), str(1 + roll(sizes.products))
        elif subject == 6:
            model, key = ("catalog", "author"), str(1 + roll(sizes.authors))
        else:
            # With hyphens: text made of the key, not the key's own storage form.
            model, key = ("shop", "order"), str(UUID(order_id(1 + roll(sizes.orders))))
        yield (
            review,
            key,
            1 + roll(5),
            HEADLINES[roll(len(HEADLINES))],
            f"{SENTENCES[roll(len(SENTENCES))]}\n{SENTENCES[roll(len(SENTENCES))]}",
            (True, True, True, False, None)[roll(5)],
            timestamp(roll(SPAN_US)),
            with_profile(1 + roll(sizes.users)),
            content_types[model],
        )


def _votes(sizes: Sizes) -> Iterator[tuple[Any, ...]]:
    """None to two votes a review, of different users."""
    roll = dice("reviews_vote")
    vote = 0
    for review in range(1, sizes.reviews + 1):
        voter = roll(sizes.users)
        for step in range(roll(3)):
            vote += 1
            yield vote, roll(2), review, 1 + (voter + step) % sizes.users
