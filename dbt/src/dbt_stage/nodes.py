"""What became of the nodes of dbt's graph, and how it is told."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

from libs.stage.report import Outcome

_BUILT = ("model", "seed", "snapshot")


@dataclasses.dataclass(frozen=True)
class Node:
    """The result of one node of dbt's graph. `failures` counts a test's failing rows, `rows` a built table's."""

    id: str
    name: str
    type: str
    schema: str
    table: str
    materialized: str
    status: str
    seconds: float
    failures: int = 0
    message: str = ""
    description: str = ""
    rows: int | None = None

    @property
    def is_built(self) -> bool:
        """Whether it is something that dbt makes in the warehouse."""
        return self.type in _BUILT

    @property
    def is_table(self) -> bool:
        """Whether it is a table that now stands there anew."""
        return self.is_built and self.materialized != "view" and self.status == "success"

    def outcome(self) -> Outcome:
        """Return what the report says of the node; a warning is not a failure."""
        numbers = {"rows": self.rows} if self.rows is not None else {}
        if not self.is_built and self.status in ("pass", "warn", "fail"):
            numbers["failing_rows"] = self.failures
        details = {"type": self.type, "result": self.status, "seconds": round(self.seconds, 3)}
        if self.description and self.status in ("warn", "fail"):
            details["description"] = self.description
        error = self._error()
        return Outcome(self.name, None, "failed" if error else "done", numbers, details, error)

    def _error(self) -> str | None:
        match self.status:
            case "success" | "pass" | "warn" | "no-op":
                return None
            case "fail":
                return f"{in_rows(self.failures)}: {self.description or self.message}"
            case "skipped":
                return "skipped, for something that it depends on failed"
        return one_line(self.message) or f"dbt ended it with {self.status!r} and no message"


def counts(nodes: Sequence[Node]) -> dict[str, int]:
    """Count what was built and how the tests ended."""
    built = Counter(node.status for node in nodes if node.is_built)
    tested = Counter(node.status for node in nodes if not node.is_built)
    return {
        "built": built["success"] + built["no-op"],
        "tests_passed": tested["pass"],
        "tests_warned": tested["warn"],
        "failed": sum(both[bad] for both in (built, tested) for bad in ("fail", "error", "runtime error")),
        "skipped": built["skipped"] + tested["skipped"],
    }


def render(nodes: Sequence[Node], seconds: float) -> str:
    """Say what was built, the rows of each mart, and each warning with the number of rows that it is about."""
    words = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts(nodes).items())
    lines = [f"dbt-stage build: {words} ({seconds:.1f} s)"]
    marts = sorted((node.name, node.rows) for node in nodes if node.schema == "marts" and node.rows is not None)
    width = max((len(name) for name, _ in marts), default=0)
    lines += [f"  {name:<{width}} {rows:>12,} rows" for name, rows in marts]
    for node in sorted(nodes, key=lambda node: node.name):
        if node.status == "warn":
            lines.append(f"  warning: {node.name}, {in_rows(node.failures)}: {node.description or node.message}")
    return "\n".join(lines)


def in_rows(number: int) -> str:
    """Return a number of rows in words."""
    return f"{number:,} row" if number == 1 else f"{number:,} rows"


def one_line(message: str) -> str:
    """Return dbt's message as one line, without the stack of macros; a hook's message speaks for itself."""
    lines = [line.strip() for line in message.splitlines()]
    lines = [line for line in lines if line and not line.startswith("> ")]
    if len(lines) > 1 and " in operation " in lines[0]:
        lines = lines[1:]
    return " ".join(lines)
