"""The lines of a day's file: of the sales that come for the first time, and of the returns."""

import numpy as np
import polars as pl

from generator import products
from generator.amounts import Lines
from generator.cohorts import Told
from generator.columns import amounts as money
from generator.columns import codes, datetimes, decimals, whole, words
from generator.orders import MARKETPLACE, channels, document_ids, documented
from generator.sales import Moment
from generator.streams import Array


def tables(told: Told, names: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the lines of the sales told of, oldest first, and of their returns; `names` are those of all products."""
    sales, sold = told.sales, told.lines
    returned = np.zeros(len(sales), dtype=np.bool_)
    returned[documented(told)] = True
    back = told.back_lines.take(returned[told.back_lines.owner])
    return (
        _rows(told, names, sold, codes("O", sales.number[sold.owner]), Moment.ORDERED, 1),
        _rows(told, names, back, document_ids(told, back.owner), Moment.DOCUMENTED, -1),
    )


def _rows(told: Told, names: pl.Series, lines: Lines, ids: pl.Series, moment: Moment, sign: int) -> pl.DataFrame:
    sales, owner = told.sales, lines.owner
    currency, units = sales.currency[owner], told.shop.minor_units
    made = datetimes(told.seconds(sales.at[moment, owner], owner))
    shipping = (told.amounts if sign > 0 else told.back).shipping[owner]
    return pl.DataFrame(
        {
            "order_id": ids,
            "line_number": whole(lines.number),
            "product_id": products.ids(lines.product),
            "sku": words(products.skus(np.arange(products.PRODUCTS)), lines.product),
            "name": words(names, lines.product),
            "quantity": _quantities(sign * lines.quantity),
            "unit_price": decimals(lines.unit_price, 4),
            "discount": money(sign * lines.discount, currency, units),
            "tax": money(sign * lines.tax, currency, units, valid=lines.tax_known),
            "shipping": money(
                sign * np.where(lines.number == 1, shipping, 0),
                currency,
                units,
                valid=channels(sales.dice)[owner] == MARKETPLACE,
            ),
            "line_total": money(sign * lines.total, currency, units),
            "currency": words(told.shop.currencies, currency),
            "ordered_at": made,
            "updated_at": made,
        }
    )


def _quantities(thousandths: Array) -> pl.Series:
    """Write pieces as whole numbers, lengths with their decimals."""
    pieces = pl.Series(thousandths % 1000 == 0)
    written = (
        pl.when(pieces)
        .then(whole(thousandths // 1000).cast(pl.String))
        .otherwise(decimals(thousandths, 3).cast(pl.String))
    )
    return pl.select(written).to_series()
