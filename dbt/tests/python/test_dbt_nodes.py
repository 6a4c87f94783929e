"""How results of dbt's nodes are told."""

from dbt_stage.nodes import Node, counts, one_line, render

ORDERS = Node("model.shop.fct_orders", "fct_orders", "model", "marts", "fct_orders", "table", "success", 0.5, rows=1234)
VIEW = Node("model.shop.stg_orders", "stg_orders", "model", "staging", "stg_orders", "view", "success", 0.1)


def a_test(status: str, failures: int = 0, message: str = "", description: str = "") -> Node:
    return Node("test.shop.t", "t", "test", "audit", "t", "test", status, 0.1, failures, message, description)


def test_a_report_for_people_tells_rows_of_marts_and_warnings() -> None:
    told = render([ORDERS, VIEW, a_test("pass"), a_test("warn", 2, description="Lines of nothing.")], 3.21)
    assert told.splitlines() == [
        "dbt-stage build: 2 built, 1 tests passed, 1 tests warned, 0 failed, 0 skipped (3.2 s)",
        "  fct_orders        1,234 rows",
        "  warning: t, 2 rows: Lines of nothing.",
    ]


def test_every_way_to_fail_is_counted_as_one() -> None:
    bad = [a_test("fail", 1), a_test("error"), a_test("skipped")]
    assert counts([ORDERS, *bad]) == {"built": 1, "tests_passed": 0, "tests_warned": 0, "failed": 2, "skipped": 1}
    assert [node.outcome().status for node in bad] == ["failed"] * 3


def test_a_warning_is_no_failure() -> None:
    outcome = a_test("warn", 3, description="Lines of nothing.").outcome()
    assert (outcome.status, outcome.error, outcome.numbers) == ("done", None, {"failing_rows": 3})
    assert outcome.details["description"] == "Lines of nothing."


def test_a_failed_test_says_how_many_rows_and_what_they_break() -> None:
    assert a_test("fail", 1, description="Money is lost.").outcome().error == "1 row: Money is lost."
    assert a_test("fail", 2000, "Got 2000 results").outcome().error == "2,000 rows: Got 2000 results"


def test_an_error_of_dbt_is_one_line_without_its_stack() -> None:
    message = "Runtime Error in model a (models/a.sql)\n  Parser Error: syntax\n\n  LINE 1: x\n  > in macro b (c.sql)"
    assert one_line(message) == "Runtime Error in model a (models/a.sql) Parser Error: syntax LINE 1: x"
    assert a_test("error", message=message).outcome().error == one_line(message)


def test_a_hook_speaks_for_itself() -> None:
    assert (
        one_line("Compilation Error in operation shop-on-run-start-0 (./x.yml)\n  run this first\n") == "run this first"
    )
