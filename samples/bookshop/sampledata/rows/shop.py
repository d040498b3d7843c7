"""Orders, warehouses and stock."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import md5
from typing import Any

from sampledata.forms import DAY_US, SPAN, SPAN_US, clock, day, decimal, json_text, timestamp
from sampledata.keys import order_id, sku
from sampledata.phrases import CITIES, GIFT_TEXTS, SENTENCES
from sampledata.sizes import Sizes
from sampledata.table import Table, dice

SHIPPING_METHODS = 4
STATUSES = ("open", "paid", "sent", "sent", "sent", "cancelled")
TAX_RATES = ("0.1000", "0.2000", "0.0000", "0.0550")
ADDRESSES = ("192.0.2.7", "198.51.100.23", "2001:db8::1", "203.0.113.255")
DETAILS: tuple[Any, ...] = (
    {},
    {"source": "web", "utm": {"campaign": "été", "ids": [1, 2, 3]}},
    {"source": "app", "version": "2.10.0", "gift": True, "wrap": None},
    {"source": "till", "cash": 50.05, "change": 0.1, "teller": "Zoë 👩‍💼"},
    [{"legacy": "list"}, -9007199254740993],
)
# Above what a float holds exactly.
FIRST_RECEIPT = 2**53 + 1


def tables(sizes: Sizes) -> Iterator[Table]:
    yield Table(
        "shop_shippingmethod",
        ("id", "code", "name", "price", "active"),
        # The migration made 1 to 3.
        [(4, "cargo-bike", "Cargo bike 🚲", "7.20", 1)],
    )
    yield Table(
        "shop_warehouse",
        ("id", "name", "city", "opens_at", "manager_id"),
        _warehouses(sizes),
    )
    yield Table(
        "shop_stocklevel",
        ("id", "quantity", "counted_on", "product_id", "warehouse_id"),
        _stock(sizes),
    )
    yield Table(
        "shop_coupon",
        ("id", "code", "percent", "valid_from", "valid_for", "deleted_at"),
        _coupons(sizes.coupons),
    )
    yield Table(
        "shop_order",
        (
            "id",
            "status",
            "placed_at",
            "paid_at",
            "ip_address",
            "note",
            "details",
            "customer_id",
            "shipping_method_id",
            "warehouse_id",
        ),
        _orders(sizes),
    )
    yield Table(
        "shop_orderline",
        (
            "id",
            "quantity",
            "unit_price",
            "tax_rate",
            "gift_text",
            "order_id",
            "product_id",
        ),
        _lines(sizes),
    )
    yield Table("shop_order_coupons", ("id", "order_id", "coupon_id"), _order_coupons(sizes))
    yield Table(
        "shop_receipt",
        ("order_id", "number", "document", "exchange_rate", "printed_at"),
        _receipts(sizes.orders),
    )


def _warehouses(sizes: Sizes) -> Iterator[tuple[Any, ...]]:
    for warehouse in range(1, sizes.warehouses + 1):
        led = warehouse % 4 != 0 and warehouse <= sizes.employees
        yield (
            warehouse,
            f"Warehouse {warehouse}",
            CITIES[warehouse % len(CITIES)],
            clock(6 * 3_600_000_000 + warehouse % 4 * 900_000_000),
            warehouse if led else None,
        )


def _stock(sizes: Sizes) -> Iterator[tuple[Any, ...]]:
    roll = dice("shop_stocklevel")
    for row, product in enumerate(range(1, sizes.products + 1, 2), start=1):
        counted = day(roll(SPAN.days))
        yield row, roll(300) - 5, counted, sku(product), 1 + row % sizes.warehouses


def _coupons(count: int) -> Iterator[tuple[Any, ...]]:
    roll = dice("shop_coupon")
    for coupon in range(1, count + 1):
        yield (
            coupon,
            f"SAVE-{coupon:06}",
            decimal(500 + coupon % 40 * 125, 2),
            day(roll(SPAN.days)),
            (1 + roll(90)) * DAY_US + coupon,
            timestamp(roll(SPAN_US)) if coupon % 4 == 0 else None,
        )


def _placed(order: int, orders: int) -> int:
    """Orders come evenly over the years, in microseconds since opening."""
    return (order - 1) * (SPAN_US // orders)


def _orders(sizes: Sizes) -> Iterator[tuple[Any, ...]]:
    roll = dice("shop_order")
    details = [json_text(value) for value in DETAILS]
    for order in range(1, sizes.orders + 1):
        placed = _placed(order, sizes.orders) + roll(1_000_000)
        status = STATUSES[roll(len(STATUSES))]
        paid = status in ("paid", "sent")
        yield (
            order_id(order),
            status,
            timestamp(placed),
            timestamp(placed + roll(3 * DAY_US)) if paid else None,
            None if order % 6 == 0 else ADDRESSES[roll(len(ADDRESSES))],
            SENTENCES[roll(len(SENTENCES))] if order % 5 == 0 else "",
            details[roll(len(details))],
            None if order % 10 == 0 else 1 + roll(sizes.users),
            1 + roll(SHIPPING_METHODS),
            1 + roll(sizes.warehouses),
        )


def _lines(sizes: Sizes) -> Iterator[tuple[Any, ...]]:
    """One to five lines an order; some keys are missing, as deleted lines leave."""
    roll = dice("shop_orderline")
    line = 0
    for order in range(1, sizes.orders + 1):
        key = order_id(order)
        if order % 97 == 0:
            line += 3
        for _ in range(1 + roll(5)):
            line += 1
            yield (
                line,
                1 + roll(4),
                decimal(99 + roll(9900), 2),
                TAX_RATES[roll(len(TAX_RATES))],
                GIFT_TEXTS[roll(len(GIFT_TEXTS))],
                key,
                1 + roll(sizes.products),
            )


def _order_coupons(sizes: Sizes) -> Iterator[tuple[int, str, int]]:
    """A coupon for every seventh order, two for some; deleted ones among them."""
    row = 0
    for order in range(7, sizes.orders + 1, 7):
        first = order // 7
        for step in range(2 if order % 2 else 1):
            row += 1
            yield row, order_id(order), 1 + (first + step) % sizes.coupons


def _receipts(orders: int) -> Iterator[tuple[Any, ...]]:
    """A receipt for every fifth order, with bytes that are no text in any coding."""
    roll = dice("shop_receipt")
    for order in range(5, orders + 1, 5):
        digest = md5(b"receipt %d" % order, usedforsecurity=False).digest()
        yield (
            order_id(order),
            FIRST_RECEIPT + order,
            b"" if order % 20 == 0 else b"\x00\xff\x80'\"\\\n" + digest,
            0.9 + roll(1_000_000_007) / 3_000_000_019,
            timestamp(_placed(order, orders) + roll(DAY_US)),
        )
