"""The pools of names, streets, places and words, filled by Faker once per process and drawn from by vectors.

They depend on nothing but Faker's release: each part is seeded by itself, the same for every shop.
"""

import functools
import re
import unicodedata

import numpy as np
import polars as pl
from faker import Faker

from generator.streams import Array, below

LOCALES = (
    ("de_DE", "DE", "+49", 19),
    ("fr_FR", "FR", "+33", 20),
    ("nl_NL", "NL", "+31", 21),
    ("es_ES", "ES", "+34", 21),
    ("pl_PL", "PL", "+48", 23),
    ("en_GB", "GB", "+44", 20),
    ("ja_JP", "JP", "+81", 10),
)
"""Faker's locale, country, telephone prefix and tax rate in percent of each market."""

_SHARES = (8, 4, 3, 3, 3, 3, 1)
"""Towns of the markets, in parts of PLACES_A_SHARE."""

_PLACES_A_SHARE = 40
_NAMES, _STREETS, _COMPANIES, _BRANDS, _COLOURS = 160, 120, 60, 40, 60

_PROVIDERS = [f"faker.providers.{name}" for name in ("address", "color", "company", "person")]
"""All of Faker's take three times as long to import."""

PLACES = sum(_SHARES) * _PLACES_A_SHARE


def market_of(places: Array) -> Array:
    """Return the market of places, an index into LOCALES."""
    found: Array = np.repeat(np.arange(len(LOCALES)), np.array(_SHARES) * _PLACES_A_SHARE)[places]
    return found


def tax_rates() -> Array:
    """Return the tax rate of each market, in percent."""
    return np.array([rate for *_, rate in LOCALES], dtype=np.int64)


def _ascii(name: str) -> str:
    """Turn a name into what stands in an e-mail address; empty where nothing of it is ASCII."""
    plain = unicodedata.normalize("NFKD", name.lower().replace("ł", "l").replace("ß", "ss"))
    return "".join(character for character in plain if character.isascii() and character.isalpha())


class Pools:
    """Pools, filled when first asked for. Pools by market hold the same number of entries for each, in their order."""

    def __init__(self) -> None:
        self._made: dict[str, Faker] = {}

    @functools.cached_property
    def first_names(self) -> pl.Series:
        """First names by market."""
        return pl.Series([f.first_name() for f in self._fakers(1) for _ in range(_NAMES)])

    @functools.cached_property
    def last_names(self) -> pl.Series:
        """Last names by market."""
        return pl.Series([f.last_name() for f in self._fakers(2) for _ in range(_NAMES)])

    @functools.cached_property
    def mail_names(self) -> pl.Series:
        """Last names as they stand in e-mail addresses."""
        return pl.Series([_ascii(name) or "customer" for name in self.last_names])

    @functools.cached_property
    def streets(self) -> pl.Series:
        """Streets by market, without number."""
        return pl.Series([f.street_name() for f in self._fakers(3) for _ in range(_STREETS)])

    @functools.cached_property
    def companies(self) -> pl.Series:
        """Companies by market."""
        return pl.Series([f.company() for f in self._fakers(4) for _ in range(_COMPANIES)])

    @functools.cached_property
    def places(self) -> pl.DataFrame:
        """PLACES towns with region, postal code and country; big markets have more."""
        rows = [
            (fake.city(), fake.administrative_unit(), fake.postcode(), country)
            for fake, (_, country, *_), share in zip(self._fakers(5), LOCALES, _SHARES, strict=True)
            for _ in range(share * _PLACES_A_SHARE)
        ]
        return pl.DataFrame(rows, schema=["city", "region", "postal_code", "country_code"], orient="row")

    @functools.cached_property
    def brands(self) -> pl.Series:
        """Brands of the catalogue."""
        fake = self._faker("en_GB", 6)
        return pl.Series([fake.last_name() for _ in range(_BRANDS)])

    @functools.cached_property
    def colours(self) -> pl.Series:
        """Colours of the catalogue."""
        fake = self._faker("en_GB", 7)
        return pl.Series([re.sub("(?<=[a-z])(?=[A-Z])", " ", fake.color_name()) for _ in range(_COLOURS)])

    def by_market(self, pool: pl.Series, markets: Array, dice: Array) -> Array:
        """Draw indexes into a pool by market."""
        size = len(pool) // len(LOCALES)
        return markets * size + below(dice, size)

    def _faker(self, locale: str, part: int) -> Faker:
        """Return the Faker of a locale, seeded for a part of the pools."""
        fake = self._made.get(locale) or self._made.setdefault(
            locale, Faker(locale, use_weighting=False, providers=_PROVIDERS)
        )
        fake.seed_instance(part)
        return fake

    def _fakers(self, part: int) -> list[Faker]:
        return [self._faker(locale, part) for locale, *_ in LOCALES]
