import io
import tracemalloc

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ingestor_files import FILES, Repeated

from ingestor import records
from ingestor.records import BOM, Record, read_records
from ingestor.validate import blocks
from ingestor.validate.blocks import Blocks


def by_blocks(data: bytes) -> list[Record]:
    """Every record of a file, plain lines split at their commas."""
    reader = Blocks(io.BytesIO(data))
    header = reader.header()
    if header is None:
        return []
    found = [header]
    for block in reader.read(len(header.fields)):
        assert len(block.offsets) == len(block.numbers) + 1
        lines = [block.lines[i:j] for i, j in zip(block.offsets[:-1], block.offsets[1:], strict=True)]
        assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)
        assert not set(block.lines) & set(b'"\r\0')
        plain = [
            Record(int(number), line[:-1], line[:-1].decode().split(","), None)
            for number, line in zip(block.numbers, lines, strict=True)
        ]
        assert all(len(record.fields) == len(header.fields) for record in plain)
        found += sorted([*plain, *block.islands], key=lambda record: record.number)
    return found


@settings(max_examples=5 * settings().max_examples)
@given(
    FILES,
    st.sampled_from([(20, 30), (20, 16 << 20), (1 << 20, 16 << 20)]),
    st.sampled_from([1, 2, 3, 7, 1 << 20]),
    st.integers(1, 9),
    st.sampled_from([1, 9, 1 << 14]),
)
@example(b"\n" + b"a" * 18 + b'\r","' + b"b" * 10, (20, 30), 1 << 20, 1, 1)
@example(b"a,b\n" + b"," * (1 + (1 << 16)) + b"\n1,2\n", (1 << 20, 16 << 20), 1 << 20, 9, 1)
def test_blocks_hold_the_records_that_the_exact_reader_reads(
    data: bytes, limits: tuple[int, int], block: int, lines: int, decoded: int
) -> None:
    record, line = limits
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD", record)
        patch.setattr(records, "MAX_LINE", line)
        patch.setattr(blocks, "BLOCK", block)
        patch.setattr(blocks, "LINES", lines)
        patch.setattr(blocks, "DECODED", decoded)
        if line < 100:  # a BOM counts for the length of an overlong line, and such a header is refused anyway
            data = data.removeprefix(BOM)
        assert by_blocks(data) == list(read_records(io.BytesIO(data)))


@pytest.mark.parametrize(("line", "limit"), [(b"x", 80 << 20), (b"x" * 99_999 + b"\n", 60 << 20)])
def test_memory_stays_bounded(line: bytes, limit: int) -> None:
    tracemalloc.start()
    try:
        reader = Blocks(Repeated(line, 96 << 20))
        assert reader.header()
        for _ in reader.read(1):
            pass
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()
