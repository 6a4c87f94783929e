"""An export: the folder that says how a shop's own files become landing files.

It holds `export.toml` (which files are read as which tables), one `<entity>.sql` for each entity that the shop has, and
where it helps a `prepare.sql`.
"""

import re
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path, PurePosixPath
from typing import Annotated

import duckdb
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from libs.contracts.iso import MINOR_UNITS
from libs.entities import ENTITIES
from libs.errors import CallError, StageError

SETTINGS = "export.toml"
PREPARE = "prepare"


def _glob(pattern: str) -> str:
    parts = PurePosixPath(pattern).parts
    if not parts or parts[0] == "/" or ".." in parts or any("**" in part and part != "**" for part in parts):
        raise ValueError(f"{pattern!r} is no pattern of files below the input folder, such as orders_*.csv")
    return pattern


def _codec(name: str) -> str:
    try:
        "a".encode(name)
    except (LookupError, UnicodeError):
        raise ValueError(f"{name!r} is no encoding of text that Python knows, such as utf-8 or cp1252") from None
    return name


def _delimiter(text: str) -> str:
    if len(text) != 1 or text in '"\r\n\0':
        raise ValueError(f'{text!r} is no delimiter: give one character, such as ";" or "\\t"')
    return text


def _time_zone(name: str) -> str:
    """Ask the engine that will do the conversions."""
    with duckdb.connect() as connection:
        if not connection.execute("SELECT 1 FROM pg_timezone_names() WHERE name = $1", [name]).fetchall():
            raise ValueError(f"{name!r} is no time zone, such as Europe/Berlin")
    return name


def _currency(code: str) -> str:
    if code not in MINOR_UNITS:
        raise ValueError(f"{code!r} is no ISO 4217 currency, such as EUR")
    return code


def _table_names(tables: dict[str, "Table"]) -> dict[str, "Table"]:
    for name in tables:
        if not re.fullmatch("[a-z_][a-z0-9_]*", name) or name == "countries":
            raise ValueError(f"{name!r} is no name for a table: use lower snake case, and not `countries`")
    return tables


class Table(BaseModel):
    """Files of one kind: `files` is a pattern below the input folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: Annotated[str, AfterValidator(_glob)]
    encoding: Annotated[str, AfterValidator(_codec)] = "utf-8"
    delimiter: Annotated[str, AfterValidator(_delimiter)] = ","


class Settings(BaseModel):
    """What export.toml says."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    time_zone: Annotated[str, AfterValidator(_time_zone)] = "UTC"
    currency: Annotated[str, AfterValidator(_currency)] | None = None
    tables: Annotated[dict[str, Table], Field(min_length=1), AfterValidator(_table_names)]


@dataclass(frozen=True)
class Script:
    """The text of an SQL file, and its path for messages."""

    path: str
    text: str


@dataclass(frozen=True)
class Export:
    """Everything that an export's folder says. An entity without a SELECT is one that the shop does not have."""

    name: str
    settings: Settings
    prepare: Script | None
    selects: dict[str, Script]


def find(name: str) -> Export:
    """Read a shipped export by its name, or one's own by the path of its folder.

    Raises CallError where there is neither, StageError where what the folder holds is wrong.
    """
    shipped = {folder.name: folder for folder in files("ingestor").joinpath("exports").iterdir() if folder.is_dir()}
    folder: Traversable | None = shipped.get(name)
    if folder is None:
        folder = Path(name)
        if not folder.is_dir():
            raise CallError(
                f"unknown export {name!r}: use one of {', '.join(sorted(shipped))}, or the path of an export's folder"
            )
    return _read(name, folder)


def _read(name: str, folder: Traversable) -> Export:
    texts = {
        item.name: Script(f"{folder}/{item.name}", _text(item))
        for item in sorted(folder.iterdir(), key=lambda item: item.name)
        if item.is_file() and (item.name == SETTINGS or item.name.endswith(".sql"))
    }
    settings = texts.pop(SETTINGS, None)
    if settings is None:
        raise StageError(f"{folder} is no export: it holds no {SETTINGS}")
    scripts = {file_name.removesuffix(".sql"): script for file_name, script in texts.items()}
    prepare = scripts.pop(PREPARE, None)
    for entity, script in scripts.items():
        if entity not in ENTITIES:
            raise StageError(f"{script.path} is of no entity: name it {', '.join(ENTITIES)} or {PREPARE}, with .sql")
    if not scripts:
        raise StageError(f"{folder} holds no SELECT: write at least one of {', '.join(f'{e}.sql' for e in ENTITIES)}")
    return Export(name, _settings(settings), prepare, {e: scripts[e] for e in ENTITIES if e in scripts})


def _settings(script: Script) -> Settings:
    try:
        return Settings.model_validate(tomllib.loads(script.text))
    except tomllib.TOMLDecodeError as error:
        raise StageError(f"{script.path} is no TOML: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
        )
        raise StageError(f"{script.path}: {wrong}") from None


def _text(item: Traversable) -> str:
    try:
        return item.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise StageError(f"{item} is not UTF-8 at byte {error.start + 1}") from None
    except OSError as error:
        raise StageError(f"cannot read {item}: {error.strerror or error}") from None
