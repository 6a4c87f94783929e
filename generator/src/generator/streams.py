"""Random streams: each (seed, purpose, day) has its own, so that any day can be made alone and in any order.

Draws are dice of 65,536 faces, and what they decide is a deck with one card for each face. Both are integers, so the
same dice fall on every platform and every Python.
"""

from collections.abc import Sequence
from datetime import date
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_BITS = 16
FACES = 1 << _BITS


class Purpose(IntEnum):
    """What a stream is for. Numbers are part of the bytes: never renumber."""

    CUSTOMERS = 1
    MOVES = 2
    CATALOGUE = 3
    PRICES = 4
    VOLUME = 5
    SALES = 6
    PLAIN_SALES = 7
    TURNED_SALES = 8
    FAULTS = 9


def stream(seed: int, purpose: Purpose, day: date, *more: int) -> np.random.Generator:
    """Open the stream of a purpose on a day; `more` tells streams of one purpose and day apart."""
    key = [seed, int(purpose), day.toordinal(), *more]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))


def roll(rng: np.random.Generator, rows: int, count: int) -> Array:
    """Roll `rows` × `count` dice."""
    words = rng.integers(0, 2**64, size=-(-rows * count // 4), dtype=np.uint64)  # four dice each, four times faster
    return words.astype("<u8", copy=False).view("<u2")[: rows * count].reshape(rows, count)


def deck(shares: Sequence[int]) -> Array:
    """Make a deck: card i stands in it in proportion to shares[i]. Index it with dice."""
    bounds = np.concatenate([[0], np.cumsum(shares, dtype=np.int64)]) * FACES // sum(shares)
    return np.repeat(np.arange(len(shares), dtype=np.uint16), np.diff(bounds))


def below(dice: Array, limit: Array | int) -> Array:
    """Turn dice into whole numbers from 0 to limit - 1, limit up to 2^47."""
    found: Array = (dice.astype(np.int64) * limit) >> _BITS
    return found
