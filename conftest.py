"""Settings and fixtures of every test of the repository."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("ci", deadline=None, derandomize=True, max_examples=60)
settings.register_profile("nightly", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs Docker, visibly, where no engine answers; REQUIRE_DOCKER makes that an error instead."""
    if not any("docker" in item.keywords for item in items) or _engine_answers():
        return
    if os.environ.get("REQUIRE_DOCKER"):
        raise pytest.UsageError("REQUIRE_DOCKER is set and no Docker engine answers")
    for item in items:
        if "docker" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="no Docker engine answers"))


def _engine_answers() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@pytest.fixture(scope="session")
def fake_gcs() -> Iterator[str]:
    """Start fake-gcs-server in a container and return its URL, which is good for containers too."""
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")  # the container is removed below
    import docker
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.wait_strategies import LogMessageWaitStrategy

    server = (
        DockerContainer("fsouza/fake-gcs-server:1.56.1")
        .with_command("-scheme http -backend memory")
        .with_exposed_ports(4443)
        .waiting_for(LogMessageWaitStrategy("server started"))
    )
    with server:
        # The address of this machine on the engine's bridge: the same for this process and for containers.
        bridge = docker.from_env().networks.get("bridge").attrs["IPAM"]["Config"][0]
        url = f"http://{bridge['Gateway']}:{server.get_exposed_port(4443)}"
        # Resumable uploads are sent to the URL that the server believes it has.
        told = urllib.request.Request(
            f"{url}/_internal/config", data=json.dumps({"externalUrl": url}).encode(), method="PUT"
        )
        urllib.request.urlopen(told).close()
        yield url
