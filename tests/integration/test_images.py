"""The images as they are shipped: built from this checkout, run as a launcher runs them."""

import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from stages import ROOT, call, objects, tables

pytestmark = pytest.mark.docker

TAG = "test-images"
STAGES = {"generator": "generator", "ingestor": "ingestor", "loader": "loader", "dbt-stage": "dbt"}
"""The distribution's name of each stage, by its command, which is the image's name."""
IMAGES = [*STAGES, "orchestrator"]
BASE = "python:3.13-slim"
LOCKED = ("--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
DAY = "2025-11-01"


def docker(*words: str, code: int = 0) -> str:
    """Call Docker; fail with what it said where its exit code is another."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == code, f"docker {words} exited with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run(image: str, *words: str, options: Sequence[str] = (), code: int = 0) -> str:
    """Run an image without network, with a root that is read-only; return its standard output."""
    return docker("run", "--rm", *LOCKED, *options, f"shop-elt/{image}:{TAG}", *words, code=code)


def git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def python(image: str, program: str) -> Any:
    """Return what a Python program printed as JSON in an image."""
    return json.loads(run(image, "-c", program, options=["--entrypoint", "python"]))


def inspected(image: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(docker("image", "inspect", image))[0]
    return found


@pytest.fixture(scope="module", autouse=True)
def commit() -> Iterator[str]:
    """Build all images as `just images` does, and return the commit. Their layers stay in the builder's cache."""
    head = git("rev-parse", "HEAD")
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "images.py"), "--tag", TAG],
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    yield head
    docker("image", "rm", *(f"shop-elt/{name}:{TAG}" for name in IMAGES))


@pytest.fixture
def volumes() -> Iterator[Sequence[str]]:
    """Make volumes for lake and warehouse, with nobody's help about their owner; return how they are mounted."""
    names = {f"shop-elt-test-{uuid.uuid4().hex}": place for place in ("/lake", "/warehouse")}
    yield [f"--volume={name}:{place}" for name, place in names.items()]
    docker("volume", "rm", "--force", *names)


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_says_how_it_is_called_on_a_root_that_is_read_only(image: str) -> None:
    assert run(image).startswith(f"usage: {image} ")


@pytest.mark.parametrize(
    ("stage", "command"),
    [("generator", "generate"), ("ingestor", "ingest"), ("loader", "load"), ("dbt-stage", "build")],
)
def test_the_entry_point_of_a_stage_is_its_command(stage: str, command: str) -> None:
    assert run(stage, command, "--help").startswith(f"usage: {stage} {command} ")
    run(stage, "no-such-command", code=2)


@pytest.mark.parametrize("image", IMAGES)
def test_nobody_is_root_in_an_image(image: str) -> None:
    assert inspected(f"shop-elt/{image}:{TAG}")["Config"]["User"] == "10001:10001"
    assert python(image, "import os; print([os.getuid(), os.getgid(), *os.getgroups()])") == [10001] * 3


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_holds_its_own_dependencies_only(image: str) -> None:
    found = set(
        python(
            image,
            "import json; from importlib.metadata import distributions;"
            "print(json.dumps([d.name for d in distributions()]))",
        )
    )
    assert {name for name in found if name.startswith("shop-elt")} == {
        "shop-elt-libs",
        f"shop-elt-{STAGES.get(image, image)}",
    }
    assert not found & {"pytest", "ruff", "mypy", "uv", "rust-just"}
    dagster = {name for name in found if name.startswith("dagster")}
    dbt = {name for name in found if name.startswith("dbt")}
    if image == "orchestrator":
        assert {"dagster", "dagster-dbt"} <= dagster
        assert not dbt  # it knows the manifest, and nothing else of dbt
    else:
        assert dagster == {"dagster-pipes"}
        assert bool(dbt) == (image == "dbt-stage")


@pytest.mark.parametrize("image", IMAGES)
def test_labels_say_where_an_image_comes_from(image: str, commit: str) -> None:
    labels = inspected(f"shop-elt/{image}:{TAG}")["Config"]["Labels"]
    found = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    git("merge-base", "--is-ancestor", commit, found["revision"])  # somebody may commit meanwhile
    assert re.fullmatch(r"\d+\.\d+\.\d+", found["version"])
    assert "@" not in found["source"]
    assert found["licenses"] == "MIT"
    assert found["title"]
    assert found["description"]


@pytest.mark.parametrize("image", IMAGES)
def test_neither_history_nor_settings_hold_anything_of_the_builder(image: str) -> None:
    config = inspected(f"shop-elt/{image}:{TAG}")["Config"]
    own = {one.partition("=")[0] for one in {*config["Env"]} - {*(inspected(BASE)["Config"]["Env"] or [])}}
    known = {"PATH", "WAREHOUSE", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "DAGSTER_HOME", "DBT_MANIFEST"}
    assert own <= known | {
        "DBT_PROJECT_DIR",
        "DBT_TARGET_PATH",
        "DBT_LOG_PATH",
        "DBT_PARTIAL_PARSE_FILE_PATH",
        "DUCKDB_MEMORY_LIMIT",
    }
    history = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", f"shop-elt/{image}:{TAG}")
    said = history + json.dumps(config)
    assert not re.search("://[^/ ]+@", said)
    secret = re.compile("TOKEN|SECRET|PASSWORD|CREDENTIAL|INDEX|_KEY$")
    of_the_builder = [value for name, value in os.environ.items() if secret.search(name) and len(value) > 5]
    assert not [value for value in of_the_builder if value in said]
    assert str(ROOT.resolve()) not in said


def test_the_image_of_the_orchestrator_has_the_manifest_of_the_one_of_dbt(tmp_path: Path) -> None:
    of_dbt = run("dbt-stage", "/opt/dbt/manifest.json", options=["--entrypoint", "cat"])
    of_the_orchestrator = run("orchestrator", "sh", "-c", 'cat "$DBT_MANIFEST"')
    call(tmp_path, "dbt-stage", "manifest", "--dest", str(tmp_path / "manifest.json"))
    assert json.loads(of_dbt)["nodes"]
    assert of_the_orchestrator == of_dbt
    assert (tmp_path / "manifest.json").read_text() == of_dbt


@pytest.mark.parametrize("where", ["alone", "in the stack"])
def test_dbt_starts_with_the_project_parsed(where: str) -> None:
    """A profile that is not the one it was parsed with, by a variable for example, would have it parsed anew."""
    options = ["--entrypoint", "dbt"]
    if where == "in the stack":
        environment = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["x-dagster"]["environment"]
        usual = environment["DUCKDB_MEMORY_LIMIT"].removeprefix("${DUCKDB_MEMORY_LIMIT:-").removesuffix("}")
        options += [f"--env=DUCKDB_MEMORY_LIMIT={usual}", f"--env=WAREHOUSE={environment['WAREHOUSE']}"]
    project = ["--project-dir", "/opt/dbt", "--profiles-dir", "/opt/dbt"]
    said = run("dbt-stage", "parse", *project, "--log-level", "debug", options=options)
    assert "no changes found, skipping parsing" in said


def test_the_orchestrator_knows_all_assets_without_any_stage() -> None:
    program = (
        "import json; from orchestrator.definitions import defs;"
        "print(json.dumps([k.to_user_string() for k in defs.resolve_asset_graph().get_all_asset_keys()]))"
    )
    assert {"landing/orders", "validated_raw/orders", "warehouse/orders", "marts/fct_orders"} <= {
        *python("orchestrator", program)
    }


def test_a_day_goes_through_the_images_as_through_the_checkout(volumes: Sequence[str], tmp_path: Path) -> None:
    day, lake, warehouse = ["--date", DAY], tmp_path / "lake", tmp_path / "shop.duckdb"
    call(tmp_path, "generator", "generate", *day, "--dest", str(lake))
    call(tmp_path, "ingestor", "ingest", *day, "--source", str(lake), "--dest", str(lake))
    call(tmp_path, "loader", "load", *day, "--source", str(lake), "--warehouse", str(warehouse))
    call(tmp_path, "dbt-stage", "build", "--warehouse", str(warehouse))

    run("generator", "generate", *day, "--dest", "/lake", options=volumes)
    run("ingestor", "ingest", *day, "--source", "/lake", "--dest", "/lake", options=volumes)
    run("loader", "load", *day, "--source", "/lake", options=volumes)
    report = json.loads(run("dbt-stage", "build", "--json", options=volumes))

    assert report["stage"] == "dbt-stage"
    made = _copied(volumes, tmp_path / "made")
    landed = {key: value for key, value in objects(lake).items() if key.startswith("landing/")}
    assert {key: value for key, value in objects(made / "lake").items() if key.startswith("landing/")} == landed
    assert objects(made / "lake").keys() == objects(lake).keys()
    assert tables(made / "warehouse" / "shop.duckdb") == tables(warehouse)


def _copied(volumes: Sequence[str], to: Path) -> Path:
    """Copy the volumes' content to a folder of this machine."""
    to.mkdir()
    container = docker("create", *volumes, f"shop-elt/loader:{TAG}").strip()
    try:
        for place in ("lake", "warehouse"):
            docker("cp", f"{container}:/{place}", str(to / place))
    finally:
        docker("rm", container)
    return to


def test_only_what_images_are_made_of_reaches_the_builder(tmp_path: Path) -> None:
    wanted = {
        "pyproject.toml",
        "uv.lock",
        "libs/src/libs/entities.py",
        "dbt/models/marts/orders.sql",
        "dbt/tests/identities/one.sql",
        "orchestrator/container/dagster.yaml",
    }
    unwanted = {
        ".git/config",
        ".env",
        ".venv/bin/python",
        ".data/lake/landing/orders.csv",
        "tests/test_a.py",
        "libs/tests/test_b.py",
        "libs/.env",
        "dbt/tests/python/test_c.py",
        "dbt/target/manifest.json",
        "dbt/logs/dbt.log",
        "ingestor/Dockerfile",
        "ingestor/.venv/bin/python",
        "ingestor/src/ingestor/__pycache__/cli.cpython-313.pyc",
        "ingestor/src/ingestor/.env",
        "ingestor/credentials.json",
    }
    context = tmp_path / "context"
    for name in wanted | unwanted:
        file = context / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("content")
    shutil.copyfile(ROOT / ".dockerignore", context / ".dockerignore")
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text("FROM scratch\nCOPY . /\n")
    sent = tmp_path / "sent"
    docker("build", "--file", str(dockerfile), "--output", f"type=local,dest={sent}", str(context))
    assert {path.relative_to(sent).as_posix() for path in sent.rglob("*") if path.is_file()} == wanted
