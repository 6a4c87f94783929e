"""The marts as the page defines them, in plain Python: slow, obvious, row by row, to compare with what dbt makes.

Rows are dictionaries of the contracts' fields, in their latest versions; absent nullable fields are None. Money is
Decimal, times are datetime.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Row = dict[str, Any]
Shop = Mapping[str, list[Row]]
Finding = tuple[str, str, str, str | None]
Told = tuple[Decimal | None, Decimal | None, bool | None]
Findings = dict[Finding, Told]

ZERO = Decimal(0)
COMPONENTS = ("shipping", "tax", "other", "tax_included")
TERMS = (
    "gross_sales",
    "discounts",
    "returns",
    "net_sales",
    "shipping_charges",
    "taxes",
    "other_charges",
    "total_sales",
    "tax_included",
    "adjustments",
)


def latest(versions: Iterable[Row], key: tuple[str, ...]) -> list[Row]:
    """Keep the latest version of each row: the later updated_at, then the later partition."""
    rows: dict[tuple[Any, ...], Row] = {}
    for row in versions:
        known = rows.get(tuple(row[k] for k in key))
        if known is None or (row["updated_at"], row["_partition_date"]) > (
            known["updated_at"],
            known["_partition_date"],
        ):
            rows[tuple(row[k] for k in key)] = row
    return list(rows.values())


def round_to(value: Decimal, digits: int) -> Decimal:
    """Round half up, after eight digits, as the macros do."""
    eight = value.quantize(Decimal("1e-8"), ROUND_HALF_UP)
    return eight.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def days_between(first: datetime | None, second: datetime | None) -> int | None:
    """Days from one date to another, where both are known."""
    return None if first is None or second is None else (second.date() - first.date()).days


def is_late(document: Row) -> bool | None:
    """It arrived on a later day than was promised."""
    late_by = days_between(document["estimated_delivery_at"], document["delivered_at"])
    return None if late_by is None else late_by > 0


class Page:
    """All marts of a shop; `minor_units` tells each currency's digits."""

    def __init__(self, shop: Shop, minor_units: Mapping[str, int]) -> None:
        self.shop = shop
        self.minor_units = minor_units
        self.documents = {row["order_id"]: row for row in shop["orders"]}
        self.lines_of: dict[str, list[Row]] = defaultdict(list)
        for line in sorted(shop["order_items"], key=lambda row: row["line_number"]):
            self.lines_of[line["order_id"]].append(line)
        self.credit_events: list[Row] = []
        self.orders = self._orders()
        self.items = self._items()
        self.payments = self._payments()
        self.customers = self._customers()
        self.products = self._products()
        self._book_credits()
        self._finish_orders()
        self.daily = self._daily()
        self.findings = self._findings()

    # rules that hold everywhere

    def sale_of(self, document: Row) -> str:
        """The sale that a document is booked on."""
        named = self.documents.get(document["original_order_id"] or "")
        if (
            document["kind"] == "return"
            and named is not None
            and named["kind"] == "sale"
            and named["currency"] == document["currency"]
        ):
            return str(named["order_id"])
        return str(document["order_id"])

    def hangs_on(self, document: Row) -> Row | None:
        """The document that a return or an adjustment names, where it is known and in its currency."""
        named = self.documents.get(document["original_order_id"] or "")
        if document["kind"] == "sale" or named is None or named["currency"] != document["currency"]:
            return None
        return named

    def is_counted(self, document: Row) -> bool:
        """Neither it nor any document it hangs on is cancelled or unavailable."""
        seen: set[str] = set()
        one: Row | None = document
        while one is not None and one["order_id"] not in seen:
            if one["status"] in ("cancelled", "unavailable"):
                return False
            seen.add(one["order_id"])
            one = self.hangs_on(one)
        return True

    def applied_order(self, row: Row) -> Row | None:
        """The order that a line or payment names, where it is known and in its currency."""
        named = self.documents.get(row["order_id"] or "")
        return named if named is not None and named["currency"] == row["currency"] else None

    # facts

    def _orders(self) -> dict[str, Row]:
        orders = {}
        for document in self.documents.values():
            counted = self.is_counted(document)
            is_sale = counted and document["kind"] == "sale"
            lines = self.lines_of[document["order_id"]]
            orders[document["order_id"]] = {
                "document": document,
                "ordered_date": document["ordered_at"].date(),
                "sales_order_id": self.sale_of(document),
                "is_counted": counted,
                "is_order": is_sale and (document["subtotal"] != 0 or document["total"] != 0),
                "gross_sales": document["subtotal"] if is_sale else ZERO,
                "discounts": document["discount"] if is_sale else ZERO,
                "adjustments": document["total"] if counted and document["kind"] == "adjustment" else ZERO,
                "line_count": len(lines),
                "units": sum((line["quantity"] for line in lines if line["quantity"] > 0), ZERO),
                "order_sequence": None,
                "order_type": None,
                "days_since_previous_order": None,
                "days_to_ship": days_between(document["ordered_at"], document["shipped_at"]),
                "days_to_deliver": days_between(document["ordered_at"], document["delivered_at"]),
                "is_late": is_late(document),
            }
        by_customer = defaultdict(list)
        for order_id, order in orders.items():
            if order["is_order"]:
                by_customer[order["document"]["customer_id"]].append((order["document"]["ordered_at"], order_id))
        for customer, theirs in by_customer.items():
            previous = None
            for number, (ordered_at, order_id) in enumerate(sorted(theirs), 1):
                if customer is None:
                    orders[order_id]["order_type"] = "guest"
                else:
                    orders[order_id]["order_sequence"] = number
                    orders[order_id]["order_type"] = "first" if number == 1 else "repeat"
                    orders[order_id]["days_since_previous_order"] = days_between(previous, ordered_at)
                    previous = ordered_at
        return orders

    def _items(self) -> dict[tuple[str, int], Row]:
        items = {}
        for line in self.shop["order_items"]:
            document = self.applied_order(line)
            order = self.orders[document["order_id"]] if document else None
            share = self.discount_share(document, line) if document else ZERO
            is_sale = order is not None and order["is_counted"] and order["document"]["kind"] == "sale"
            is_return = order is not None and order["is_counted"] and order["document"]["kind"] == "return"
            items[line["order_id"], line["line_number"]] = {
                "is_applied": document is not None,
                "order_discount_share": share,
                "gross_sales": line["line_total"] + line["discount"] if is_sale else ZERO,
                "discounts": line["discount"] + share if is_sale else ZERO,
                "units_sold": line["quantity"] if order is not None and order["is_order"] else ZERO,
                "units_returned": -line["quantity"] if is_return else ZERO,
            }
        return items

    def discount_share(self, document: Row, line: Row) -> Decimal:
        """The line's share of the order's discount less its lines', by cumulative rounding."""
        if document["kind"] not in ("sale", "return"):
            return ZERO
        lines = [one for one in self.lines_of[document["order_id"]] if one["currency"] == document["currency"]]
        discount = document["discount"] - sum(one["discount"] for one in lines)
        sign = 1 if document["kind"] == "sale" else -1
        weights = [one["line_total"] if one["line_total"] * sign > 0 else ZERO for one in lines]
        if not any(weights):
            weights = [Decimal(1)] * len(lines)
        digits = self.minor_units[document["currency"]]
        given = running = ZERO
        for one, weight in zip(lines, weights, strict=True):
            running += weight
            so_far = round_to(discount * running / sum(weights), digits)
            if one is line:
                return so_far - given
            given = so_far
        raise AssertionError("the line is one of its order's")

    def _payments(self) -> dict[str, Row]:
        payments = {}
        for payment in self.shop["payments"]:
            document = self.applied_order(payment)
            named = self.documents.get(payment["order_id"] or "")
            sign = {"payment": 1, "refund": -1, "chargeback": -1}[payment["kind"]]
            payments[payment["payment_id"]] = {
                "payment": payment,
                "paid_date": payment["paid_at"].date(),
                "is_applied": document is not None,
                "sales_order_id": self.sale_of(document) if document else None,
                "settled_amount": sign * payment["amount"] if payment["status"] == "settled" else ZERO,
                "customer_id": payment["customer_id"] or (named["customer_id"] if named else None),
            }
        return payments

    # dimensions

    def _customers(self) -> dict[str, Row]:
        entity = {row["customer_id"] for row in self.shop["customers"]}
        named = {row["customer_id"] for row in (*self.shop["orders"], *self.shop["payments"])}
        return {name: self._customer(name, name in entity) for name in entity | named if name is not None}

    def _customer(self, customer: str, known: bool) -> Row:
        theirs = [
            order["document"]["ordered_at"]
            for order in self.orders.values()
            if order["is_order"] and order["document"]["customer_id"] == customer
        ]
        return {
            "is_known": known,
            "orders": len(theirs),
            "first_order_at": min(theirs, default=None),
            "latest_order_at": max(theirs, default=None),
            "is_repeat_customer": len(theirs) >= 2,
        }

    def _products(self) -> dict[str, Row]:
        entity = {row["product_id"] for row in self.shop["products"]}
        named = {row["product_id"] for row in self.shop["order_items"]}
        return {name: {"is_known": name in entity} for name in entity | named if name is not None}

    # what was given back

    def _book_credits(self) -> None:
        events: dict[str, list[Row]] = defaultdict(list)
        for order_id, order in self.orders.items():
            if order["is_counted"] and order["document"]["kind"] == "return":
                at = (order["document"]["ordered_at"], 2, order_id)
                events[order["sales_order_id"]].append({"at": at, "return": order["document"]})
        for payment_id, payment in self.payments.items():
            kind = payment["payment"]["kind"]
            if payment["is_applied"] and payment["payment"]["status"] == "settled" and kind != "chargeback":
                sale = self.orders[payment["sales_order_id"]]
                if sale["is_counted"] and sale["document"]["kind"] != "adjustment":
                    at = (payment["payment"]["paid_at"], 1 if kind == "payment" else 3, payment_id)
                    events[payment["sales_order_id"]].append({"at": at, kind: payment["payment"]["amount"]})
        for sale_id, theirs in events.items():
            self._run(sale_id, sorted(theirs, key=lambda event: event["at"]))

    def _run(self, sale_id: str, events: list[Row]) -> None:
        """Walk through the events of a sale; each gave back the state after it less the state before it."""
        document = self.documents[sale_id]
        is_sale = document["kind"] == "sale"
        digits = self.minor_units[document["currency"]]
        total = document["total"] if is_sale else ZERO
        left = {name: (document[name] or ZERO) if is_sale else ZERO for name in COMPONENTS}
        returned = dict.fromkeys((*COMPONENTS, "total"), ZERO)
        paid = refunds = ZERO
        before = dict.fromkeys((*COMPONENTS, "goods", "returned", "credited"), ZERO)
        for event in events:
            if "return" in event:
                for name in (*COMPONENTS, "total"):
                    returned[name] -= event["return"][name] or ZERO
            paid += event.get("payment", ZERO)
            refunds += event.get("refund", ZERO)
            refunded = max(ZERO, refunds - max(ZERO, paid - total))
            credited = max(returned["total"], refunded)
            undocumented = credited - returned["total"]
            all_left = total - returned["total"]
            state = {"returned": returned["total"], "credited": credited}
            for name in COMPONENTS:
                share = ZERO
                if all_left > 0:
                    share = round_to(min(undocumented, all_left) * (left[name] - returned[name]) / all_left, digits)
                state[name] = returned[name] + share
            state["goods"] = credited - state["shipping"] - state["tax"] - state["other"]
            change = {name: state[name] - before[name] for name in state}
            day = event["at"][0].date()
            where = {"sale": sale_id, "source": event["at"][2], "day": day, "currency": document["currency"]}
            self.credit_events.append({**where, **change})
            before = state
        self.orders[sale_id]["credits"] = before

    def _finish_orders(self) -> None:
        known = {
            one["payment"]["currency"]
            for one in self.payments.values()
            if one["is_applied"] and one["payment"]["status"] == "settled"
        }
        for order_id, order in self.orders.items():
            document = order["document"]
            is_sale = order["is_counted"] and document["kind"] == "sale"
            given_back = order.get("credits") or defaultdict(lambda: ZERO)
            mine = [one for one in self.payments.values() if one["sales_order_id"] == order_id]
            settled = [one["payment"] for one in mine if one["payment"]["status"] == "settled"]
            amount_of = {
                kind: sum((one["amount"] for one in settled if one["kind"] == kind), ZERO)
                for kind in ("payment", "refund", "chargeback")
            }
            order["returns"] = given_back["goods"]
            order["net_sales"] = order["gross_sales"] - order["discounts"] - order["returns"]
            for term, name in (("shipping_charges", "shipping"), ("taxes", "tax"), ("other_charges", "other")):
                order[term] = (document[name] if is_sale else ZERO) - given_back[name]
            order["total_sales"] = (
                order["net_sales"] + order["shipping_charges"] + order["taxes"] + order["other_charges"]
            )
            order["tax_included"] = ((document["tax_included"] or ZERO) if is_sale else ZERO) - given_back[
                "tax_included"
            ]
            order["amount_returned"] = given_back["returned"]
            order["amount_credited"] = given_back["credited"]
            order["amount_paid"] = amount_of["payment"]
            order["amount_refunded"] = amount_of["refund"]
            order["amount_charged_back"] = amount_of["chargeback"]
            order["amount_received"] = amount_of["payment"] - amount_of["refund"] - amount_of["chargeback"]
            order["payment_count"] = sum(1 for one in settled if one["kind"] == "payment")
            balance = order["total_sales"] - order["amount_received"]
            order["balance"] = balance if document["currency"] in known else None

    # daily sales

    def _daily(self) -> dict[tuple[date, str], Row]:
        days = [order["ordered_date"] for order in self.orders.values()]
        days += [payment["paid_date"] for payment in self.payments.values()]
        if not days:
            return {}
        currencies = {row["currency"] for row in (*self.shop["orders"], *self.shop["payments"])}
        every_day = [min(days) + timedelta(n) for n in range((max(days) - min(days)).days + 1)]
        return {(day, code): self._one_day(day, code) for day in every_day for code in currencies}

    def _one_day(self, day: date, currency: str) -> Row:
        theirs = [
            order
            for order in self.orders.values()
            if order["ordered_date"] == day and order["document"]["currency"] == currency
        ]
        sales = [order for order in theirs if order["document"]["kind"] == "sale"]
        counted = [order["document"] for order in sales if order["is_counted"]]
        given_back = [event for event in self.credit_events if event["day"] == day and event["currency"] == currency]
        moved = [
            one for one in self.payments.values() if one["paid_date"] == day and one["payment"]["currency"] == currency
        ]

        def total(rows: Iterable[Row], name: str) -> Decimal:
            return sum((row[name] or ZERO for row in rows), ZERO)

        def number(holds: Callable[[Row], bool]) -> int:
            return sum(1 for order in sales if holds(order))

        row: Row = {
            "orders": number(lambda order: order["is_order"]),
            "first_orders": number(lambda order: order["order_type"] == "first"),
            "repeat_orders": number(lambda order: order["order_type"] == "repeat"),
            "guest_orders": number(lambda order: order["order_type"] == "guest"),
            "zero_value_orders": number(lambda order: order["is_counted"] and not order["is_order"]),
            "cancelled_orders": number(lambda order: not order["is_counted"]),
            "cancelled_total": total((one["document"] for one in sales if not one["is_counted"]), "total"),
            "units_sold": sum(
                (
                    self.items[line["order_id"], line["line_number"]]["units_sold"]
                    for order in sales
                    for line in self.lines_of[order["document"]["order_id"]]
                ),
                ZERO,
            ),
            "gross_sales": total(counted, "subtotal"),
            "discounts": total(counted, "discount"),
            "returns": total(given_back, "goods"),
            "shipping_charges": total(counted, "shipping") - total(given_back, "shipping"),
            "taxes": total(counted, "tax") - total(given_back, "tax"),
            "other_charges": total(counted, "other") - total(given_back, "other"),
            "tax_included": total(counted, "tax_included") - total(given_back, "tax_included"),
            "adjustments": total(theirs, "adjustments"),
        }
        row["net_sales"] = row["gross_sales"] - row["discounts"] - row["returns"]
        row["total_sales"] = row["net_sales"] + row["shipping_charges"] + row["taxes"] + row["other_charges"]
        row["average_order_value"] = (
            round_to((row["gross_sales"] - row["discounts"]) / row["orders"], 4) if row["orders"] else None
        )
        for name, kind in (("paid", "payment"), ("refunded", "refund"), ("charged_back", "chargeback")):
            row[f"amount_{name}"] = abs(total((o for o in moved if o["payment"]["kind"] == kind), "settled_amount"))
        row["amount_received"] = total(moved, "settled_amount")
        return row

    # reconciliation: (reason, subject, subject_id, currency) -> expected, actual, is_counted

    def _findings(self) -> Findings:
        found: Findings = {}
        for order_id, order in self.orders.items():
            currency = order["document"]["currency"]
            reason = self._payment_reason(order)
            if reason:
                told = (order["total_sales"], order["amount_received"], order["is_counted"])
                found[reason, "order", order_id, currency] = told
            for name, expected, actual in self._line_reasons(order):
                found[name, "order", order_id, currency] = (expected, actual, order["is_counted"])
            original = order["document"]["original_order_id"]
            self._link(found, "unknown_original_order", "order", order_id, original, order["document"], "total")
            if (
                order["is_counted"]
                and order["document"]["kind"] == "sale"
                and order["document"]["status"] == "returned"
                and order["amount_credited"] == 0
            ):
                found["returned_without_credit", "order", order_id, currency] = (order["document"]["total"], ZERO, True)
        for line in self.shop["order_items"]:
            line_id = f"{line['order_id']}:{line['line_number']}"
            self._link(found, "item_without_order", "order_item", line_id, line["order_id"], line, "line_total")
        for payment in self.shop["payments"]:
            subject_id = payment["payment_id"]
            self._link(found, "payment_without_order", "payment", subject_id, payment["order_id"], payment, "amount")
        self._unknown(found, "customer", [*self.shop["orders"], *self.shop["payments"]])
        self._unknown(found, "product", self.shop["order_items"])
        self._balances(found)
        return found

    def _payment_reason(self, order: Row) -> str | None:
        document = order["document"]
        difference = order["amount_received"] - order["total_sales"]
        if (
            order["balance"] is None
            or order["sales_order_id"] != document["order_id"]
            or document["kind"] == "adjustment"
            or difference == 0
        ):
            return None
        is_sale = document["kind"] == "sale"
        reasons = (
            ("cancelled_but_paid", not order["is_counted"] and order["amount_received"] > 0),
            ("over_refunded", order["amount_refunded"] > order["amount_paid"]),
            ("charged_back", order["amount_charged_back"] > 0),
            ("unpaid", is_sale and order["amount_paid"] == 0 and order["total_sales"] > 0),
            ("payment_rounding", abs(difference) <= self._minor_unit(document["currency"])),
            ("refund_due", order["amount_returned"] > order["amount_refunded"] and difference > 0),
            ("paid_without_items", is_sale and order["line_count"] == 0 and difference > 0),
            ("overpaid", difference > 0),
            ("underpaid", difference < 0),
        )
        return next(name for name, holds in reasons if holds)

    def _line_reasons(self, order: Row) -> Iterable[tuple[str, Decimal, Decimal]]:
        document = order["document"]
        lines = self.lines_of[document["order_id"]]
        own = [line for line in lines if line["currency"] == document["currency"]]
        if not lines and document["kind"] != "adjustment":
            yield "order_without_items", document["subtotal"], ZERO
        items = sum((line["line_total"] + line["discount"] for line in own), ZERO)
        if lines and items != document["subtotal"]:
            is_rounding = abs(items - document["subtotal"]) <= len(own) * self._minor_unit(document["currency"])
            yield "items_rounding" if is_rounding else "items_differ", document["subtotal"], items
        discounts = sum((line["discount"] for line in own), ZERO)
        beyond = discounts - document["discount"]
        if (document["kind"] == "sale" and beyond > 0) or (document["kind"] == "return" and beyond < 0):
            yield "discounts_differ", document["discount"], discounts
        for name in ("shipping", "tax"):
            told = [line[name] for line in own]
            if told and None not in told and sum(told, ZERO) != document[name]:
                yield f"{name}_differs", document[name], sum(told, ZERO)

    def _link(
        self, found: Findings, reason: str, subject: str, subject_id: str, named: str | None, row: Row, amount: str
    ) -> None:
        if named is None:
            return
        document = self.orders.get(subject_id if subject == "order" else named)
        told = (ZERO, row[amount], document["is_counted"] if document else None)
        if named not in self.documents:
            found[reason, subject, subject_id, row["currency"]] = told
        elif self.documents[named]["currency"] != row["currency"]:
            found["currency_differs", subject, subject_id, row["currency"]] = told

    def _unknown(self, found: Findings, subject: str, rows: Iterable[Row]) -> None:
        entity = self.shop[f"{subject}s"]
        known = {row[f"{subject}_id"] for row in entity}
        for row in rows:
            named = row[f"{subject}_id"]
            if entity and named is not None and named not in known:
                found[f"unknown_{subject}", subject, named, None] = (None, None, None)

    def _balances(self, found: Findings) -> None:
        unnamed: dict[tuple[str, str], Decimal] = defaultdict(lambda: ZERO)
        for payment in self.payments.values():
            row = payment["payment"]
            if row["order_id"] is None and row["status"] == "settled":
                unnamed[row["customer_id"], row["currency"]] += payment["settled_amount"]
        for (customer, currency), amount in unnamed.items():
            theirs = [
                order
                for order in self.orders.values()
                if (order["document"]["customer_id"], order["document"]["currency"]) == (customer, currency)
            ]
            received = amount + sum((order["amount_received"] for order in theirs), ZERO)
            bought = sum((order["total_sales"] for order in theirs), ZERO)
            if received != bought:
                found["customer_balance", "customer", customer, currency] = (bought, received, None)

    def _minor_unit(self, currency: str) -> Decimal:
        return Decimal(1).scaleb(-self.minor_units[currency])
