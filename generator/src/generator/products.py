"""The catalogue: what the shop sells, at which price in which week.

The catalogue opens with the shop. Every Monday a new price list comes out, and the products whose price changed come
again in that day's file.
"""

from datetime import date, timedelta

import numpy as np
import polars as pl

from generator.columns import codes, datetimes, decimals, flags, words
from generator.money import divide
from generator.pools import Pools
from generator.shop import SECONDS_A_DAY, Shop, epoch_day
from generator.streams import Array, Purpose, below, deck, roll

PRODUCTS = 400
_MEASURED, _FEES = 16, 4
"""The last products are fees, those before them are sold by the metre."""

_CATALOGUE = {
    "Kitchen": ("Mug", "Pan", "Knife", "Kettle", "Bowl", "Cutting board"),
    "Home": ("Lamp", "Cushion", "Vase", "Mirror", "Rug", "Clock"),
    "Garden": ("Planter", "Watering can", "Bench", "Shears", "Lantern", "Hose, 20 m"),
    "Office": ("Notebook", "Pen", "Desk organiser", "Chair", "Stapler", 'Screen, 27"'),
    "Sports": ("Yoga mat", "Bottle", "Dumbbell", "Backpack", "Ball", "Towel"),
    "Toys": ("Puzzle", "Building set", "Plush bear", "Kite", "Board game", "Train"),
}
_FABRICS = ("Linen", "Cotton", "Wool", "Velvet")
_EXTRAS = ("Gift wrapping", "Express handling", "Assembly", "Engraving")

_PRICE_POINTS = (299, 499, 799, 999, 1299, 1495, 1999, 2499, 2995, 3999, 4999, 6999, 9900, 14900, 19900, 34900)
_PRICE_SHARES = deck((60, 80, 90, 110, 100, 90, 110, 80, 70, 60, 50, 40, 30, 15, 10, 5))
_REVISIONS = (100, 90, 95, 105, 110)
_REVISION_SHARES = deck((940, 10, 15, 20, 15))
_INACTIVE_SHARE = deck((97, 3))


def popularity() -> Array:
    """Make the deck from which lines draw their products: a few sell often, many seldom."""
    ranks = np.arange(PRODUCTS)
    shares = 1_000_000 // (12 + ranks)
    return deck(shares.tolist())


def is_measured(products: Array) -> Array:
    """Tell which products are sold by the metre, in fractions."""
    found: Array = (products >= PRODUCTS - _MEASURED - _FEES) & (products < PRODUCTS - _FEES)
    return found


def price_list(shop: Shop, day: date) -> Array:
    """Return the prices of a day for each product, in ten-thousandths of a euro, before they are put in a currency."""
    monday = day - timedelta(day.weekday())
    points = _opening_prices(shop)
    if monday <= shop.opened:
        return points
    revision = np.array(_REVISIONS)[_REVISION_SHARES[roll(shop.stream(Purpose.PRICES, monday), 1, PRODUCTS)[0]]]
    found: Array = points * revision // 100
    return found


def _opening_prices(shop: Shop) -> Array:
    """Draw the prices that the catalogue opens with."""
    dice = roll(shop.stream(Purpose.CATALOGUE, shop.opened, 1), 2, PRODUCTS)
    prices = np.array(_PRICE_POINTS, dtype=np.int64)[_PRICE_SHARES[dice[0]]] * 100
    products = np.arange(PRODUCTS)
    prices = np.where(is_measured(products), 20_000 + below(dice[1], 280_000), prices)
    return np.where(products >= PRODUCTS - _FEES, 19_900 + 10_000 * (products % _FEES), prices)


def in_currencies(shop: Shop, prices: Array) -> Array:
    """Put a price list in each of the shop's currencies (currency by product), in ten-thousandths of it.

    Prices are whole minor units, but for what is sold by the metre; where a euro is many of these they are round.
    """
    coin, fine = shop.coins[:, None], 10 ** (4 - shop.minor_units[:, None])
    step = np.where(coin >= 150, 10, 1)
    pieces = np.maximum(divide(prices * coin, 10_000 * step), 1) * step * fine
    found: Array = np.where(is_measured(np.arange(PRODUCTS)), prices * coin * fine // 10_000, pieces)
    return found


def ids(products: Array, valid: Array | None = None) -> pl.Series:
    """Write the ids of products."""
    return codes("P", 10_001 + products, valid)


def skus(products: Array) -> pl.Series:
    """Write the stock keeping units of products."""
    return codes("SKU-", (products + 1) * 7_919 % 90_001 + 10_000)


def named(shop: Shop, pools: Pools) -> tuple[pl.Series, pl.Series]:
    """Return the categories and the names of all products."""
    products = np.arange(PRODUCTS)
    fees, measured = products >= PRODUCTS - _FEES, is_measured(products)
    things = [thing for group in _CATALOGUE.values() for thing in group]
    dice = roll(shop.stream(Purpose.CATALOGUE, shop.opened, 3), 3, PRODUCTS)
    thing = below(dice[0], len(things))
    group = np.select([fees, measured], [len(_CATALOGUE) + 1, len(_CATALOGUE)], thing * len(_CATALOGUE) // len(things))
    colours = words(pools.colours, below(dice[1], len(pools.colours)))
    goods = colours + " " + words(things, thing)
    fabrics = colours + " " + words(_FABRICS, below(dice[2], len(_FABRICS))) + ", per metre"
    extras = words(_EXTRAS, products % _FEES)
    chosen = pl.when(pl.Series(fees)).then(extras).when(pl.Series(measured)).then(fabrics).otherwise(goods)
    return words([*_CATALOGUE, "Fabrics", "fee"], group), pl.select(chosen).to_series()


def table(shop: Shop, pools: Pools, day: date) -> pl.DataFrame:
    """Return the products created or changed on a day."""
    prices = price_list(shop, day)
    products = np.arange(PRODUCTS)
    if day != shop.opened:
        products = products[prices != price_list(shop, day - timedelta(1))]
    attributes = roll(shop.stream(Purpose.CATALOGUE, shop.opened, 2), 5, PRODUCTS)[:, products]
    fees = products >= PRODUCTS - _FEES
    unit_price = in_currencies(shop, prices)[0, products]
    opened = epoch_day(shop.opened) * SECONDS_A_DAY
    changed = epoch_day(day) * SECONDS_A_DAY + (0 if day == shop.opened else 2 * 3600)
    created = opened - SECONDS_A_DAY * (1 + below(attributes[0], 900)) + below(attributes[1], SECONDS_A_DAY)
    categories, names = named(shop, pools)
    return pl.DataFrame(
        {
            "product_id": ids(products),
            "sku": skus(products),
            "name": words(names, products),
            "category": words(categories, products),
            "brand": words(pools.brands, below(attributes[2], len(pools.brands)), valid=~fees),
            "unit_price": decimals(unit_price, 4),
            "unit_cost": decimals(unit_price * (35 + attributes[3].astype(np.int64) % 35) // 100, 4, valid=~fees),
            "currency": words(shop.currencies, np.zeros(len(products), np.uint8)),
            "weight_g": decimals((20 + below(attributes[2], 4000)) * 1000, 3, valid=~fees & ~is_measured(products)),
            "is_active": flags(_INACTIVE_SHARE[attributes[4]] == 0),
            "created_at": datetimes(created),
            "updated_at": datetimes(np.full(len(products), changed)),
        }
    )
