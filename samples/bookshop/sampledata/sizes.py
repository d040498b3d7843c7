"""How many rows each table has at a scale."""

from __future__ import annotations

from dataclasses import dataclass

# A product family: eight books, two magazines and one plain product.
FAMILY = 11
BOOKS_A_FAMILY = 8


@dataclass(frozen=True)
class Sizes:
    """Numbers of rows; at scale 1 all tables together hold about 20,000.

    The smallest values keep every kind of row in the smallest sample.
    """

    users: int
    employees: int
    categories: int
    tags: int
    publishers: int
    authors: int
    families: int
    warehouses: int
    coupons: int
    orders: int
    reviews: int
    price_changes: int
    sessions: int
    log_entries: int

    @property
    def products(self) -> int:
        return self.families * FAMILY

    @classmethod
    def at(cls, scale: float) -> Sizes:
        """Sizes in proportion to `scale`, which is above 0 and may be below 1."""

        def rows(at_one: int, least: int) -> int:
            return max(least, round(at_one * scale))

        return cls(
            users=rows(800, 60),
            employees=rows(40, 5),
            categories=rows(120, 25),
            tags=rows(60, 12),
            publishers=rows(20, 3),
            authors=rows(250, 20),
            families=rows(78, 6),
            warehouses=rows(4, 2),
            coupons=rows(40, 8),
            orders=rows(1700, 60),
            reviews=rows(1300, 80),
            price_changes=rows(400, 40),
            sessions=rows(600, 20),
            log_entries=rows(400, 20),
        )
