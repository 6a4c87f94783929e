"""What the stages' outcomes mean for assets: pure functions from an outcome to metadata and verdicts of checks."""

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg

from libs.stage.report import Outcome
from orchestrator.stage_assets import Facts, Metadata, Verdict

LAYERS = ("raw", "validated_raw", "quarantine_raw")
TOP_ERRORS = 5
FEW_RECORDS = 20
"""Of fewer records a share says little: one bad row of three must not hold up a day."""


def key(group: str, entity: str) -> dg.AssetKey:
    """Return the key of an entity's asset in a layer, in landing or in the warehouse."""
    return dg.AssetKey([group, entity])


def check(name: str, group: str, entity: str) -> dg.AssetCheckKey:
    """Return the key of a check on such an asset."""
    return dg.AssetCheckKey(key(group, entity), name)


def generated(outcome: Outcome) -> Facts:
    """Say what the generator made."""
    metadata = {
        "dagster/row_count": outcome.numbers["rows"],
        "faults": outcome.numbers["faults"],
        "bytes": outcome.numbers["bytes"],
        **_uri(outcome.details["url"]),
        "sha256": outcome.details["sha256"],
        "unchanged": outcome.status == "unchanged",
    }
    return Facts({key("landing", outcome.entity): metadata})


def ingested(quarantine_warn: float, quarantine_error: float) -> Callable[[Outcome], Facts]:
    """Return what says what the ingestor made; the shares are those of the check `quarantine_rate`."""

    def facts(outcome: Outcome) -> Facts:
        rows = {layer: outcome.numbers[name] for layer, name in _ROWS.items()}
        made: dict[dg.AssetKey, Metadata] = {
            key(layer, outcome.entity): {
                "dagster/row_count": rows[layer],
                **_object(outcome, layer),
                **(_quarantined(outcome) if layer == "quarantine_raw" else {}),
                "contract_version": outcome.details["contract_version"],
                "revision": outcome.details["revision"],
                "unchanged": outcome.status == "unchanged",
            }
            for layer in LAYERS
        }
        return Facts(
            made,
            {
                check("conservation", "validated_raw", outcome.entity): _conservation(rows),
                check("quarantine_rate", "validated_raw", outcome.entity): _quarantine_rate(
                    rows, quarantine_warn, quarantine_error
                ),
                check("columns", "raw", outcome.entity): _columns(outcome.details["drift"]),
            },
        )

    return facts


def loaded(outcome: Outcome) -> Facts:
    """Say what the loader loaded."""
    rows = outcome.numbers["inserted"] + outcome.numbers["skipped"]
    validated = outcome.details["validated"]
    metadata = {
        "dagster/row_count": rows,
        "deleted": outcome.numbers["deleted"],
        "table": f"landing.{outcome.entity}",
        "warehouse": outcome.details["warehouse"],
        "source_object": outcome.details["source_object"],
        "revision": outcome.details["revision"],
        "unchanged": outcome.status == "unchanged",
    }
    verdict = Verdict(rows == validated, {"validated": validated, "loaded": rows})
    return Facts(
        {key("warehouse", outcome.entity): metadata}, {check("loaded_rows", "warehouse", outcome.entity): verdict}
    )


_ROWS = {"raw": "rows", "validated_raw": "validated", "quarantine_raw": "quarantined"}


def _uri(url: str) -> Metadata:
    return {"dagster/uri": url}


def _object(outcome: Outcome, layer: str) -> Metadata:
    named = outcome.details["objects"][layer]
    return {
        **_uri(outcome.details["urls"][layer]),
        "bytes": named["size"],
        "sha256": named["sha256"],
        "crc32c": named["crc32c"],
    }


def _quarantined(outcome: Outcome) -> Metadata:
    """Return the most frequent kinds of error, and the first records, as tables."""
    counts = sorted(outcome.details["errors"].items(), key=lambda item: (-item[1], item[0]))
    found: dict[str, Any] = {}
    if counts:
        found["top_errors"] = _table([{"error": name, "records": count} for name, count in counts[:TOP_ERRORS]])
    if samples := outcome.details["samples"]:
        found["preview"] = _table([{name: _cell(value) for name, value in one.items()} for one in samples])
    return found


def _table(rows: list[dict[str, Any]]) -> dg.TableMetadataValue:
    columns = [
        dg.TableColumn(name, "int" if isinstance(rows[0][name], int) else "string")
        for name in dict.fromkeys(name for row in rows for name in row)
    ]
    return dg.MetadataValue.table([dg.TableRecord(row) for row in rows], dg.TableSchema(columns))


def _cell(value: Any) -> str | int:
    return value if isinstance(value, int) else "" if value is None else str(value)


def _conservation(rows: Mapping[str, int]) -> Verdict:
    return Verdict(rows["raw"] == rows["validated_raw"] + rows["quarantine_raw"], dict(rows))


def _quarantine_rate(rows: Mapping[str, int], warn: float, error: float) -> Verdict:
    """Judge the share of quarantined records: above `warn` people should look, above `error` the day is not loaded."""
    share = rows["quarantine_raw"] / rows["raw"] if rows["raw"] else 0.0
    return Verdict(
        share <= warn,
        {"share": round(share, 6), "warn_above": warn, "error_above": error},
        dg.AssetCheckSeverity.ERROR if share > error and rows["raw"] >= FEW_RECORDS else dg.AssetCheckSeverity.WARN,
    )


def _columns(drift: Mapping[str, Any]) -> Verdict:
    """Warn of columns that the contract expects and the file lacks, and of those that the contract does not know."""
    shown = {name: ", ".join(drift[name]) for name in ("missing", "extra") if drift[name]}
    return Verdict(not shown, shown, dg.AssetCheckSeverity.WARN)
