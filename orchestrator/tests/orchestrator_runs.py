"""The definitions at work: real stages on a local lake and warehouse, and what Dagster recorded of them."""

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from libs.entities import ENTITIES
from libs.manifest import Manifest, find
from libs.storage import open_store
from orchestrator import metadata
from orchestrator.definitions import build
from orchestrator.settings import Settings

SETTINGS = Settings.of({})
DEFINITIONS = build(SETTINGS)
DAYS = ("2025-11-01", "2025-11-02")
GENERATOR = ("landing",)
INGESTOR = metadata.LAYERS
LOADER = ("warehouse",)
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Run config: nothing is logged on the terminal."""
STAGES = (*GENERATOR, *INGESTOR, *LOADER)


def keys(*groups: str, entities: Iterable[str] = ENTITIES) -> list[dg.AssetKey]:
    """Return the assets of some entities in landing, in layers, in the warehouse."""
    return [metadata.key(group, entity) for group in groups for entity in entities]


def over(first: str, last: str) -> dict[str, str]:
    """Return the tags of a run over a range of days."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


class Run:
    """What a run recorded."""

    def __init__(self, instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult) -> None:
        self._instance = instance
        self._result = result
        self.id = result.run_id
        self.success = result.success

    @property
    def materialized(self) -> Counter[tuple[str, str | None]]:
        """How often each asset and day was materialized."""
        events = (event.materialization for event in self._result.get_asset_materialization_events())
        return Counter((made.asset_key.to_user_string(), made.partition) for made in events)

    @property
    def events(self) -> Sequence[dg.DagsterEvent]:
        """All events."""
        return self._result.all_events

    @property
    def said(self) -> list[str]:
        """What stages' assets wrote into the run's log."""
        return [entry.user_message for entry in self._instance.all_logs(self.id)]

    @property
    def launches(self) -> list[list[str]]:
        """Each launch as its stage, its entities and its days."""
        found = []
        for line in self.said:
            if line.startswith("launching: "):
                words = line.split()[1:]
                named = [words[n + 1] for n, word in enumerate(words) if word in ("--entity", "--date", "--to")]
                found.append([words[0], *named])
        return found

    @property
    def failure(self) -> str:
        """What the failed step says; there must be just one."""
        (event,) = [event for event in self._result.all_events if event.is_step_failure]
        said = event.step_failure_data.user_failure_data
        assert said is not None, event.step_failure_data
        return str(said.description)

    def evaluation(self, check: dg.AssetCheckKey, day: str) -> dg.AssetCheckEvaluation:
        """Return how a check ended on a day; it must have been evaluated just once."""
        (found,) = [
            one
            for one in self._result.get_asset_check_evaluations()
            if one.asset_check_key == check and one.partition == day
        ]
        return found


class Shop:
    """A lake, a warehouse and a history of their own, below a folder."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance | None = None) -> None:
        self._folder = folder
        self.lake = folder / "lake"
        self.warehouse = folder / "shop.duckdb"
        self.instance = instance or dg.DagsterInstance.ephemeral(tempdir=str(folder))
        self.store = open_store(str(self.lake))

    def copy(self, folder: Path) -> "Shop":
        """Return a shop with the same files and an empty history."""
        shutil.copytree(self._folder, folder, dirs_exist_ok=True)
        return Shop(folder)

    def run(
        self,
        chosen: Iterable[dg.AssetKey],
        first: str = DAYS[0],
        last: str = DAYS[-1],
        **options: Mapping[str, Any],
    ) -> Run:
        """Run assets over a range of days; `options` are op config by stage."""
        result = DEFINITIONS.resolve_job_def("daily").execute_in_process(
            instance=self.instance,
            tags=over(first, last),
            asset_selection=list(chosen),
            raise_on_error=False,
            run_config={
                "resources": {"places": {"config": {"lake": str(self.lake), "warehouse": str(self.warehouse)}}},
                "ops": {stage: {"config": config} for stage, config in options.items()},
                **QUIET,
            },
        )
        return Run(self.instance, result)

    def manifest(self, entity: str, day: str) -> Manifest:
        """Return a partition's manifest."""
        found = find(self.store, entity, date.fromisoformat(day))
        assert found is not None, f"{entity} {day} has no manifest"
        return found[0]

    def numbers(self, key: dg.AssetKey, day: str) -> dict[str, Any]:
        """Return the metadata of an asset's latest materialization of a day."""
        wanted = dg.AssetRecordsFilter(key, asset_partitions=[day])
        made = self.instance.fetch_materializations(wanted, limit=1).records[0].asset_materialization
        assert made is not None
        return {name: _plain(value) for name, value in made.metadata.items()}

    def days(self, key: dg.AssetKey) -> tuple[list[str], list[str]]:
        """Return an asset's days that are materialized, and those that failed, as the UI counts them."""
        cached = get_and_update_asset_status_cache_value(self.instance, key, SETTINGS.days)
        assert cached is not None
        good = cached.deserialize_materialized_partition_subsets(SETTINGS.days)
        bad = cached.deserialize_failed_partition_subsets(SETTINGS.days)
        return sorted(good.get_partition_keys()), sorted(bad.get_partition_keys())

    def check_days(self, check: dg.AssetCheckKey) -> dict[str, str]:
        """Return the status of each day of a check, as its bar in the UI shows it: empty without a target."""
        state = self.instance.event_log_storage.get_asset_check_state([(check, SETTINGS.days)])[check]
        return {
            day: status.value
            for status, subset in state.subsets.items()
            for day in subset.subset_value.get_partition_keys()
        }

    def stages(self) -> list[int]:
        """Return the stages that are at work on this lake, as processes of this machine."""
        return processes(str(self.lake))


def processes(word: str) -> list[int]:
    """Return the processes that have a word on their command line (Linux); not what is only becoming one of them."""
    return [pid for pid, words in _processes() if word in words and not any("bound.py" in one for one in words)]


def _plain(value: dg.MetadataValue[Any]) -> Any:
    return [record.data for record in value.records] if isinstance(value, dg.TableMetadataValue) else value.value


def _processes() -> Iterable[tuple[int, list[str]]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:  # it has ended
                continue
            yield int(folder.name), words
