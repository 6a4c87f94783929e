"""A real shop's files, through the README's command, compared with figures computed twice by other means."""

from pathlib import Path

import pytest
from stages import OLIST, call, objects, query, tables


@pytest.fixture(scope="module")
def olist(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run `./justw demo-olist` once; return where it put things, and what it said."""
    if not OLIST.is_dir():
        pytest.skip("the real shop's files are not at ../shared/data/olist")
    data = tmp_path_factory.mktemp("olist")
    return data, call(data, "./justw", "demo-olist").stdout


def test_olist_arrives_to_the_cent(olist: tuple[Path, str]) -> None:
    data, said = olist
    warehouse = data / "olist" / "olist.duckdb"
    figures = """
        select
            count(*), count(*) filter (where is_order), count(*) filter (where not is_counted),
            sum(gross_sales)::varchar,
            (sum(shipping) filter (where is_counted))::varchar,
            (select sum(settled_amount)::varchar from marts.fct_payments), (select count(*) from marts.fct_payments),
            (select count(*) from marts.fct_order_items), (select sum(units_sold)::int from marts.fct_order_items),
            round(sum(gross_sales - discounts) / count(*) filter (where is_order), 4)::decimal(18, 4)::varchar
        from marts.fct_orders
    """
    assert query(warehouse, figures) == [
        (29355, 28113, 1234, "3916655.8200", "649053.0900", "4837056.6300", 30942, 32719, 32170, "139.3183")
    ]
    days = "select count(*), min(date_day)::varchar, max(date_day)::varchar from marts.daily_sales"
    assert query(warehouse, days) == [(774, "2016-09-04", "2018-10-17")]
    assert "Quarantined records: 0" in said
    assert "NO" not in said.split("From the files to the marts")[1]


def test_a_second_run_of_olist_changes_nothing(olist: tuple[Path, str]) -> None:
    data = olist[0] / "olist"
    before = objects(data / "lake"), tables(data / "olist.duckdb")
    call(olist[0], "./justw", "demo-olist")
    assert (objects(data / "lake"), tables(data / "olist.duckdb")) == before
