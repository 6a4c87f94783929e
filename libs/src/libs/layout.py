"""The object layout: the one module that knows where things stand in a store.

| layer | key |
|---|---|
| landing | `landing/ecommerce/2025-11-15/orders_2025-11-15.csv` |
| raw | `raw/ecommerce/2025-11-15/orders_2025-11-15.csv` |
| validated_raw | `validated_raw/orders/2025/11/15/orders.csv` |
| quarantine_raw | `quarantine_raw/orders/2025/11/15/orders_bad.csv` |
| manifest | `manifests/orders/2025/11/15/manifest.json` |
| faults (the generator's truth file) | `landing/ecommerce/2025-11-15/orders_2025-11-15.faults.jsonl` |
| pipes (messages of a launched stage) | `pipes/7a3f…/0.json` |
"""

import re
from datetime import date

LANDING = "landing/ecommerce/"
"""What the keys of all landing files begin with."""

_LANDED = re.compile(r"landing/ecommerce/(\d{4}-\d{2}-\d{2})/([a-z_]+)_\1\.csv")


def _path(day: date) -> str:
    return day.isoformat().replace("-", "/")  # strftime takes five times as long


def landing(entity: str, day: date) -> str:
    """Key of what arrived."""
    return f"landing/ecommerce/{day.isoformat()}/{entity}_{day.isoformat()}.csv"


def landed(key: str) -> tuple[str, date] | None:
    """Return entity and day of a landing file's key, None for a key of anything else."""
    found = _LANDED.fullmatch(key)
    try:
        return (found[2], date.fromisoformat(found[1])) if found else None
    except ValueError:
        return None


def faults(entity: str, day: date) -> str:
    """Key of the truth file beside a generated landing file: which faults were put into which rows."""
    return f"landing/ecommerce/{day.isoformat()}/{entity}_{day.isoformat()}.faults.jsonl"


def raw(entity: str, day: date) -> str:
    """Key of the byte-exact copy."""
    return f"raw/ecommerce/{day.isoformat()}/{entity}_{day.isoformat()}.csv"


def validated_raw(entity: str, day: date) -> str:
    """Key of the rows that keep their contract, as canonical CSV."""
    return f"validated_raw/{entity}/{_path(day)}/{entity}.csv"


def quarantine_raw(entity: str, day: date) -> str:
    """Key of the records that do not, each with its errors."""
    return f"quarantine_raw/{entity}/{_path(day)}/{entity}_bad.csv"


def manifest(entity: str, day: date) -> str:
    """Key of the commit point."""
    return f"manifests/{entity}/{_path(day)}/manifest.json"


def message(launch: str, number: int) -> str:
    """Key of a launched stage's message; they are numbered from 0."""
    return f"pipes/{launch}/{number}.json"
