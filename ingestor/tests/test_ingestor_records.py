import csv
import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingestor_files import FILES, Repeated

from ingestor import records
from ingestor.records import Record, read_records


def read(data: bytes, **options: str) -> list[Record]:
    return list(read_records(io.BytesIO(data), **options))


Plain = tuple[bytes, list[str], str | None]


def plain(data: bytes) -> list[Plain]:
    return [(r.raw, r.fields, r.damage.type if r.damage else None) for r in read(data)]


def good(raw: bytes, *fields: str) -> Plain:
    return raw, list(fields), None


def bad(damage: str, raw: bytes, *fields: str) -> Plain:
    return raw, list(fields), damage


ODD = "a\x0b\x0c\x1c\x85\u2028b"
CASES = {
    "an empty file": (b"", []),
    "blank lines only": (b"\n\r\n\r", []),
    "LF": (b"a,b\n1,2\n", [good(b"a,b", "a", "b"), good(b"1,2", "1", "2")]),
    "CR LF": (b"a,b\r\n1,2\r\n", [good(b"a,b", "a", "b"), good(b"1,2", "1", "2")]),
    "lone CR": (b"a,b\r1,2\r", [good(b"a,b", "a", "b"), good(b"1,2", "1", "2")]),
    "CR, then CR LF: a blank line between": (b"a\r\r\nb", [good(b"a", "a"), good(b"b", "b")]),
    "no line end at the end": (b"a\n1", [good(b"a", "a"), good(b"1", "1")]),
    "a BOM": (b"\xef\xbb\xbfa\n1\n", [good(b"a", "a"), good(b"1", "1")]),
    "a BOM and nothing else": (b"\xef\xbb\xbf", []),
    "a second BOM is data": (b"\xef\xbb\xbf\xef\xbb\xbfa", [good(b"\xef\xbb\xbfa", "\ufeffa")]),
    "blank lines between records": (b"\n\na\n\r\n1\n\n", [good(b"a", "a"), good(b"1", "1")]),
    "a line of blanks is a record": (b"a\n \n", [good(b"a", "a"), good(b" ", " ")]),
    "two quotes are an empty field": (b'a\n""\n', [good(b"a", "a"), good(b'""', "")]),
    "line ends within quotes": (b'"a\r\nb\rc\n\n"\r\n1', [good(b'"a\r\nb\rc\n\n"', "a\r\nb\rc\n\n"), good(b"1", "1")]),
    "doubled quotes": (b'"a""b",c\n', [good(b'"a""b",c', 'a"b', "c")]),
    "a quote within an unquoted field is data": (b'a"b,c\n', [good(b'a"b,c', 'a"b', "c")]),
    "text behind a closing quote": (b'"a"b\n1\n', [bad("csv_error", b'"a"b'), good(b"1", "1")]),
    "a stray quote takes a second line along": (b'"a\nx"y\n1\n', [bad("csv_error", b'"a\nx"y'), good(b"1", "1")]),
    "a quote never closed": (b'a\n"b\nc\n', [good(b"a", "a"), bad("csv_error", b'"b\nc')]),
    "a quote opened by the last byte": (b'a\n"', [good(b"a", "a"), bad("csv_error", b'"')]),
    "a byte that is not UTF-8": (b"\xff,b\n1", [bad("undecodable", b"\xff,b", "\udcff", "b"), good(b"1", "1")]),
    "a surrogate is not UTF-8": (b"\xed\xa0\x80", [bad("undecodable", b"\xed\xa0\x80", "\udced\udca0\udc80")]),
    "a character cut by a comma": (b"\xc3,\xa9", [bad("undecodable", b"\xc3,\xa9", "\udcc3", "\udca9")]),
    "a NUL byte": (b"a\nx\0y\n", [good(b"a", "a"), bad("nul_byte", b"x\0y", "x\0y")]),
    "NUL and a byte that is not UTF-8": (b"\xff\0", [bad("undecodable", b"\xff\0", "\udcff\0")]),
    "a csv error hides what else is wrong": (b'"a"\xff\0\n', [bad("csv_error", b'"a"\xff\0')]),
    "other characters that Python takes for line ends": (ODD.encode(), [good(ODD.encode(), ODD)]),
}  # fmt: skip


@pytest.mark.parametrize("block", [records.BLOCK, 1, 2, 3])
@pytest.mark.parametrize("name", CASES)
def test_each_structure_has_its_one_reading_wherever_blocks_end(
    name: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, expected = CASES[name]
    monkeypatch.setattr(records, "BLOCK", block)
    assert plain(data) == expected


def test_records_are_numbered_from_0_and_damaged_ones_count() -> None:
    found = read(b'a,b\n\n1,2\n"x"y\n\xff\n3,4\n')
    assert [(r.number, r.damage and r.damage.type) for r in found] == [
        (0, None), (1, None), (2, "csv_error"), (3, "undecodable"), (4, None)
    ]  # fmt: skip


def test_damage_says_where_it_is() -> None:
    _, byte, nul = read(b"a\nab\xe9\nx\0\n")
    assert byte.damage is not None
    assert nul.damage is not None
    assert byte.damage.message == "byte 3 of the record, 0xe9, is not UTF-8"
    assert nul.damage.message == "byte 2 of the record is NUL"


def test_another_delimiter_separates_fields() -> None:
    assert [r.fields for r in read(b'a;"b;c"\n1,2;3\n', delimiter=";")] == [["a", "b;c"], ["1,2", "3"]]


def test_of_a_record_too_long_only_its_first_line_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_RECORD", 30)
    data = b'h\n1,"open\n' + b"".join(b"%d,row\n" % n for n in range(2, 9))
    first, *rest = plain(data)[1:]
    assert first == (b'1,"open', [], "record_too_long")
    assert rest == [(b"%d,row" % n, [str(n), "row"], None) for n in range(2, 9)]


def test_lines_given_back_can_be_part_of_another_record_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_RECORD", 30)
    # Each of the first two lines leaves a quote open that nothing closes within 30 bytes.
    data = b'a","1\nb","2\n' + b"c\n" * 20 + b'"d\ne"\n'
    found = plain(data)
    assert [f[2] for f in found[:2]] == ["record_too_long"] * 2
    assert found[2:] == [(b"c", ["c"], None)] * 20 + [(b'"d\ne"', ["d\ne"], None)]


@pytest.mark.parametrize(("size", "damage"), [(1 << 20, None), ((1 << 20) + 1, "record_too_long")])
def test_a_record_has_at_most_one_mebibyte(size: int, damage: str | None) -> None:
    line = b"x" * (size - 1) + b"\n"
    assert [(len(r.raw), r.damage and r.damage.type) for r in read(line + b"1\n")] == [(size - 1, damage), (1, None)]


@pytest.mark.parametrize("block", [records.BLOCK, *range(1, 8)])
def test_both_bytes_of_a_line_end_count_wherever_blocks_end(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_RECORD", 5)
    monkeypatch.setattr(records, "BLOCK", block)
    assert plain(b"abc\r\nabcd\r\n") == [good(b"abc", "abc"), bad("record_too_long", b"abcd")]


@pytest.mark.parametrize("block", [1, 7, 64, records.BLOCK])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_of_an_overlong_line_the_beginning_is_kept_and_said(
    end: bytes, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MAX_RECORD", 10)
    monkeypatch.setattr(records, "MAX_LINE", 16)
    monkeypatch.setattr(records, "BLOCK", block)
    long, after = read(b"0123456789abcdef" + b"x" * 100 + end + b"1" + end)
    assert long.raw == b"0123456789abcdef"
    assert long.damage is not None
    assert "only the first 16 bytes are kept here; the raw object holds all of it" in long.damage.message
    assert (after.raw, after.damage) == (b"1", None)


@pytest.mark.parametrize(("line", "limit"), [(b"x", 80 << 20), (b"x" * 99_999 + b"\n", 4 << 20)])
def test_memory_stays_bounded(line: bytes, limit: int) -> None:
    tracemalloc.start()
    try:
        for _ in read_records(Repeated(line, 96 << 20)):
            pass
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


@given(FILES, st.sampled_from([20, 1 << 20]), st.integers(1, 9))
def test_every_byte_of_a_file_is_in_one_record_or_a_line_end(data: bytes, max_record: int, block: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD", max_record)
        whole = read(data)
        patch.setattr(records, "BLOCK", block)
        assert read(data) == whole
    rest = data.removeprefix(b"\xef\xbb\xbf")
    for number, record in enumerate(whole):
        rest = rest.lstrip(b"\r\n")
        assert record.number == number
        assert record.raw
        assert rest.startswith(record.raw)
        rest = rest[len(record.raw) :]
    assert not rest.strip(b"\r\n")


@given(FILES)
def test_a_file_that_the_csv_module_can_read_has_its_records(data: bytes) -> None:
    text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    try:
        expected = [fields for fields in csv.reader(io.StringIO(text, newline=""), strict=True) if fields]
    except csv.Error:
        assert "csv_error" in [f[2] for f in plain(data)]
    else:
        assert [r.fields for r in read(data)] == expected
