"""Print, as JSON, the images that must be built anew since a commit: for a CI's matrix."""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable

from images import FOLDERS, ROOT

_CI = (".github/actions/image/", ".github/workflows/images.yml")
EVERYBODY = ("libs/", "pyproject.toml", "uv.lock", ".dockerignore", "scripts/images.py", *_CI)
"""What all images are made of, or by."""

MORE = {"orchestrator": ("dbt/",)}
"""The orchestrator's holds the manifest of dbt's project."""


def changed(files: Iterable[str]) -> list[str]:
    """Return the names of the images that are made of any of the files."""
    names = tuple(files)
    return [
        image
        for image, folder in FOLDERS.items()
        if any(name.startswith((f"{folder}/", *EVERYBODY, *MORE.get(image, ()))) for name in names)
    ]


def main() -> None:
    """Ask git for the files; without a commit, or with one that git does not know, all images are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("since", nargs="?", default="", help="a commit; without one, all images")
    since = parser.parse_args().since
    found = list(FOLDERS)
    if since.strip("0"):  # of a new branch, GitHub says that it came from 000…
        words = ["git", "diff", "--name-only", "--no-renames", since, "HEAD"]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"changed_images: git does not know {since}: all images", file=sys.stderr)
        else:
            found = changed(done.stdout.splitlines())
    print(json.dumps([{"image": image, "folder": FOLDERS[image]} for image in found]))


if __name__ == "__main__":
    main()
