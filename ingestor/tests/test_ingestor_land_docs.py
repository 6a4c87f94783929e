"""The example of docs/exports.md does what the page says."""

import re
import shlex
from pathlib import Path

import pytest

from ingestor.cli import main

PAGE = (Path(__file__).parents[2] / "docs/exports.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w./-]+)`[^\n]*:\n\n```\w*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
[COMMAND] = re.findall(r"^uv run ingestor (land .*)$", PAGE, re.MULTILINE)


def test_the_example_lands_as_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    expected = {name: text for name, text in FILES.items() if name.startswith("landing/")}
    for name, text in FILES.items():
        if name not in expected:
            Path(name).parent.mkdir(exist_ok=True)
            Path(name).write_text(text, encoding="cp1252" if name.endswith(".csv") else "utf-8")

    with pytest.raises(SystemExit) as ended:
        main(shlex.split(COMMAND))

    assert ended.value.code == 0
    lake = Path(COMMAND.rpartition("--dest ")[2])
    assert expected
    assert {name: (lake / name).read_text(encoding="utf-8") for name in expected} == expected
    accounts = capsys.readouterr().out.partition("\nread\n")[2]
    assert accounts
    assert f"\nread\n{accounts}```" in PAGE
    assert len(list(lake.rglob("*.csv"))) == 5
