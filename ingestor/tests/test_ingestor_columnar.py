"""The columnar engine against the reference: the same bytes and the same judgement, whatever the file."""

import io
import os
import random
from datetime import date, timedelta
from functools import partial
from threading import Lock

import pytest
from ingestor_files import DAY, Judged, Sink, columns, file, judged, row
from ingestor_mangled import random_file

from ingestor import records
from ingestor.validate import blocks, columnar, engine, reference, seen
from ingestor.validate.engine import RefusedError
from libs.entities import ENTITIES, contract_of

NIGHTLY = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
FILES = 3000 if NIGHTLY else 150


def outcome(name: str, entity: str, data: bytes, day: date = DAY) -> object:
    try:
        return judged(entity, data, columnar.judge if name == "columnar" else reference.judge, day)
    except RefusedError as error:
        return str(error)


def outcomes_together(entity: str, files: list[tuple[bytes, date]]) -> list[object]:
    found = columnar.judge_together(files, contract_of(entity))
    assert [one.data for one in found if isinstance(one, engine.Judged)] == [
        data for (data, _), one in zip(files, found, strict=True) if isinstance(one, engine.Judged)
    ]
    return [
        str(one) if isinstance(one, RefusedError) else Judged(one.judgement, one.validated, one.quarantine)
        for one in found
    ]


@pytest.mark.parametrize("seed", range(10))
def test_both_engines_write_the_same_bytes(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(f"{seed} {NIGHTLY}")  # noqa: S311
    for _ in range(FILES // 10):
        entity, data = random_file(rng)
        monkeypatch.setattr(records, "MAX_RECORD", rng.choice([300, 1 << 20, 1 << 20]))
        monkeypatch.setattr(blocks, "BLOCK", rng.choice([1, 7, 100, 1000, 1 << 20, 1 << 20]))
        monkeypatch.setattr(blocks, "LINES", rng.choice([1, 2, 5, 1 << 15]))
        monkeypatch.setattr(blocks, "DECODED", rng.choice([1, 20, 1 << 14]))
        monkeypatch.setattr(columnar, "FEW", rng.choice([1, 1, 1, 10, 200]))
        monkeypatch.setattr(seen, "RUN", rng.choice([1, 5, 1 << 20]))
        assert outcome("columnar", entity, data) == outcome("reference", entity, data), (entity, data)


@pytest.mark.parametrize("seed", range(5))
def test_files_judged_together_are_judged_as_each_by_itself(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(f"together {seed} {NIGHTLY}")  # noqa: S311
    for _ in range(FILES // 30):
        entity = rng.choice(sorted(ENTITIES))
        days = [DAY + timedelta(rng.randint(-2, 2)) for _ in range(rng.choice([1, 2, 3, 9]))]
        files = [(random_file(rng, entity)[1], day) for day in days]
        monkeypatch.setattr(blocks, "BLOCK", rng.choice([100, 1 << 20, 1 << 20]))
        monkeypatch.setattr(columnar, "FEW", rng.choice([1, 1, 10, 200]))
        assert outcomes_together(entity, files) == [outcome("reference", entity, *one) for one in files], files


def test_the_predicate_is_asked_once_for_all_files_of_a_header(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    texts = columnar._Vouching._texts
    monkeypatch.setattr(columnar._Vouching, "_texts", lambda self, lines: asked.append(1) or texts(self, lines))
    monkeypatch.setattr(columnar, "FEW", 2)
    one = file("orders", row("orders"))
    other = file("orders", row("orders"), names=[*reversed(columns("orders"))])
    damaged = one + b'x,"\n'
    files = [(data, DAY) for data in (one, other, b"order_id\n", one, damaged, other)]
    assert outcomes_together("orders", files) == [outcome("reference", "orders", *file) for file in files]
    assert len(asked) == 2


def test_each_of_the_files_judged_together_has_its_own_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "FEW", 1)
    rows = [row("orders", order_id=f"O{day}", ordered_at=f"2025-11-{day}T00:00:00Z") for day in range(14, 19)]
    rows = [one | {"updated_at": "2025-11-20T00:00:00Z"} for one in rows]
    files = [(file("orders", *rows), DAY + timedelta(n)) for n in range(3)]
    found = outcomes_together("orders", files)
    assert [[line["order_id"] for line in one.rows] for one in found if isinstance(one, Judged)] == [
        ["O14", "O15", "O16"], ["O14", "O15", "O16", "O17"], ["O14", "O15", "O16", "O17", "O18"],
    ]  # fmt: skip


def test_a_file_of_many_blocks_that_fails_leaves_its_turn_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(Sink):
        def write(self, data: bytes, /) -> None:
            super().write(data)
            if len(self.data) > 1000:
                raise OSError("no room")

    monkeypatch.setattr(blocks, "BLOCK", 500)
    data = file("orders", *(row("orders", order_id=f"O{n}") for n in range(50)))
    in_turn = partial(columnar.judge, turn=Lock())
    with pytest.raises(OSError, match="no room") as failed:
        in_turn(io.BytesIO(data), contract_of("orders"), DAY, validated=Full(), quarantine=Sink())
    assert failed.tb
    assert judged("orders", data, in_turn) == judged("orders", data, reference.judge)


@pytest.mark.parametrize("line", [b"\xef\xbb\xbf", b"#", b" ", b"\t", b"'", b"\xe2\x80\xa8"])
@pytest.mark.parametrize("at", [0, 1])
def test_no_line_is_taken_for_anything_but_a_record(line: bytes, at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columnar, "FEW", 1)
    lines = [row("orders", order_id=f"O{n}") for n in range(2)]
    data = file("orders", *lines).replace(b"\nO%d" % at, b"\n" + line + b"O%d" % at)
    assert outcome("columnar", "orders", data) == outcome("reference", "orders", data)
