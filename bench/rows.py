"""Write rows of orders one by one, as Faker's and Mimesis' users do: a value a field, a dict a row, csv.DictWriter.

Each field of the contract gets a value of its kind, by the cheapest call that gives one; none is left empty.

Called as `rows.py faker|unweighted|mimesis ROWS FILE`.
"""

import csv
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from libs.contracts.base import Column
from libs.entities import ENTITIES

Make = Callable[[], Any]


def faker(weighted: bool) -> Mapping[str, Make]:
    """Return what makes a value of each kind."""
    from faker import Faker

    fake = Faker(use_weighting=weighted)
    fake.seed_instance(0)
    return {
        "id": lambda: fake.numerify("O##########"),
        "money": lambda: Decimal(fake.random_int(0, 99_999)).scaleb(-2),
        "timestamp": lambda: f"{fake.date_time():%Y-%m-%dT%H:%M:%SZ}",
        "currency": fake.currency_code,
        "country": fake.country_code,
        "text": fake.word,
        "ship_city": fake.city,
        "ship_region": fake.state,
        "ship_postal_code": fake.postcode,
        "kind": lambda: fake.random_element(("sale", "return", "adjustment")),
        "status": lambda: fake.random_element(("created", "approved", "shipped", "delivered")),
    }


def mimesis() -> Mapping[str, Make]:
    """Return what makes a value of each kind."""
    from mimesis import Generic
    from mimesis.locales import Locale

    fake = Generic(Locale.EN, seed=0)
    return {
        "id": lambda: fake.code.pin("O##########"),
        "money": lambda: Decimal(fake.numeric.integer_number(0, 99_999)).scaleb(-2),
        "timestamp": lambda: f"{fake.datetime.datetime():%Y-%m-%dT%H:%M:%SZ}",
        "currency": fake.finance.currency_iso_code,
        "country": fake.address.country_code,
        "text": fake.text.word,
        "ship_city": fake.address.city,
        "ship_region": fake.address.state,
        "ship_postal_code": fake.address.postal_code,
        "kind": lambda: fake.random.choice(("sale", "return", "adjustment")),
        "status": lambda: fake.random.choice(("created", "approved", "shipped", "delivered")),
    }


def maker(column: Column, makes: Mapping[str, Make]) -> Make:
    """Return what makes a column's values: by its name, or by its type's."""
    return makes.get(column.name) or makes[column.type.name]


def main(tool: str, rows: str, file: str) -> None:
    """Write the rows."""
    makes = mimesis() if tool == "mimesis" else faker(weighted=tool == "faker")
    fields = {column.name: maker(column, makes) for column in ENTITIES["orders"].columns()}
    with Path(file).open("w", encoding="utf-8", newline="") as to:
        writer = csv.DictWriter(to, fields, lineterminator="\n")
        writer.writeheader()
        for _ in range(int(rows)):
            writer.writerow({name: make() for name, make in fields.items()})


if __name__ == "__main__":
    main(*sys.argv[1:])
