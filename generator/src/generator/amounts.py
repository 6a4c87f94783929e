"""The amounts of sales and of the documents that follow them, in whole minor units.

A sale's lines are priced by its day's price list; its subtotal is the sum of its lines, each rounded half up. What is
given back is the same arithmetic with the sign turned.
"""

import dataclasses
from datetime import date, timedelta

import numpy as np

from generator import products, stories
from generator.arrays import Arrays
from generator.customers import places_of
from generator.money import divide, percent
from generator.pools import market_of, tax_rates
from generator.sales import Die, LineDie, Sales, Worth
from generator.shop import Shop
from generator.stories import After, Document
from generator.streams import Array, below, deck

_LINE_DISCOUNTS = np.array((0, 10, 15, 20, 30))
_LINE_DISCOUNT_SHARES = deck((90, 4, 2, 3, 1))
_QUANTITIES = 1 + np.arange(8)
_QUANTITY_SHARES = deck((700, 160, 60, 35, 15, 15, 5, 10))
COUPONS = (None, "WELCOME10", "SAVE5", "FRIENDS15", "VIP20")
_COUPON_RATES = np.array((0, 10, 5, 15, 20))
_COUPON_SHARES = deck((86, 6, 4, 3, 1))
_OTHERS = np.array((0, 200, 99, 350, -1))
_OTHER_SHARES = deck((960, 15, 10, 5, 10))
"""Tips, small-order surcharges, duties in euro cents; -1 is a rounding by one minor unit."""

_BUSINESS, _EXPRESS = 12, 10
_POSTAGE, _EXPRESS_POSTAGE, _FREE_FROM, _RESTOCKING_FEE = 490, 990, 5000, 500
"""In euro cents."""


@dataclasses.dataclass(frozen=True)
class Lines(Arrays):
    """Lines of documents, a struct of arrays; `owner` is the document's place, in whose order lines stand.

    `quantity` in thousandths, `unit_price` in ten-thousandths of the currency, the rest in minor units; all as in a
    sale, not negative. `tax_known` is false where a discount of the whole order leaves no tax of a line.
    """

    owner: Array
    number: Array
    product: Array
    quantity: Array
    unit_price: Array
    gross: Array
    discount: Array
    tax: Array
    tax_known: Array

    @property
    def total(self) -> Array:
        """What the line comes to after its discount."""
        found: Array = self.gross - self.discount
        return found


@dataclasses.dataclass(frozen=True)
class Amounts(Arrays):
    """The amounts of documents in minor units, a struct of arrays; as in a sale, not negative but `other`."""

    subtotal: Array
    discount: Array
    tax: Array
    shipping: Array
    other: Array
    tax_included: Array
    on_top: Array

    @property
    def total(self) -> Array:
        """The identity of the contract."""
        found: Array = self.subtotal - self.discount + self.tax + self.shipping + self.other
        return found


def coupons(sales: Sales) -> Array:
    """Return the coupon of each sale, an index into COUPONS."""
    return np.where(sales.worth == Worth.USUAL, _COUPON_SHARES[sales.dice[Die.COUPON]], 0)


def price(shop: Shop, sales: Sales) -> tuple[Lines, Amounts]:
    """Price the lines of sales and add them up."""
    owner = np.repeat(np.arange(len(sales)), sales.line_count)
    starts = np.cumsum(sales.line_count) - sales.line_count
    product = products.popularity()[sales.line_dice[LineDie.PRODUCT]].astype(np.int64)
    measured = products.is_measured(product)
    unit_price = _list_prices(shop, sales, owner, product)
    unit_price = np.where(sales.worth[owner] == Worth.SAMPLE, 0, unit_price)
    dice = sales.line_dice[LineDie.QUANTITY]
    quantity = np.where(measured, 250 * (1 + below(dice, 20)), 1000 * _QUANTITIES[_QUANTITY_SHARES[dice]])
    gross = gross_of(shop, quantity, unit_price, sales.currency[owner])
    discount = percent(gross, _LINE_DISCOUNTS[_LINE_DISCOUNT_SHARES[sales.line_dice[LineDie.DISCOUNT]]])
    rate, on_top = _taxes(sales)
    coupon = _coupon_rates(sales)
    lines = Lines(
        owner=owner,
        number=np.arange(len(owner)) - starts[owner] + 1,
        product=product,
        quantity=quantity,
        unit_price=unit_price,
        gross=gross,
        discount=discount,
        tax=np.where(on_top[owner], percent(gross - discount, rate[owner]), 0),
        tax_known=(coupon == 0)[owner],
    )
    return lines, _added_up(shop, sales, lines, rate, on_top, coupon)


def chosen_lines(sales: Sales) -> Array:
    """Return the places of the lines that a refund or a return would be for, one of each sale."""
    starts = np.cumsum(sales.line_count) - sales.line_count
    found: Array = starts + below(sales.dice[Die.CHOICE], sales.line_count)
    return found


def gross_of(shop: Shop, quantity: Array, unit_price: Array, currency: Array) -> Array:
    """Return quantity × unit price, rounded half up to the minor unit."""
    return divide(quantity * unit_price, 1000 * 10 ** (4 - shop.minor_units[currency]))


def document(shop: Shop, sales: Sales, lines: Lines, amounts: Amounts) -> tuple[Lines, Amounts]:
    """Make the documents that follow sales: the whole of them back, one line of them, or an adjustment.

    Every sale gets one; where its story has no document it is empty. Owners are those of the sales' lines.
    """
    kind = stories.told("document")[sales.story]
    all_of = lines.take(kind[lines.owner] == Document.RETURN_ALL)
    some = kind == Document.RETURN_SOME
    one_of = _one_back(shop, sales, lines.take(chosen_lines(sales)[some]), amounts)
    back = Lines.together([all_of, one_of])
    back = back.take(np.argsort(back.owner, kind="stable"))
    rate, _ = _taxes(sales)
    partly = _added_up_partly(sales, back, amounts, rate)
    whole = kind == Document.RETURN_ALL
    fee = stories.having(After.KEPT_FEE)[sales.story]
    fees = np.minimum(divide(_RESTOCKING_FEE * shop.coins[sales.currency], 100), amounts.subtotal - amounts.discount)
    return back, Amounts(
        subtotal=partly.subtotal,
        discount=np.where(whole, amounts.discount, partly.discount),
        tax=np.where(whole, amounts.tax, partly.tax),
        shipping=np.where(whole, amounts.shipping, 0),
        other=np.where(kind == Document.ADJUSTMENT, amounts.total, np.where(fee, -fees, 0)),
        tax_included=np.where(whole, amounts.tax_included, partly.tax_included),
        on_top=amounts.on_top,
    )


def _list_prices(shop: Shop, sales: Sales, owner: Array, product: Array) -> Array:
    if not len(sales):
        return np.zeros(0, dtype=np.int64)
    first, last = int(sales.day.min()), int(sales.day.max())
    dates = (date(1970, 1, 1) + timedelta(number) for number in range(first, last + 1))
    lists = np.stack([products.in_currencies(shop, products.price_list(shop, day)) for day in dates])
    found: Array = lists[(sales.day - first)[owner], sales.currency[owner], product]
    return found


def _taxes(sales: Sales) -> tuple[Array, Array]:
    """Return the tax rate in percent, and whether it comes on top (businesses) or is within the prices."""
    rate = tax_rates()[market_of(places_of(sales.buyer))]
    return rate, below(sales.dice[Die.BUSINESS], 100) < _BUSINESS


def _coupon_rates(sales: Sales) -> Array:
    return np.where(sales.worth == Worth.GIVEN_AWAY, 100, _COUPON_RATES[coupons(sales)])


def _added_up(shop: Shop, sales: Sales, lines: Lines, rate: Array, on_top: Array, coupon: Array) -> Amounts:
    count = len(sales)
    subtotal, line_discounts = _sum(lines.owner, lines.gross, count), _sum(lines.owner, lines.discount, count)
    discount = line_discounts + percent(subtotal - line_discounts, coupon)
    goods = subtotal - discount
    coin = shop.coins[sales.currency]
    usual = sales.worth == Worth.USUAL
    express = below(sales.dice[Die.EXPRESS], 100) < _EXPRESS
    free = goods * 100 >= _FREE_FROM * coin
    postage = np.where(express, _EXPRESS_POSTAGE, np.where(free, 0, _POSTAGE))
    other = _OTHERS[_OTHER_SHARES[sales.dice[Die.OTHER]]]
    shipping = np.where(usual, divide(postage * coin, 100), 0)
    tax = np.where(coupon == 0, _sum(lines.owner, lines.tax, count), percent(goods, rate))
    return Amounts(
        subtotal=subtotal,
        discount=discount,
        tax=np.where(on_top, tax, 0),
        shipping=shipping,
        other=np.where(usual, np.where(other < 0, other, divide(np.maximum(other, 0) * coin, 100)), 0),
        tax_included=np.where(on_top, 0, divide((goods + shipping) * rate, 100 + rate)),
        on_top=on_top,
    )


def _one_back(shop: Shop, sales: Sales, lines: Lines, amounts: Amounts) -> Lines:
    """Turn lines into what comes back of them: one piece, or the whole length."""
    quantity = np.where(lines.quantity % 1000 == 0, 1000, lines.quantity)
    gross = gross_of(shop, quantity, lines.unit_price, sales.currency[lines.owner])
    discount = np.minimum(divide(lines.discount * quantity, lines.quantity), gross)
    rate, _ = _taxes(sales)
    tax = np.where(amounts.on_top[lines.owner], percent(gross - discount, rate[lines.owner]), 0)
    number = np.ones(len(quantity), dtype=np.int64)
    return dataclasses.replace(lines, number=number, quantity=quantity, gross=gross, discount=discount, tax=tax)


def _added_up_partly(sales: Sales, back: Lines, amounts: Amounts, rate: Array) -> Amounts:
    count = len(sales)
    coupon = _coupon_rates(sales)
    subtotal, line_discounts = _sum(back.owner, back.gross, count), _sum(back.owner, back.discount, count)
    discount = line_discounts + percent(subtotal - line_discounts, coupon)
    goods = subtotal - discount
    tax = np.where(coupon == 0, _sum(back.owner, back.tax, count), percent(goods, rate))
    zero = np.zeros(count, dtype=np.int64)
    return Amounts(
        subtotal=subtotal,
        discount=discount,
        tax=np.where(amounts.on_top, tax, 0),
        shipping=zero,
        other=zero,
        tax_included=np.where(amounts.on_top, 0, divide(goods * rate, 100 + rate)),
        on_top=amounts.on_top,
    )


def _sum(owner: Array, amounts: Array, count: int) -> Array:
    """Add amounts up by owner, in whole numbers."""
    found = np.zeros(count, dtype=np.int64)
    np.add.at(found, owner, amounts)
    return found
