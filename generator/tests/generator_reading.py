"""Reads what the generator writes, with nothing but csv and Pydantic."""

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta

from generator.files import Files
from generator.shop import Shop
from libs.entities import ENTITIES

Row = dict[str, str]
Tables = dict[str, dict[date, list[Row]]]


def days(shop: Shop, count: int) -> list[date]:
    return [shop.opened + timedelta(n) for n in range(count)]


def rows(data: bytes) -> list[Row]:
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


def read(shop: Shop, count: int) -> Tables:
    """Return the rows of all entities for the shop's first days."""
    files = Files(shop)
    return {name: {day: rows(files.csv(name, day)) for day in days(shop, count)} for name in ENTITIES}


def every(tables: Tables, name: str) -> Iterator[Row]:
    """Iterate over the rows of all days."""
    for found in tables[name].values():
        yield from found


def latest(tables: Tables, name: str) -> dict[tuple[str, ...], Row]:
    """Return the latest version of each key: the later updated_at, then the later day."""
    key = ENTITIES[name].key
    found: dict[tuple[str, ...], Row] = {}
    for row in every(tables, name):
        one = tuple(row[field] for field in key)
        if one not in found or row["updated_at"] >= found[one]["updated_at"]:
            found[one] = row
    return found
