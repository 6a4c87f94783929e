"""The files that the contracts determine."""

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from shop_warehouse import PROJECT

from dbt_stage import sources
from dbt_stage.cli import main
from libs.contracts.iso import MINOR_UNITS
from libs.entities import ENTITIES


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dbt_project.yml").write_text("name: other\n")
    return tmp_path


def code_of(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    return caught.value.code


def test_the_committed_files_are_what_the_contracts_say() -> None:
    assert sources.stale(PROJECT) == [], "run `dbt-stage sources`"


def test_a_stale_file_is_named_and_written_anew(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("--project-dir", str(project), "sources") == 0
    assert code_of("--project-dir", str(project), "sources", "--check") == 0
    (project / "seeds/minor_units.csv").write_text("currency,minor_unit\nEUR,3\n")
    assert code_of("--project-dir", str(project), "sources", "--check") == 1
    assert "stale: seeds/minor_units.csv; run `dbt-stage sources`" in capsys.readouterr().err
    assert code_of("--project-dir", str(project), "sources") == 0
    assert capsys.readouterr().out == "written: seeds/minor_units.csv\n"
    assert code_of("--project-dir", str(project), "sources", "--check") == 0


def test_a_folder_without_a_project_is_a_wrong_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of("--project-dir", str(tmp_path), "sources", "--check") == 2
    assert "holds no dbt_project.yml" in capsys.readouterr().err


def test_sources_and_staging_describe_every_column_of_every_contract() -> None:
    tables = _yaml("models/staging/_sources.yml")["sources"][0]["tables"]
    models = _yaml("models/staging/_staging.yml")["models"]
    for contract, table, model in zip(ENTITIES.values(), tables, models, strict=True):
        names = [column.name for column in contract.columns()]
        assert (table["name"], model["name"]) == (contract.entity, f"stg_{contract.entity}")
        assert [column["name"] for column in table["columns"]][:-3] == names
        assert [column["name"] for column in model["columns"]] == names
        assert all(column["description"] for column in (*table["columns"], *model["columns"]))


def test_the_seed_has_every_currency_with_digits_that_the_rounding_macro_knows() -> None:
    lines = sources.files()[PurePosixPath("seeds/minor_units.csv")].splitlines()[1:]
    assert dict(line.split(",") for line in lines) == {code: str(digits) for code, digits in MINOR_UNITS.items()}
    assert set(MINOR_UNITS.values()) == {0, 2, 3, 4}
    assert "[0, 2, 3, 4]" in (PROJECT / "macros/money.sql").read_text()


def _yaml(path: str) -> Any:
    return yaml.safe_load(sources.files()[PurePosixPath(path)])
