"""Fixtures of the orchestrator's tests."""

from pathlib import Path

import pytest
from orchestrator_runs import STAGES, Run, Shop, keys


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Run]:
    """Two days of five entities through all stages, and the run that made them. To be read only."""
    shop = Shop(tmp_path_factory.mktemp("usual"))
    return shop, shop.run(keys(*STAGES))


@pytest.fixture
def shop(usual: tuple[Shop, Run], tmp_path: Path) -> Shop:
    """Return a shop of one's own that has the usual days already, without their history."""
    return usual[0].copy(tmp_path)
