"""Which columns of its parents each column of a model is made of, as its compiled SQL says."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sqlglot import MappingSchema, exp, parse_one, to_table
from sqlglot.errors import SqlglotError
from sqlglot.lineage import Node, lineage


class Origin(NamedTuple):
    """A column of a parent, which is known by dbt's id."""

    parent: str
    column: str


def origins(sql: str, parents: Mapping[str, Mapping[str, Any]], dialect: str) -> dict[str, list[Origin]]:
    """Return the origins of each column; none for a column that is made of no other, such as a constant.

    `parents` are relations (name, columns) by dbt's id, as the stage's message has them. The columns that only filter
    or join are none of a column's origins. SQL that cannot be read has no columns: lineage is nice to have.
    """
    schema, ids = MappingSchema(dialect=dialect), {}
    for id_, parent in parents.items():
        table = to_table(parent["name"], dialect=dialect)
        types = {column["name"]: column["type"] for column in parent["columns"]}
        schema.add_table(table, types, dialect=dialect)
        ids[_name(table)] = id_
    try:
        tree = parse_one(sql, dialect=dialect)
        found = lineage(None, tree, schema, dialect=dialect, trim_selects=False, copy=False)
    except SqlglotError:
        return {}
    known: dict[int, frozenset[Origin]] = {}
    return {name.lower(): sorted(_origins(node, ids, known)) for name, node in found.items()}


def _origins(node: Node, ids: Mapping[str, str], known: dict[int, frozenset[Origin]]) -> frozenset[Origin]:
    """Collect the leaves below a node; nodes are shared between columns, so each is looked at once."""
    if id(node) not in known:
        below = (_origins(one, ids, known) for one in node.downstream)
        known[id(node)] = frozenset().union(*below) if node.downstream else frozenset(_leaf(node, ids))
    return known[id(node)]


def _leaf(node: Node, ids: Mapping[str, str]) -> Iterable[Origin]:
    table = node.expression.find(exp.Table)
    if table is not None and _name(table) in ids:
        yield Origin(ids[_name(table)], exp.to_column(node.name).name.lower())


def _name(table: exp.Table) -> str:
    return ".".join(part.name.lower() for part in table.parts)
