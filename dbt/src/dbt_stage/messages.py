"""What a launcher learns of each node as it finishes."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypedDict

from dbt_stage.nodes import Node
from libs.stage.messages import Send

RESULTS = ("LogModelResult", "LogSeedResult", "LogSnapshotResult", "LogTestResult")
"""dbt's events that tell a result. A node that was skipped has none."""


class Column(TypedDict):
    """A column as the warehouse has it."""

    name: str
    type: str


class Relation(TypedDict):
    """A table or view of the warehouse, its name as it stands in SQL."""

    name: str
    columns: list[Column]


class Built(TypedDict):
    """What was built. `rows` are a table's; a view, which is not counted, has none. A seed has no SQL.

    `parents` are the relations that it was made of, by dbt's ids.
    """

    relation: Relation
    rows: int | None
    sql: str
    parents: dict[str, Relation]


def message(node: Node, event: Mapping[str, Any] | None, built: Built | None) -> dict[str, Any]:
    """Return a node's message: its `outcome`, as all stages send it, its id as `node`, dbt's own `event` and `built`.

    `event` (info and data, as dbt names them) is None where the node was skipped, `built` where nothing was built.
    """
    return {**node.outcome().to_message(), "node": node.id, "event": event, "built": built}


@contextmanager
def in_background(send: Send) -> Iterator[Send]:
    """Yield what sends messages in a thread of its own, one after the other: no node waits for the store.

    All are sent when the block ends. Raises what the first failure to send raised.
    """
    sent: list[Future[None]] = []
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield lambda one: sent.append(pool.submit(send, one))
    for future in sent:
        future.result()
