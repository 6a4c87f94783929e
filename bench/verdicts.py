"""On how many records a peer's verdict is not the reference's.

A record is told by its `order_id`, as often as it was accepted: of two versions that are the same the reference takes
one, so a peer that takes both differs once.
"""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from landing_files import DAY

from libs import layout


def differences(lake: Path, rows: int, accepted: Sequence[Path]) -> tuple[int, int]:
    """Count what a peer accepted though the reference rejects it, and the other way round, of the file's first rows."""
    right = Counter(_reference(lake, rows))
    peer = Counter(order for file in accepted for order in _column(file, "order_id"))
    return (peer - right).total(), (right - peer).total()


def _reference(lake: Path, rows: int) -> Iterator[str]:
    """Return the ids that the reference accepted. Both its objects are in the order of the file."""
    numbers = (int(number) for number in _column(lake / layout.quarantine_raw("orders", DAY), "row_number"))
    rejected = sum(number <= rows for number in numbers)
    return islice(_column(lake / layout.validated_raw("orders", DAY), "order_id"), rows - rejected)


def _column(file: Path, name: str) -> Iterator[str]:
    csv.field_size_limit(1 << 25)  # a quarantined record is one field
    with file.open(encoding="utf-8", newline="") as lines:
        yield from (row[name] for row in csv.DictReader(lines))
