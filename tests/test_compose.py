"""The compose file builds every image as `just images` does."""

from pathlib import Path

import images
import yaml  # type: ignore[import-untyped]
from stages import ROOT


def test_every_image_is_built_from_its_dockerfile() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    built = {service["image"]: service["build"] for service in services.values() if "build" in service}
    assert built == {
        f"shop-elt/{name}:${{TAG:-latest}}": {"context": ".", "dockerfile": str(Path(folder) / "Dockerfile")}
        for name, folder in images.FOLDERS.items()
    }
