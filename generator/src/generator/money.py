"""Money in whole minor units: what currencies are worth, and exact rounding."""

import numpy as np

from generator.streams import Array
from libs.contracts.iso import MINOR_UNITS

_PER_EURO = {
    "AED": 4.0, "ARS": 1500, "AUD": 1.7, "BHD": 0.4, "BRL": 6.2, "CAD": 1.5, "CHF": 0.95, "CLP": 1050, "CNY": 7.8,
    "COP": 4600, "CZK": 25, "DKK": 7.5, "EGP": 54, "GBP": 0.86, "HKD": 8.4, "HUF": 400, "IDR": 17500, "ILS": 4.0,
    "INR": 95, "ISK": 145, "JOD": 0.77, "JPY": 165, "KRW": 1550, "KWD": 0.33, "MXN": 21, "MYR": 5.0, "NOK": 11.7,
    "NZD": 1.9, "OMR": 0.42, "PHP": 62, "PLN": 4.3, "QAR": 3.9, "RON": 5.0, "SAR": 4.0, "SEK": 11.3, "SGD": 1.5,
    "THB": 38, "TND": 3.4, "TRY": 40, "TWD": 35, "UAH": 45, "USD": 1.08, "VND": 27000, "ZAR": 20,
}  # fmt: skip
"""Roughly, and for good: prices must look right, not follow the market."""

_PER_EURO_BY_MINOR_UNITS = {0: 150.0, 2: 1.0, 3: 0.4, 4: 0.03}


def coin_of(currency: str) -> int:
    """Return the minor units of a currency that a euro is worth."""
    digits = MINOR_UNITS[currency]
    return round(_PER_EURO.get(currency, _PER_EURO_BY_MINOR_UNITS[digits]) * float(10**digits))


def divide(amounts: Array, by: Array | int) -> Array:
    """Divide amounts that are not negative, rounding half up."""
    if isinstance(by, np.ndarray) and by.ndim == 1 and len(by) and (by == by[0]).all():
        by = int(by[0])  # several times faster than an array of the same number
    found: Array = (2 * amounts + by) // (2 * by)
    return found


def percent(amounts: Array, rates: Array | int) -> Array:
    """Take a percentage of amounts that are not negative, rounding half up."""
    return divide(amounts * rates, 100)
