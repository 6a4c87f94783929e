"""Random shops in which everything happens that the marts page has a rule for."""

import random
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from libs.contracts.iso import MINOR_UNITS

Row = dict[str, Any]

_OPENED = datetime(2025, 11, 1)  # noqa: DTZ001 (timestamps are UTC without a zone, as in the warehouse)
_LATER = ("shipped_at", "delivered_at", "estimated_delivery_at")
_STATUS = ("created", "approved", "shipped", "delivered", "delivered", "cancelled", "unavailable", "returned")


class RandomShop:
    """Versions of rows, as landing tables hold them: what is drawn depends on the seed alone."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311
        self.currencies = self.random.sample(["EUR", "JPY", "KWD", "CLF"], self.random.randint(1, 3))
        self.customers = [f"c{n}" for n in range(self.random.randint(1, 6))]
        self.rows: dict[str, list[Row]] = {
            "customers": [self._master("customer_id", name) for name in self.customers if self.random.random() < 0.8],
            "products": [self._master("product_id", f"p{n}") for n in range(self.random.randint(0, 4))],
            "orders": [],
            "order_items": [],
            "payments": [],
        }
        size = self.random.choice((0, 3, 60, 60, 60))
        for n in range(size):
            self._sale(f"s{n}")
        for n in range(self.random.randint(0, 1 + size // 10)):
            original, amount = self.random.choice(self._originals(f"a{n}")), self._amount(-2000, 2000)
            self._document(f"a{n}", "adjustment", self._currency(), amount, original)
        for n in range(self.random.randint(0, 1 + size // 10)):
            self._return(f"u{n}", None)
        for _ in range(self.random.randint(0, 4)):
            self._stray_payment(self._currency())
        self._stray_payment("CHF")  # a currency in which no payment is applied, so that payments are not known
        self._document("f", "sale", "CHF", 5_000)
        for line in self.rows["order_items"][:1]:
            self.rows["order_items"].append({**line, "order_id": "lost"})
        self._change_some()

    # what a shop is made of

    def _sale(self, order_id: str) -> None:
        currency = self._currency()
        original = self.random.choice(self._originals(order_id)) if self.random.random() < 0.1 else None
        sale = self._document(order_id, "sale", currency, self._amount(0, 20_000), original)
        if self.random.random() < 0.7:
            self._payments(sale)
        for n in range(self.random.choice((0, 0, 0, 1, 1, 2))):
            self._return(f"{order_id}-r{n}", sale)

    def _document(self, order_id: str, kind: str, currency: str, subtotal: int, original: str | None = None) -> Row:
        sign = -1 if kind == "return" else 1
        parts = {
            "subtotal": 0 if self.random.random() < 0.1 else abs(subtotal) * sign if kind != "adjustment" else subtotal,
            "discount": sign * self._some(abs(subtotal) // 3),
            "tax": sign * self._some(abs(subtotal) // 5),
            "shipping": sign * self._some(900),
            "other": self._some(300) * self.random.choice((1, -1)),
        }
        parts["discount"] = sign * min(abs(parts["discount"]), abs(parts["subtotal"]))
        parts["total"] = parts["subtotal"] - parts["discount"] + parts["tax"] + parts["shipping"] + parts["other"]
        if kind != "adjustment" and parts["total"] * sign < 0:
            parts["total"] -= parts["other"]
            parts["other"] = 0
        document = {
            "order_id": order_id,
            "customer_id": self.random.choice((*self.customers, None, "nobody")),
            "kind": kind,
            "original_order_id": original,
            "status": self.random.choice(_STATUS),
            "currency": currency,
            **{name: self._money(amount, currency) for name, amount in parts.items()},
            "tax_included": self.random.choice((None, self._money(sign * self._some(abs(subtotal) // 6), currency))),
            "ordered_at": self._time(),
            **{name: self.random.choice((None, self._time())) for name in _LATER},
        }
        self.rows["orders"].append(self._versioned(document, "ordered_at"))
        if self.random.random() < 0.8:
            self._lines(document, sign)
        return document

    def _lines(self, document: Row, sign: int) -> None:
        count = self.random.randint(1, 4)
        left = document["subtotal"]
        for number in range(1, count + 1):
            is_last = number == count
            part = left if is_last else self._rounded(left * self.random.randint(0, 10) / 10, document["currency"])
            if not is_last and self.random.random() < 0.1:
                part = -part
            left -= part
            if self.random.random() < 0.06:
                part += self._money(self.random.choice((1, -1, 500)), document["currency"])
            discount = self._rounded(document["discount"] * self.random.choice((0, 0, 1, 2)) / 6, document["currency"])
            self.rows["order_items"].append(
                self._versioned(
                    {
                        "order_id": document["order_id"],
                        "line_number": number,
                        "product_id": self.random.choice(("p0", "p1", "p2", "p9", None)),
                        "quantity": Decimal(sign * self.random.choice((1, 1, 2, -1))),
                        "unit_price": Decimal(1),
                        "discount": discount,
                        "tax": self._told(document["tax"], is_last),
                        "shipping": self._told(document["shipping"], is_last),
                        "line_total": part - discount,
                        "currency": self._currency() if self.random.random() < 0.04 else document["currency"],
                        "ordered_at": document["ordered_at"],
                    },
                    "ordered_at",
                )
            )

    def _told(self, amount: Decimal, is_last: bool) -> Decimal | None:
        """What a line tells of its order's tax or shipping: mostly all of it on the last line, or nothing."""
        return self.random.choice(
            (None, amount if is_last else Decimal(0), amount if is_last else Decimal(0), Decimal(1))
        )

    def _payments(self, sale: Row) -> None:
        total, currency = sale["total"], sale["currency"]
        parts = self.random.choice(([total], [total], [total / 2, total - total / 2], [total, total], [total / 3], []))
        cent = self._money(self.random.choice((0, 0, 0, 1, -1, 700)), currency)
        for n, part in enumerate(parts):
            self._payment(sale, "payment", part + cent if n == 0 else part)
        for _ in range(self.random.choice((0, 0, 1, 1, 2))):
            self._payment(sale, "refund", total * self.random.choice((1, 1, 2, 3, 5)) / self.random.choice((1, 3, 7)))
        if self.random.random() < 0.1:
            self._payment(sale, "chargeback", total)

    def _payment(self, order: Row, kind: str, amount: Decimal) -> None:
        currency = order["currency"]
        if currency != "CHF" and self.random.random() < 0.05:
            currency = self._currency()
        payment = {
            "payment_id": f"m{len(self.rows['payments'])}",
            "order_id": order["order_id"],
            "customer_id": self.random.choice((None, order["customer_id"])),
            "kind": kind,
            "method": "card",
            "status": self.random.choice(("settled",) * 6 + ("failed", "pending")),
            "amount": abs(self._rounded(amount, currency)),
            "currency": currency,
            "paid_at": self._time(),
        }
        self.rows["payments"].append(self._versioned(payment, "paid_at"))

    def _return(self, order_id: str, sale: Row | None) -> None:
        if sale is None:
            original, currency = self.random.choice(self._originals(order_id)), self._currency()
            subtotal = self._amount(0, 9_000)
        else:
            original, currency = sale["order_id"], sale["currency"]
            subtotal = int(sale["subtotal"].scaleb(MINOR_UNITS[currency])) // self.random.choice((1, 2, 3))
        document = self._document(order_id, "return", currency, subtotal, original)
        if self.random.random() < 0.5:
            self._payment(document, "refund", -document["total"])

    def _originals(self, order_id: str) -> list[str | None]:
        """What a document may name: nothing, what is not there, any other, itself, one that names it back."""
        return [None, "gone", order_id, "u0", "a0", *(row["order_id"] for row in self.rows["orders"])]

    def _stray_payment(self, currency: str) -> None:
        order_id = self.random.choice((None, None, "lost"))
        order = {"order_id": order_id, "customer_id": self.random.choice(self.customers), "currency": currency}
        kind = self.random.choice(("payment", "payment", "refund"))
        self._payment(order, kind, self._money(self._amount(0, 5_000), currency))
        self.rows["payments"][-1]["customer_id"] = order["customer_id"]

    def _change_some(self) -> None:
        """A later load changes earlier documents; an older version that comes late changes nothing."""
        for row in list(self.rows["orders"]):
            if self.random.random() < 0.3:
                later = row["updated_at"] + timedelta(hours=self.random.choice((-1, 0, 30)))
                day = row["_partition_date"] + timedelta(self.random.choice((1, 2)))
                changed = {**row, "status": self.random.choice(_STATUS), "updated_at": later, "_partition_date": day}
                self.rows["orders"].append(changed)

    # how values are drawn

    def _master(self, key: str, value: str) -> Row:
        return self._versioned({key: value, "created_at": _OPENED}, "created_at")

    def _versioned(self, row: Row, event_time: str) -> Row:
        updated = row[event_time] + timedelta(hours=self.random.choice((0, 0, 5)))
        return {**row, "updated_at": updated, "_partition_date": row[event_time].date()}

    def _time(self) -> datetime:
        """Few moments, so that many things happen at the same one."""
        return _OPENED + timedelta(days=self.random.choice((0, 1, 1, 2, 2, 9)), hours=self.random.choice((0, 23)))

    def _currency(self) -> str:
        return self.random.choice(self.currencies)

    def _amount(self, lowest: int, highest: int) -> int:
        return self.random.randint(lowest, highest)

    def _some(self, highest: int) -> int:
        return self.random.choice((0, self.random.randint(0, max(0, highest))))

    def _money(self, units: int, currency: str) -> Decimal:
        return Decimal(units).scaleb(-MINOR_UNITS[currency])

    def _rounded(self, amount: Decimal, currency: str) -> Decimal:
        return amount.quantize(Decimal(1).scaleb(-MINOR_UNITS[currency]), ROUND_HALF_UP)
