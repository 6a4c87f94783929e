import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingestor_files import DAY, Judged, columns, file, judged, row
from pydantic import ValidationError

from ingestor import canonical, records
from ingestor.partition import samples
from ingestor.records import read_records
from ingestor.validate import versions
from ingestor.validate.engine import RefusedError
from ingestor.validate.versions import Versions
from libs.entities import ENTITIES, contract_of
from libs.errors import StageError
from libs.manifest import Drift, Rows


@pytest.mark.parametrize("entity", ENTITIES)
def test_a_canonical_file_is_validated_as_it_is(entity: str) -> None:
    data = file(entity, row(entity))
    found = judged(entity, data)
    assert found.validated == data
    assert found.quarantine == b"row_number,record,record_encoding,errors\n"
    assert found.judgement.rows == Rows(raw=1, validated=1, quarantined=0)


def test_columns_may_stand_in_any_order_with_crlf_bom_and_blank_lines() -> None:
    rows = [row("orders"), row("orders", order_id="O2", ship_city='a "b",\nc')]
    names = columns("orders")[::-1]
    data = file("orders", *rows, names=names)
    crlf = b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n").replace(b",\r\nc", b",\nc").replace(b"\r\nO2", b"\r\n\r\nO2")
    for variant in (data, crlf):
        assert judged("orders", variant).validated == file("orders", *rows)


def test_a_header_alone_is_a_day_on_which_nothing_happened() -> None:
    found = judged("orders", file("orders"))
    assert found.validated == file("orders")
    assert found.judgement.rows == Rows(raw=0, validated=0, quarantined=0)
    assert found.judgement.errors == {}


def test_a_nullable_column_missing_is_null_and_one_too_many_is_left_out_and_both_are_drift() -> None:
    names = [name for name in columns("orders") if name not in ("channel", "ship_city")]
    found = judged("orders", file("orders", row("orders") | {"x": "1", "a": "2"}, names=["x", *names, "a"]))
    assert found.judgement.drift == Drift(missing=("channel", "ship_city"), extra=("x", "a"))
    assert found.rows == [row("orders", ship_city="")]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "it is empty; a day on which nothing happened has a header"),
        (b"\n\r\n", "it is empty"),
        (b"\xef\xbb\xbf", "it is empty"),
        (file("orders").decode().encode("utf-16"), "it looks like UTF-16: save it as UTF-8"),
        (file("orders").decode().encode("utf-16-le"), "it looks like UTF-16: save it as UTF-8"),
        (b"order_id,st\xe4dt\n", "its header is damaged: byte 12 of the record, 0xe4, is not UTF-8"),
        (b'"order_id"x,kind\n', "its header is damaged: no CSV record"),
        (b'"order_id\n', "its header is damaged: no CSV record: unexpected end of data"),
        (b"order_id,kind,order_id,x,kind\n", "its header names columns more than once: order_id, kind"),
        (file("orders", names=[*columns("orders"), "", ""]), "its header names columns more than once: (no name)"),
        (
            file("orders", names=["Total", *(c for c in columns("orders") if c not in ("total", "kind"))]),
            "its header lacks required columns: kind, total; it has unknown ones: Total",
        ),
        (file("orders").replace(b",", b";"), "updated_at; its fields seem to be separated by semicolons, they must be"),
        (file("orders").replace(b",", b"\t"), "its fields seem to be separated by tabs"),
    ],
)
def test_a_file_whose_header_cannot_be_used_is_refused_in_words(data: bytes, says: str) -> None:
    with pytest.raises(RefusedError) as refused:
        judged("orders", data)
    assert says in str(refused.value)


def with_line(line: bytes) -> Judged:
    """Judge a file whose second of three rows is this line."""
    header, first = file("payments", row("payments")).splitlines(keepends=True)
    return judged("payments", header + first + line + b"\n" + first.replace(b"B1", b"B3"))


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"B2,O1", "ragged_row"),
        (b"B2" + b"," * 20, "ragged_row"),
        (b" ", "ragged_row"),
        (b'B2,"O1"x', "csv_error"),
        (b"B2,\xff", "undecodable"),
        (b"B2,\0", "nul_byte"),
        (b'B2,"\0"\xff', "csv_error"),
        (b"B2," + b"x" * (1 << 20), "record_too_long"),
    ],
)
def test_a_damaged_record_is_quarantined_whole_with_its_one_error(line: bytes, error: str) -> None:
    found = with_line(line)
    ((number, record, errors),) = found.rejected
    assert (number, record) == (2, line)
    assert [(e["field"], e["type"], e["value"]) for e in errors] == [(None, error, None)]
    assert found.judgement.errors == {error: 1}
    assert [r["payment_id"] for r in found.rows] == ["B1", "B3"]


def test_a_ragged_row_tells_both_numbers() -> None:
    ((_, _, errors),) = with_line(b"B2,O1,").rejected
    assert errors[0]["message"] == "the header names 13 columns, the record has 3 fields"


def test_an_unclosed_quote_costs_its_line_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_RECORD", 400)
    rows = [row("payments", payment_id=f"B{n}") for n in range(20)]
    data = file("payments", *rows).replace(b"\nB4,", b'\n"B4,')
    found = judged("payments", data)
    assert found.first_errors == [(5, None, "record_too_long")]
    assert [r["payment_id"] for r in found.rows] == [f"B{n}" for n in range(20) if n != 4]


def test_quarantine_holds_bytes_that_are_no_text_as_base64() -> None:
    errors = (
        '[{"field": null, "type": "undecodable", "message": "byte 4 of the record, 0xff, is not UTF-8", "value": null}]'
    )
    assert with_line(b"B2,\xff,\r").quarantine.decode().splitlines() == [
        "row_number,record,record_encoding,errors",
        canonical.line(["2", "QjIs/yw=", "base64", errors]).removesuffix("\n"),
    ]


def test_errors_of_fields_name_the_text_as_it_stood_in_the_file() -> None:
    bad = row("orders", kind="gift", total="1e3", order_id="", ordered_at="2025-11-15")
    ((number, _, errors),) = judged("orders", file("orders", row("orders"), bad)).rejected
    assert number == 2
    assert [(e["field"], e["type"], e["value"]) for e in errors] == [
        ("order_id", "missing", None),
        ("kind", "kind_unknown", "gift"),
        ("total", "money_format", "1e3"),
        ("ordered_at", "timestamp_format", "2025-11-15"),
    ]
    assert errors[2]["message"] == "expected a plain decimal such as 12.50"


def test_broken_rules_are_errors_each_with_the_text_of_its_field() -> None:
    bad = row("orders", total="011.505", updated_at="2025-11-14T09:30:00+00:00")
    ((_, _, errors),) = judged("orders", file("orders", bad)).rejected
    assert [(e["field"], e["type"], e["value"]) for e in errors] == [
        ("updated_at", "time_order", "2025-11-14T09:30:00+00:00"),
        ("total", "total_mismatch", "011.505"),
        ("total", "minor_unit", "011.505"),
    ]
    nobody = judged("payments", file("payments", row("payments", order_id="")))
    assert [(e["field"], e["type"], e["value"]) for e in nobody.rejected[0][2]] == [("order_id", "none_given", None)]


def test_an_event_later_than_a_day_after_the_partition_is_quarantined() -> None:
    later = {"ordered_at": "2025-11-17T00:00:00Z", "updated_at": "2025-11-17T00:00:00Z"}
    grace = {"ordered_at": "2025-11-16T23:59:59Z", "updated_at": "2025-11-17T00:00:00Z"}
    found = judged("orders", file("orders", row("orders", **later), row("orders", order_id="O2", **grace)))
    assert found.first_errors == [(1, "ordered_at", "future_date")]


def test_of_the_same_version_twice_the_first_valid_row_stays() -> None:
    other_time = "2025-11-15T10:30:00+01:00"  # the same instant as 09:30Z
    rows = [
        row("order_items", line_total="8.00"),  # not valid: does not count
        row("order_items", line_number="1"),
        row("order_items", line_number="01", updated_at=other_time),
        row("order_items", line_number="2"),
        row("order_items", updated_at="2025-11-15T09:30:01Z"),
        row("order_items"),
    ]
    found = judged("order_items", file("order_items", *rows))
    assert found.first_errors == [
        (1, "line_total", "total_mismatch"), (3, None, "duplicate_version"), (6, None, "duplicate_version")
    ]  # fmt: skip
    assert found.rejected[1][2][0]["message"] == "order_id and line_number and updated_at are those of row 2"
    assert found.judgement.errors == {"duplicate_version": 2, "total_mismatch": 1}


@given(st.lists(st.integers(0, 30).map(str)), st.integers(1, 7))
def test_versions_that_went_to_disk_are_remembered_all_the_same(keys: list[str], in_memory: int) -> None:
    seen: dict[str, int] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(versions, "IN_MEMORY", in_memory)
        found = Versions()
        for number, key in enumerate(keys):
            assert found.earlier(key, number) == seen.get(key)
            seen.setdefault(key, number)
        found.close()


def test_where_versions_cannot_go_to_disk_the_run_fails_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "IN_MEMORY", 1)
    found = Versions()
    found.earlier("a", 1)
    found.close()
    with pytest.raises(StageError, match=r"cannot remember the keys of the file .*: is the temporary folder full"):
        found.earlier("b", 2)


def test_samples_are_the_first_records_of_quarantine_with_long_values_shortened() -> None:
    bad = [row("orders", order_id=f"O{n}", kind="x" * 300) for n in range(3)]
    found = judged("orders", file("orders", row("orders"), *bad))
    first, second = samples(io.BytesIO(found.quarantine), 2)
    assert first == {**second, "row_number": 2}
    assert (second["row_number"], second["field"], second["type"]) == (3, "kind", "kind_unknown")
    assert second["value"] == "x" * 200


ENTITY = st.sampled_from(sorted(ENTITIES))
ODDITIES = [
    b"", b"\n", b"\r", b"\r\n", b'"', b'""', b",", b",,", b"\0", b"\xff", b"\xc3", "é€".encode(), b" ", b"-", b"0",
    b"9", b"1e3", b"true", b"\xef\xbb\xbf", b'"a\nb"', b"2025-11-15T09:30:00", b"Z", b".", b"x" * 200,
]  # fmt: skip


@st.composite
def mutated_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """A good file of an entity in which some spots behind the header were overwritten, cut out or added to."""
    entity = draw(ENTITY)
    key = contract_of(entity).key[0]
    count = draw(st.integers(0, 6))
    data = bytearray(file(entity, *(row(entity, **{key: f"K{draw(st.integers(0, 4))}"}) for _ in range(count))))
    header = len(file(entity))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(header, len(data)))
        data[at : at + draw(st.integers(0, 3))] = draw(st.sampled_from(ODDITIES))
    return entity, bytes(data)


@given(mutated_files(), st.sampled_from([300, 1 << 20]))
def test_every_record_is_in_exactly_one_of_validated_and_quarantine(mutated: tuple[str, bytes], limit: int) -> None:
    entity, data = mutated
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "MAX_RECORD", limit)
        found = judged(entity, data)
        _, *arrived = read_records(io.BytesIO(data))
    rows, rejected = found.judgement.rows, found.rejected
    assert (rows.validated, rows.quarantined) == (len(found.rows), len(rejected))
    assert rows.raw == rows.validated + rows.quarantined == len(arrived)
    by_number = {record.number: record for record in arrived}
    assert [number for number, _, _ in rejected] == sorted({number for number, _, _ in rejected})
    for number, raw, errors in rejected:
        assert by_number.pop(number).raw == raw
        assert raw in data
        assert errors
    # What is left in the order of the file is what was validated, field by field as Pydantic reads it.
    names = columns(entity)
    for record, written in zip(by_number.values(), found.rows, strict=True):
        assert parsed(entity, record.fields) == parsed(entity, [written[name] for name in names])
    counted: dict[str, int] = {}
    for error in (error for _, _, errors in rejected for error in errors):
        counted[error["type"]] = counted.get(error["type"], 0) + 1
    assert found.judgement.errors == counted


@given(mutated_files())
def test_verdict_and_errors_of_every_whole_record_are_pydantics(mutated: tuple[str, bytes]) -> None:
    entity, data = mutated
    found = judged(entity, data)
    rejected = {number: errors for number, _, errors in found.rejected}
    names = columns(entity)
    for record in list(read_records(io.BytesIO(data)))[1:]:
        if record.damage is not None or len(record.fields) != len(names):
            assert len(rejected[record.number]) == 1
            continue
        texts = {name: text for name, text in zip(names, record.fields, strict=True) if text}
        verdict = parsed(entity, record.fields)
        if isinstance(verdict, ValidationError):
            assert rejected[record.number] == [
                {"field": e["loc"][0], "type": e["type"], "message": e["msg"], "value": texts.get(str(e["loc"][0]))}
                for e in verdict.errors()
            ]
        elif record.number in rejected:
            assert [e["type"] for e in rejected[record.number]] == ["duplicate_version"]


def parsed(entity: str, fields: list[str]) -> object:
    """What the contract reads from fields in the contract's order, or its ValidationError."""
    texts = {name: text for name, text in zip(columns(entity), fields, strict=True) if text}
    try:
        return contract_of(entity).model_validate(texts, context=DAY)
    except ValidationError as error:
        return error


@given(mutated_files())
def test_what_was_validated_is_validated_again_byte_for_byte(mutated: tuple[str, bytes]) -> None:
    once = judged(*mutated)
    again = judged(mutated[0], once.validated)
    assert again.validated == once.validated
    assert again.judgement.rows.quarantined == 0


@given(mutated_files())
def test_quarantine_is_canonical_csv_of_json(mutated: tuple[str, bytes]) -> None:
    found = judged(*mutated)
    for record in list(read_records(io.BytesIO(found.quarantine)))[1:]:
        assert record.damage is None
        assert json.loads(record.fields[3])
