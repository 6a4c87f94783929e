"""The parts of the dbt project that the contracts determine: sources, staging's properties, descriptions, minor units.

The files are committed; `dbt-stage sources` writes them anew and `dbt-stage sources --check` tells whether they are
stale.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from libs.contracts.base import Column, Contract
from libs.contracts.iso import MINOR_UNITS
from libs.contracts.types import CURRENCY, FieldType
from libs.entities import ENTITIES

_HEAD = "written by `dbt-stage sources` from the contracts; do not edit"
_TYPES = {"text": "varchar", "integer": "bigint", "boolean": "boolean", "timestamp": "timestamp"}
_LOADED = (
    ("_partition_date", "date", "The partition that the row was loaded with"),
    ("_source_object", "varchar", "The object that the row was read from"),
    ("_loaded_at", "timestamp", "When the row was loaded (UTC)"),
)


def files() -> dict[PurePosixPath, str]:
    """Render every generated file: path within the dbt project, and its text."""
    return {
        PurePosixPath("models/staging/_sources.yml"): "\n".join(_sources()) + "\n",
        PurePosixPath("models/staging/_staging.yml"): "\n".join(_staging()) + "\n",
        PurePosixPath("models/staging/_contracts.md"): "\n".join(_doc_blocks()) + "\n",
        PurePosixPath("seeds/minor_units.csv"): "\n".join(_minor_units()) + "\n",
    }


def stale(project: Path) -> list[PurePosixPath]:
    """Return the generated files of a project that are missing or differ from what the contracts say."""
    return [
        path
        for path, text in files().items()
        if not (project / path).is_file() or (project / path).read_text(encoding="utf-8") != text
    ]


def write(project: Path) -> list[PurePosixPath]:
    """Write the generated files that are stale; return them."""
    written = stale(project)
    for path in written:
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).write_text(files()[path], encoding="utf-8")
    return written


def data_type(field: FieldType) -> str:
    """Return the warehouse's type of a field."""
    if field.kind == "decimal":
        return f"decimal({field.precision},{field.scale})"
    return _TYPES[field.kind]


def staging_name(entity: str) -> str:
    """Return the staging model of an entity."""
    return f"stg_{entity}"


def _sources() -> Iterator[str]:
    yield from (f"# {_HEAD}", "sources:", "  - name: landing")
    yield "    description: What the loader wrote, every version of every row"
    yield "    tables:"
    for contract in ENTITIES.values():
        yield f"      - name: {contract.entity}"
        yield f"        description: {_text(_sentence(contract))}"
        yield "        columns:"
        declared = [(c.name, data_type(c.type), c.description) for c in contract.columns()]
        for name, type_, description in (*declared, *_LOADED):
            yield f"          - name: {name}"
            yield f"            data_type: {type_}"
            yield f"            description: {_text(description)}"


def _staging() -> Iterator[str]:
    yield from (f"# {_HEAD}", "models:")
    for contract in ENTITIES.values():
        required = [column.name for column in contract.columns() if not column.nullable]
        model = staging_name(contract.entity)
        yield f"  - name: {model}"
        yield f"    description: {_text(f'{_sentence(contract)} The latest version of each row.')}"
        yield "    data_tests:"
        yield from _test("unique_key", f"{model}_one_row_a_key", {"columns": contract.key})
        yield from _test("no_nulls", f"{model}_required_columns", {"columns": required})
        yield "    columns:"
        for column in contract.columns():
            yield f"      - name: {column.name}"
            yield f"        description: {_text(column.description)}"
            yield from _column_tests(model, column)


def _column_tests(model: str, column: Column) -> Iterator[str]:
    if column.type == CURRENCY:
        values = {"to": "ref('minor_units')", "field": "currency"}
        yield "        data_tests:"
        yield from _test("relationships", f"{model}_{column.name}_is_known", values, indent=10)
    elif column.type.name in ("kind", "status") and column.type.values:
        yield "        data_tests:"
        name = f"{model}_{column.name}_is_accepted"
        yield from _test("accepted_values", name, {"values": column.type.values}, indent=10)


def _test(test: str, name: str, arguments: Mapping[str, str | Iterable[str]], indent: int = 6) -> Iterator[str]:
    pad = " " * indent
    yield f"{pad}- {test}:"
    yield f"{pad}    name: {name}"
    yield f"{pad}    arguments:"
    for argument, value in arguments.items():
        shown = value if isinstance(value, str) else f"[{', '.join(value)}]"
        yield f"{pad}      {argument}: {shown}"


def _doc_blocks() -> Iterator[str]:
    yield f"<!-- {_HEAD} -->"
    for contract in ENTITIES.values():
        for column in contract.columns():
            yield ""
            yield f"{{% docs {contract.entity}__{column.name} %}}{column.description}{{% enddocs %}}"


def _minor_units() -> Iterator[str]:
    yield "currency,minor_unit"
    for currency, digits in MINOR_UNITS.items():
        yield f"{currency},{digits}"


def _sentence(contract: type[Contract]) -> str:
    return (contract.__doc__ or "").strip().splitlines()[0]


def _text(value: str) -> str:
    """Quote a text for YAML, of which JSON's strings are a part."""
    return json.dumps(value, ensure_ascii=False)
