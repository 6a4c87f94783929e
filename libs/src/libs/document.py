"""JSON Schema and the data dictionary, generated from the contracts."""

import json
from collections.abc import Iterable

from libs.contracts.base import Column, Contract
from libs.entities import ENTITIES


def json_schema(contract: type[Contract]) -> str:
    """Render the JSON Schema (2020-12) of an entity's rows as text values, with keys, times and rules as `x-…`."""
    schema = contract.model_json_schema(mode="validation")
    return (
        json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                **schema,
                "x-entity": contract.entity,
                "x-contract-version": contract.version(),
                "x-key": contract.key,
                "x-event-time": contract.event_time,
                "x-change-time": contract.change_time,
                "x-rules": [rule.says for rule in contract.rules],
            },
            indent=2,
            ensure_ascii=False,
        )
        + "\n"
    )


def data_dictionary(contracts: Iterable[type[Contract]]) -> str:
    """Render all contracts as one Markdown page."""
    parts = [
        "# Data dictionary\n\nGenerated from the contracts by `uv run just document`; do not edit.\n\n"
        "An empty CSV field is null; nothing else is. Times are ISO 8601 with seconds: an offset is converted to UTC,"
        " none means UTC."
    ]
    parts.extend(_entity(contract) for contract in contracts)
    return "\n\n".join(parts) + "\n"


def documents() -> dict[str, str]:
    """Return every generated document by its path below `docs/`."""
    schemas = {f"contracts/{name}.schema.json": json_schema(contract) for name, contract in ENTITIES.items()}
    return {"data-dictionary.md": data_dictionary(ENTITIES.values()), **schemas}


def _entity(contract: type[Contract]) -> str:
    head = (
        f"## {contract.entity}\n\n{contract.__doc__}\n\n"
        f"Key: {', '.join(f'`{name}`' for name in contract.key)}. Event time: `{contract.event_time}`. "
        f"Change time: `{contract.change_time}`."
    )
    rows = "\n".join(
        f"| `{column.name}` | {_type(column)} | {'yes' if column.nullable else 'no'} | {column.description} |"
        for column in contract.columns()
    )
    rules = "\n".join(f"* {rule.says}" for rule in contract.rules)
    return f"{head}\n\n| field | type | nullable | meaning |\n|---|---|---|---|\n{rows}\n\nRules:\n\n{rules}"


def _type(column: Column) -> str:
    declared = column.type
    if declared.kind == "decimal":
        text = f"decimal({declared.precision},{declared.scale})"
    elif declared.values and declared.name not in ("country", "currency"):
        text = ", ".join(f"`{value}`" for value in declared.values)
    else:
        text = declared.name if declared.kind == "text" else declared.kind
    return text + (f", ≥ {declared.minimum}" if declared.minimum is not None else "")
