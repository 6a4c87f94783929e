"""Which landing files have come or changed, told by a short memory of those that were there before."""

import hashlib
import json
from collections.abc import Collection, Iterable
from datetime import date
from typing import NamedTuple

from libs import layout
from libs.entities import ENTITIES
from libs.storage.store import Listed

DAYS_REMEMBERED = 1000
"""The cursor remembers so many days, some 50 bytes each; files of days before those are not looked at."""

MOST_AT_ONCE = 500
"""Arrivals told in one tick: each is an event to write, and a tick has a minute."""

Memory = dict[str, dict[str, str]]
"""Fingerprints of files: day, entity, eight hexadecimal digits."""


class Arrival(NamedTuple):
    """A landing file that is new or was changed."""

    entity: str
    day: str
    file: Listed


def arrived(files: Iterable[Listed], days: Collection[str], cursor: str | None) -> tuple[list[Arrival], str]:
    """Compare the landing files that are there with a cursor; return what has arrived since, and the next cursor.

    Files of days that are no partitions, and of anything but an entity, are none. A day is told when none of its files
    was changed between two calls, so that five files that are still being copied are one arrival and not several.
    """
    found = _latest(_by_day(files, days))
    told, waiting = _read(cursor)
    now = {day: {entity: _fingerprint(file) for entity, file in its.items()} for day, its in found.items()}
    told = {day: told[day] for day in now if day in told}
    arrivals: list[Arrival] = []
    for day, fingerprints in now.items():
        changed = [
            name for name in ENTITIES if name in fingerprints and told.get(day, {}).get(name) != fingerprints[name]
        ]
        if changed and waiting.get(day) == fingerprints and len(arrivals) + len(changed) <= MOST_AT_ONCE:
            arrivals += [Arrival(name, day, found[day][name]) for name in changed]
            told[day] = fingerprints
    unsettled = {day: its for day, its in now.items() if told.get(day) != its}
    return arrivals, json.dumps({"told": told, "waiting": unsettled}, separators=(",", ":"))


def _by_day(files: Iterable[Listed], days: Collection[str]) -> dict[str, dict[str, Listed]]:
    found: dict[str, dict[str, Listed]] = {}
    for file in files:
        partition = layout.landed(file.key)
        if partition and partition[0] in ENTITIES and _text(partition[1]) in days:
            found.setdefault(_text(partition[1]), {})[partition[0]] = file
    return found


def _latest(found: dict[str, dict[str, Listed]]) -> dict[str, dict[str, Listed]]:
    return {day: found[day] for day in sorted(found)[-DAYS_REMEMBERED:]}


def _read(cursor: str | None) -> tuple[Memory, Memory]:
    found = json.loads(cursor) if cursor else {}
    return found.get("told", {}), found.get("waiting", {})


def _fingerprint(file: Listed) -> str:
    return hashlib.sha256(file.fingerprint.encode()).hexdigest()[:8]


def _text(day: date) -> str:
    return day.isoformat()
