"""When people buy: weekdays, months, the peak around Black Friday, hours of the day."""

from datetime import date, timedelta

import numpy as np

from generator.shop import Shop
from generator.streams import Array, Purpose, below, deck, roll

_WEEKDAYS = (1050, 1000, 980, 970, 1000, 930, 1070)
_MONTHS = (920, 880, 940, 950, 980, 960, 930, 920, 980, 1020, 1200, 1220)
_PEAK = {-4: 1200, -3: 1200, -2: 1300, -1: 1500, 0: 2800, 1: 1700, 2: 1600, 3: 2200, 4: 1250}
_HOLIDAYS = {(12, 24): 500, (12, 25): 400, (12, 26): 600, (12, 31): 600, (1, 1): 500}
"""All in per mille of a usual day; the peak by days from Black Friday."""

_HOURS = deck((12, 7, 4, 3, 3, 5, 12, 24, 38, 50, 58, 60, 60, 58, 56, 56, 58, 62, 70, 84, 92, 80, 52, 26))


def black_friday(year: int) -> date:
    """Return the day after the fourth Thursday of November."""
    first = date(year, 11, 1)
    return first + timedelta((3 - first.weekday()) % 7 + 22)


def sales_on(shop: Shop, day: date) -> int:
    """Return how many sales a day sees."""
    peak = _PEAK.get((day - black_friday(day.year)).days, 1000)
    holiday = _HOLIDAYS.get((day.month, day.day), 1000)
    luck = int(shop.stream(Purpose.VOLUME, day).integers(900, 1101))
    thousandths = (_WEEKDAYS[day.weekday()], _MONTHS[day.month - 1], peak, holiday, luck)
    product = shop.orders_per_day
    for factor in thousandths:
        product *= factor
    scale = int(1000 ** len(thousandths))
    return (2 * product + scale) // (2 * scale)


def moments(hours: Array, seconds: Array) -> Array:
    """Turn two dice for each event into seconds of a day, busy hours more often."""
    return _HOURS[hours].astype(np.int64) * 3600 + below(seconds, 3600)


def roll_moments(rng: np.random.Generator, count: int) -> Array:
    """Draw seconds of a day."""
    hours, seconds = roll(rng, 2, count)
    return moments(hours, seconds)
