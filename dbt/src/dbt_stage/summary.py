"""The report of a build for people."""

from collections import Counter
from collections.abc import Sequence

from dbt_stage.build import Node

_LAYERS = ("marts",)


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
    """Say what was built with how many rows, and each warning with the number of rows it is about."""
    words = ", ".join(f"{number:,} {name.replace('_', ' ')}" for name, number in counts(nodes).items())
    lines = [f"dbt-stage build: {words} ({seconds:.1f} s)"]
    marts = sorted((node.name, node.rows) for node in nodes if node.schema in _LAYERS and node.rows is not None)
    width = max((len(name) for name, _ in marts), default=0)
    lines += [f"  {name:<{width}} {rows:>12,} rows" for name, rows in marts]
    for node in sorted(nodes, key=lambda node: node.name):
        if node.status == "warn":
            lines.append(f"  warning {node.name}: {node.failures:,} rows. {node.description}".rstrip())
    return "\n".join(lines)
