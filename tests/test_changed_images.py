"""Only what was changed is built anew."""

import json
import subprocess
import sys

import pytest
from changed_images import changed
from images import FOLDERS
from stages import ROOT


@pytest.mark.parametrize(
    ("files", "images"),
    [
        (["README.md", "docs/images.md", "tests/test_demo.py"], []),
        (["ingestor/src/ingestor/cli.py"], ["ingestor"]),
        (["dbt/models/marts/fct_orders.sql"], ["dbt-stage", "orchestrator"]),
        (["orchestrator/Dockerfile", "loader/README.md"], ["loader", "orchestrator"]),
        (["libs/src/libs/layout.py"], list(FOLDERS)),
        (["uv.lock"], list(FOLDERS)),
    ],
)
def test_an_image_is_built_for_what_it_is_made_of(files: list[str], images: list[str]) -> None:
    assert changed(files) == images


@pytest.mark.parametrize("since", ["", "0" * 40, "no-such-commit"])
def test_all_are_built_where_nothing_is_known_of_before(since: str) -> None:
    # Isolated from installed packages, as on GitHub.
    words = [sys.executable, "-S", str(ROOT / "scripts" / "changed_images.py"), since]
    found = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert [one["image"] for one in found] == list(FOLDERS)
