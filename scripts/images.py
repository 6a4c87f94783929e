"""Build the images of the stages and of the orchestrator; print how large each is and how long it took."""

import argparse
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = {
    "generator": "generator",
    "ingestor": "ingestor",
    "loader": "loader",
    "dbt-stage": "dbt",
    "orchestrator": "orchestrator",
}
"""The folder that each image is made of. A stage's image is named like its command."""


def arguments() -> dict[str, str]:
    """Return the build arguments: what the images' labels say of where they come from."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    source = re.sub("//[^/@]*@", "//", _git("config", "--get", "remote.origin.url"))  # no credentials
    return {"SOURCE": source, "REVISION": _git("rev-parse", "HEAD"), "VERSION": project["version"]}


def build(name: str, tag: str) -> float:
    """Build one image; return the seconds it took. What the build says is shown if it fails, which ends the script."""
    begin = time.monotonic()
    file = ROOT / FOLDERS[name] / "Dockerfile"
    words = ["docker", "build", "--progress", "plain", "--file", str(file), "--tag", f"shop-elt/{name}:{tag}"]
    for argument, value in arguments().items():
        words += ["--build-arg", f"{argument}={value}"]
    done = subprocess.run([*words, str(ROOT)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\nimages: {name} could not be built, see above")
    return time.monotonic() - begin


def size(name: str, tag: str) -> int:
    """Return the bytes of an image, its base included."""
    words = ["docker", "image", "inspect", "--format", "{{.Size}}", f"shop-elt/{name}:{tag}"]
    return int(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)


def main(argv: Sequence[str] | None = None) -> None:
    """Build what is named, by default all."""
    parser = argparse.ArgumentParser(prog="images", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FOLDERS))
    parser.add_argument("--tag", default="latest", help="the images' tag (default: latest)")
    args = parser.parse_args(argv)
    if unknown := sorted({*args.names} - {*FOLDERS}):
        parser.error(f"there is no image {unknown[0]!r}: choose from {', '.join(FOLDERS)}")
    if shutil.which("docker") is None:
        sys.exit("images: there is no command docker: install Docker, or put it on the PATH")
    from rich.console import Console  # CI asks `changed_images` without any package
    from rich.table import Table

    table = Table("image", "MB", "s", title="Images, with their base")
    table.columns[1].justify = table.columns[2].justify = "right"
    for name in args.names or FOLDERS:
        seconds = build(name, args.tag)
        table.add_row(f"shop-elt/{name}:{args.tag}", f"{size(name, args.tag) / 1e6:,.0f}", f"{seconds:,.1f}")
    Console().print(table)


def _git(*words: str) -> str:
    """Ask git; where there is no repository, nothing is known."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
