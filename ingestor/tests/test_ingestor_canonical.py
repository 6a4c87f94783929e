import csv
import io
import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor import canonical
from libs.entities import contract_of


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", ""), ("plain", "plain"), (" a b ", " a b "), ("a,b", '"a,b"'), ('a"b', '"a""b"'),
        ("a\nb", '"a\nb"'), ("a\rb", '"a\rb"'), ("é", "é"), ("a;b", "a;b"), ("'a'", "'a'"),
    ],
)  # fmt: skip
def test_only_comma_quote_cr_and_lf_are_quoted(text: str, written: str) -> None:
    assert canonical.field(text) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("1.50", "1.50"), ("0001.5", "1.5"), ("-0", "0"), ("-0.00", "0.00"), ("0.0000", "0.0000"), ("-2.5", "-2.5"),
        ("0.00000001", "0.00000001"), ("1E+3", "1000"),
    ],
)  # fmt: skip
def test_decimals_are_plain_with_the_scale_as_it_came(value: str, written: str) -> None:
    assert canonical.decimal(Decimal(value)) == written


def test_times_end_with_z_and_show_microseconds_only_where_there_are_some() -> None:
    assert canonical.timestamp(datetime(2025, 11, 15, 9, 5, 0, tzinfo=UTC)) == "2025-11-15T09:05:00Z"
    assert canonical.timestamp(datetime(1900, 1, 1, 0, 0, 0, 120, tzinfo=UTC)) == "1900-01-01T00:00:00.000120Z"


def test_a_row_stands_in_the_contracts_order_with_nulls_empty() -> None:
    contract = contract_of("customers")
    row = contract.model_validate(
        {
            "updated_at": "2025-11-15T10:00:00+02:00",
            "created_at": "2025-11-15T07:00:00",
            "marketing_opt_in": "false",
            "customer_id": "C1",
            "city": 'Bad "X", Y',
        }
    )
    written = canonical.RowFormat(contract.columns())
    assert written.header.startswith("customer_id,email,")
    assert written.line(vars(row)) == ('C1,,,,,,,"Bad ""X"", Y",,,,false,2025-11-15T07:00:00Z,2025-11-15T08:00:00Z\n')


TEXTS = st.lists(st.text(st.sampled_from('a,"\n\r é;'), max_size=5), min_size=2, max_size=5)


@given(TEXTS)
def test_what_is_written_reads_back_and_is_quoted_no_more_than_needed(fields: list[str]) -> None:
    written = canonical.line(fields)
    assert list(csv.reader(io.StringIO(written, newline=""), strict=True)) == [fields]
    assert all(re.search('[,"\r\n]', text) for text in fields if canonical.field(text) != text)
