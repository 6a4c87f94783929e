"""The manifest for whoever orchestrates: parsed when the project has changed; equal projects give equal bytes."""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dbt_stage.nodes import one_line
from libs.errors import StageError

_SUFFIXES = (".sql", ".yml", ".yaml", ".md", ".csv")
_NOT_THE_PROJECT = ("target", "logs", "src")
_VOLATILE = ("generated_at", "invocation_id", "invocation_started_at", "run_started_at", "user_id", "env")
_OF_A_MACHINE = ("created_at", "root_path")
_FORMAT = "1"  # of what is written here; another one makes files anew
_KEPT_SECONDS = 24 * 3600
_WAREHOUSE = "shop.duckdb"  # names of relations begin with the file's; a manifest is of no warehouse in particular


def current(project: Path, target: Path) -> Path:
    """Return the file with the project's manifest, below `target`; parse only if there is none of the project as it is.

    Several processes may call at once. Raises StageError, in dbt's words, where the project cannot be parsed.
    """
    folder = target / "manifests"
    file = folder / f"{digest(project)}.json"
    if not file.is_file():
        data = render(_parsed(project))
        folder.mkdir(parents=True, exist_ok=True)
        write(file, data)
        _remove_old(folder, file)
    return file


def digest(project: Path) -> str:
    """Return the hash of all that the manifest depends on: the project's files and dbt's versions."""
    found = hashlib.sha256("\0".join([_FORMAT, version("dbt-core"), version("dbt-duckdb")]).encode())
    for path in sorted(_files(project)):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"\0{path.relative_to(project).as_posix()}\0{content}".encode())
    return found.hexdigest()[:32]


def render(manifest: Mapping[str, Any]) -> bytes:
    """Render a manifest without what changes from parse to parse, and from machine to machine."""
    metadata = {name: value for name, value in manifest["metadata"].items() if name not in _VOLATILE}
    return json.dumps(_settled({**manifest, "metadata": metadata}), sort_keys=True, separators=(",", ":")).encode()


def write(file: Path, data: bytes) -> None:
    """Write a file as a whole: whoever reads it sees the old one or the new one."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        Path(name).chmod(0o644)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _files(project: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(project):
        top = Path(folder) == project
        names[:] = [name for name in names if not name.startswith(".") and not (top and name in _NOT_THE_PROJECT)]
        yield from (Path(folder, name) for name in files if name.endswith(_SUFFIXES))


def _parsed(project: Path) -> Mapping[str, Any]:
    """Parse from nothing: what dbt keeps of earlier runs would leave its traces."""
    from dbt.cli.main import dbtRunner  # takes seconds

    where = ["--project-dir", str(project), "--profiles-dir", str(project), "--log-level", "none", "--no-use-colors"]
    before = os.environ.get("WAREHOUSE")
    os.environ["WAREHOUSE"] = _WAREHOUSE
    try:
        with tempfile.TemporaryDirectory(prefix="dbt-manifest-") as folder:
            places = ["--target-path", folder, "--log-path", folder]
            result = dbtRunner().invoke(["parse", "--no-partial-parse", *where, *places])
            if result.exception is not None:
                raise StageError(f"the dbt project {project} cannot be parsed: {one_line(str(result.exception))}")
            found: Mapping[str, Any] = json.loads(Path(folder, "manifest.json").read_bytes())
            return found
    finally:
        os.environ.pop("WAREHOUSE")
        if before is not None:
            os.environ["WAREHOUSE"] = before


def _settled(value: Any) -> Any:
    """Leave out when and where the project was parsed; lists that dbt fills from sets are sorted."""
    if isinstance(value, dict):
        return {
            name: sorted(inner) if name == "macros" and isinstance(inner, list) else _settled(inner)
            for name, inner in value.items()
            if name not in _OF_A_MACHINE
        }
    return [_settled(inner) for inner in value] if isinstance(value, list) else value


def _remove_old(folder: Path, but: Path) -> None:
    """Remove what nobody will read any more; a reader has its path for a moment only."""
    for path in folder.glob("*.json"):
        try:
            if path != but and path.stat().st_mtime < time.time() - _KEPT_SECONDS:
                path.unlink()
        except FileNotFoundError:  # another process was faster
            continue
