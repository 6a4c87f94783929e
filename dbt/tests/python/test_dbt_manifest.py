"""The manifest for whoever orchestrates: parsed only for a changed project, the same bytes for equal ones."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from shop_warehouse import PROJECT, dbt_stage

from dbt_stage import manifest

IGNORED = shutil.ignore_patterns("target", "logs", "src", "python", "__pycache__")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project, in a folder of another name."""
    copy = tmp_path / "copy"
    shutil.copytree(PROJECT, copy, ignore=IGNORED)
    return copy


def printed(project: Path, target: Path, *arguments: str, **environment: str) -> Path:
    ended = dbt_stage("--project-dir", str(project), "manifest", *arguments, DBT_TARGET_PATH=str(target), **environment)
    assert (ended.returncode, ended.stderr) == (0, "")
    return Path(ended.stdout.strip())


def test_equal_projects_give_equal_bytes_wherever_and_whenever_they_are_parsed(project: Path, tmp_path: Path) -> None:
    one = printed(PROJECT, tmp_path / "one", WAREHOUSE="here/one.duckdb", PYTHONHASHSEED="1")
    other = printed(project, tmp_path / "other", WAREHOUSE="there/other.duckdb", PYTHONHASHSEED="2")
    assert one.name == other.name
    assert one.read_bytes() == other.read_bytes()
    assert str(PROJECT).encode() not in one.read_bytes()
    known: dict[str, Any] = json.loads(one.read_bytes())
    assert known["nodes"]["model.shop_elt.fct_orders"]["relation_name"] == '"shop"."marts"."fct_orders"'
    assert known["metadata"]["project_name"] == "shop_elt"


def test_an_unchanged_project_is_not_parsed_again(project: Path, tmp_path: Path) -> None:
    first = printed(project, tmp_path / "target")
    written = first.stat()
    code = (
        "import sys; from dbt_stage.cli import main\ntry: main()\nfinally: print('dbt' in sys.modules, file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "--project-dir", str(project), "manifest"]
    environment = {**os.environ, "DBT_TARGET_PATH": str(tmp_path / "target")}
    again = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert (again.stdout.strip(), again.stderr.strip()) == (str(first), "False")
    assert first.stat() == written


@pytest.mark.parametrize(
    "changed", ["models/marts/fct_orders.sql", "dbt_project.yml", "macros/money.sql", "seeds/minor_units.csv"]
)
def test_what_the_manifest_depends_on_makes_it_another(project: Path, changed: str) -> None:
    before = manifest.digest(project)
    (project / changed).write_text((project / changed).read_text() + "\n")
    assert manifest.digest(project) != before


def test_a_file_that_moves_or_comes_is_a_change_and_dbts_own_output_is_none(project: Path) -> None:
    before = manifest.digest(project)
    (project / "target/compiled").mkdir(parents=True)
    (project / "target/compiled/one.sql").write_text("select 1")
    (project / "logs").mkdir()
    (project / "logs/one.md").write_text("log")
    assert manifest.digest(project) == before
    (project / "models/new.sql").write_text("select 1")
    added = manifest.digest(project)
    (project / "models/new.sql").rename(project / "models/newer.sql")
    assert len({before, added, manifest.digest(project)}) == 3


def test_a_changed_project_is_parsed_anew_and_old_files_go(project: Path, tmp_path: Path) -> None:
    old = printed(project, tmp_path / "target")
    long_ago = time.time() - 48 * 3600
    os.utime(old, (long_ago, long_ago))
    (project / "models/marts/one_more.sql").write_text("select 1 as n")
    (project / "models/marts/one_more.yml").write_text(
        "models: [{name: one_more, config: {contract: {enforced: false}}}]"
    )
    new = printed(project, tmp_path / "target")
    assert "model.shop_elt.one_more" in json.loads(new.read_bytes())["nodes"]
    assert sorted((tmp_path / "target/manifests").iterdir()) == [new]


def test_several_may_ask_at_once(project: Path, tmp_path: Path) -> None:
    code = "from dbt_stage.cli import main; main()"
    command = [sys.executable, "-c", code, "--project-dir", str(project), "manifest"]
    environment = {**os.environ, "DBT_TARGET_PATH": str(tmp_path / "target")}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    asking = [subprocess.Popen(command, env=environment, **pipes) for _ in range(3)]
    answers = [one.communicate(timeout=180) for one in asking]
    assert {one.returncode for one in asking} == {0}, answers
    (path,) = {out.strip() for out, _ in answers}
    assert "model.shop_elt.fct_orders" in json.loads(Path(path).read_bytes())["nodes"]
    assert [file.name for file in (tmp_path / "target/manifests").iterdir()] == [Path(path).name]


def test_it_is_written_where_it_is_wanted(project: Path, tmp_path: Path) -> None:
    kept = printed(project, tmp_path / "target")
    wanted = printed(project, tmp_path / "target", "--dest", str(tmp_path / "wanted.json"))
    assert wanted == tmp_path / "wanted.json"
    assert wanted.read_bytes() == kept.read_bytes()


def test_a_project_that_cannot_be_parsed_says_so_in_dbts_words(project: Path, tmp_path: Path) -> None:
    (project / "models/marts/broken.sql").write_text("select * from {{ ref('nobody') }}")
    ended = dbt_stage("--project-dir", str(project), "manifest", DBT_TARGET_PATH=str(tmp_path / "target"))
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "depends on a node named 'nobody' which was not found" in ended.stderr
    assert not (tmp_path / "target/manifests").exists()
