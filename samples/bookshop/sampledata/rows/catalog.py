"""Categories, tags, publishers, authors and what there is to buy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sampledata.forms import SPAN_US, clock, day, decimal, json_text, timestamp
from sampledata.keys import book, is_book, is_magazine, sku
from sampledata.phrases import (
    ADJECTIVES,
    FIRST_NAMES,
    LAST_NAMES,
    NOUNS,
    PLACES,
    SENTENCES,
)
from sampledata.sizes import BOOKS_A_FAMILY, Sizes
from sampledata.table import Table, dice

SHELF = 10
IMPRINTS_A_PUBLISHER = 3
CHAPTERS = 3

ATTRIBUTES: tuple[Any, ...] = (
    {},
    {"binding": "paperback", "size_mm": [125.5, 190, 22]},
    {"prizes": [{"name": "Büchnerpreis", "year": 1999}, None], "signed": False},
    {"ean": 9007199254740993, "ratio": 0.1, "tiny": 1e-9, "note": 'say "hi" 📖\n'},
    {"": "empty key", "nested": {"deep": {"deeper": [[], {}, ""]}}, "none": None},
)


def tables(sizes: Sizes) -> Iterator[Table]:
    yield Table(
        "catalog_category",
        ("id", "name", "slug", "position", "parent_id"),
        _categories(sizes.categories),
    )
    yield Table("catalog_tag", ("id", "slug", "label"), _tags(sizes.tags))
    yield Table(
        "catalog_publisher",
        ("id", "name", "country", "founded_on", "flagship_imprint_id"),
        _publishers(sizes.publishers),
    )
    yield Table("catalog_imprint", ("id", "name", "publisher_id"), _imprints(sizes.publishers))
    yield Table(
        "catalog_author",
        ("id", "name", "born_on", "biography", "deleted_at"),
        _authors(sizes.authors),
    )
    yield Table(
        "catalog_product",
        (
            "id",
            "sku",
            "name",
            "description",
            "price",
            "weight_kg",
            "available",
            "attributes",
            "created_at",
            "changed_at",
            "category_id",
        ),
        _products(sizes),
    )
    yield Table(
        "catalog_book",
        ("product_ptr_id", "isbn", "pages", "reading_time", "cover", "imprint_id"),
        _books(sizes),
    )
    yield Table(
        "catalog_magazine",
        ("product_ptr_id", "issn", "issue_number", "on_sale_from", "publisher_id"),
        _magazines(sizes),
    )
    yield Table(
        "catalog_authorship",
        ("id", "role", "position", "royalty", "author_id", "book_id"),
        _authorships(sizes),
    )
    yield Table(
        "catalog_chapter",
        ("id", "title", "first_page", "book_id", "_order"),
        _chapters(sizes.families),
    )
    yield Table("catalog_product_tags", ("id", "product_id", "tag_id"), _product_tags(sizes))
    yield Table(
        "catalog_product_related",
        ("id", "from_product_id", "to_product_id"),
        _related(sizes.products),
    )


def _title(number: int) -> str:
    adjective = ADJECTIVES[number % len(ADJECTIVES)]
    noun = NOUNS[number % len(NOUNS)]
    place = PLACES[number // len(PLACES) % len(PLACES)]
    return f"The {adjective} {noun} of {place}"


def _categories(count: int) -> Iterator[tuple[Any, ...]]:
    for category in range(1, count + 1):
        yield (
            category,
            f"{NOUNS[category % len(NOUNS)]} & more",
            f"shelf-{category}",
            category % 7 - 3,
            _parent(category, count),
        )


def _parent(category: int, count: int) -> int | None:
    """Ten categories make a shelf, whose head was made last: its key is the highest.

    So most parents have a higher key than their children. Heads stand below the
    head of an earlier shelf, and every 25th head is a root.
    """
    shelf = (category - 1) // SHELF
    head = min(shelf * SHELF + SHELF, count)
    if category < head:
        return category + 1 if category % 3 == 0 else head
    if shelf % 25 == 0:
        return None
    return (shelf - 1) // 3 * SHELF + SHELF


def _tags(count: int) -> Iterator[tuple[Any, ...]]:
    for tag in range(1, count + 1):
        word = ADJECTIVES[tag % len(ADJECTIVES)]
        yield tag, f"tag-{tag}", f"{word} №{tag}"


def _publishers(count: int) -> Iterator[tuple[Any, ...]]:
    for publisher in range(1, count + 1):
        flagship = (publisher - 1) * IMPRINTS_A_PUBLISHER + 1 + publisher % 3
        yield (
            publisher,
            f"{LAST_NAMES[publisher % len(LAST_NAMES)]} & Söhne {publisher}",
            ("AT", "DE", "FR", "JP", "GB")[publisher % 5],
            None if publisher % 3 == 0 else day(-publisher * 97 % 40000 - 40000),
            flagship,
        )


def _imprints(publishers: int) -> Iterator[tuple[Any, ...]]:
    for imprint in range(1, publishers * IMPRINTS_A_PUBLISHER + 1):
        publisher = (imprint - 1) // IMPRINTS_A_PUBLISHER + 1
        yield imprint, f"{NOUNS[imprint % len(NOUNS)]} Press {imprint}", publisher


def _authors(count: int) -> Iterator[tuple[Any, ...]]:
    roll = dice("catalog_author")
    for author in range(1, count + 1):
        first = FIRST_NAMES[roll(len(FIRST_NAMES))]
        yield (
            author,
            f"{first} {LAST_NAMES[roll(len(LAST_NAMES))]}",
            None if author % 6 == 0 else day(-8000 - roll(40000)),
            SENTENCES[roll(len(SENTENCES))],
            timestamp(roll(SPAN_US)) if author % 8 == 5 else None,
        )


def _products(sizes: Sizes) -> Iterator[tuple[Any, ...]]:
    roll = dice("catalog_product")
    attributes = [json_text(value) for value in ATTRIBUTES]
    for product in range(1, sizes.products + 1):
        created = roll(SPAN_US)
        yield (
            product,
            sku(product),
            _title(product),
            f"{SENTENCES[roll(len(SENTENCES))]} {SENTENCES[roll(len(SENTENCES))]}",
            decimal(99 + roll(9900), 2),
            None if product % 9 == 0 else 0.1 * (1 + roll(40)),
            (None, True, True, False)[roll(4)],
            attributes[roll(len(attributes))],
            timestamp(created),
            timestamp(created + roll(SPAN_US - created)),
            1 + roll(sizes.categories),
        )


def _books(sizes: Sizes) -> Iterator[tuple[Any, ...]]:
    roll = dice("catalog_book")
    for product in filter(is_book, range(1, sizes.products + 1)):
        yield (
            product,
            _isbn(product),
            40 + roll(900),
            None if product % 4 == 0 else 1_800_000_000 + roll(90_000_000_000),
            f"covers/{product % 50}/cöver {product}.png" if product % 5 else "",
            1 + roll(sizes.publishers * IMPRINTS_A_PUBLISHER),
        )


def _isbn(product: int) -> str:
    """978, nine digits and the check digit that ISBN-13 asks for."""
    digits = f"978{product:09}"
    total = sum(int(digit) * (3 if i % 2 else 1) for i, digit in enumerate(digits))
    return f"{digits}{-total % 10}"


def _magazines(sizes: Sizes) -> Iterator[tuple[Any, ...]]:
    roll = dice("catalog_magazine")
    for product in filter(is_magazine, range(1, sizes.products + 1)):
        title, issue = divmod(product, 400)
        yield (
            product,
            f"{1000 + title // 10000}-{title % 10000:04}",
            issue,
            None if product % 3 == 0 else clock(roll(86_400) * 1_000_000 + roll(3)),
            1 + roll(sizes.publishers),
        )


def _authorships(sizes: Sizes) -> Iterator[tuple[Any, ...]]:
    """A writer for each book; an editor or a translator for some, maybe the same."""
    roll = dice("catalog_authorship")
    row = 0
    for number in range(sizes.families * BOOKS_A_FAMILY):
        roles = ("writer", "editor", "translator")[: (1, 1, 2, 1, 3)[number % 5]]
        for position, role in enumerate(roles, start=1):
            row += 1
            royalty = decimal(roll(2500), 4)
            yield row, role, position, royalty, 1 + roll(sizes.authors), book(number)


def _chapters(families: int) -> Iterator[tuple[Any, ...]]:
    """Three chapters of one book a family; every second book's were moved about."""
    row = 0
    for family in range(families):
        order = (2, 0, 1) if family % 2 else (0, 1, 2)
        for place in range(CHAPTERS):
            row += 1
            title = f"{place + 1}. {SENTENCES[(family + place) % len(SENTENCES)]}"
            yield row, title, 1 + place * 40, book(family * BOOKS_A_FAMILY), order[place]


def _product_tags(sizes: Sizes) -> Iterator[tuple[int, int, int]]:
    """None to four different tags a product."""
    roll = dice("catalog_product_tags")
    row = 0
    for product in range(1, sizes.products + 1):
        first = roll(sizes.tags)
        for step in range(roll(5)):
            row += 1
            yield row, product, 1 + (first + step * step) % sizes.tags


def _related(products: int) -> Iterator[tuple[int, int, int]]:
    """Pairs, a row for each direction, as Django keeps a symmetrical relation."""
    row = 1
    for product in range(1, products - 2, 4):
        for other in (product + 1, product + 3):
            yield row, product, other
            yield row + 1, other, product
            row += 2
