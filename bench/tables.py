"""What was measured, as Markdown and as a plot."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path

from processes import Usage

_ORDER = ("columnar", "reference", "pandera", "dlt", "polars", "duckdb", "cp")


@dataclasses.dataclass(frozen=True)
class Result:
    """What a side used for so many rows, run by run, and how it differs from the reference, where it was compared.

    `differences` are records wrongly accepted and wrongly rejected; `alike` tells whether all objects are the same.
    """

    rows: int
    usages: list[Usage]
    differences: tuple[int, int] | None = None
    alike: bool | None = None

    @property
    def speed(self) -> float:
        """Rows a second."""
        return self.rows / statistics.median(usage.wall for usage in self.usages)

    @property
    def peak(self) -> float:
        """Peak memory in MB: the median of the runs' peaks."""
        return statistics.median(usage.peak for usage in self.usages) * 1000


def percent(share: float) -> str:
    """Write a share in hundredths."""
    return f"{100 * share:g} %"


def table(title: str, told: str, results: Mapping[str, Result]) -> str:
    """Return the sides of a case as Markdown."""
    alike = {None: "", True: "; objects and manifests of both engines: the same", False: "; OBJECTS NOT THE SAME"}
    lines = [
        f"### {title}",
        "",
        f"{told}{alike[results['columnar'].alike]}.",
        "",
        "| | rows | wall s | rows/s | CPU s | peak MB | columnar / this | verdicts that differ |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for side in _ordered(results):
        found = results[side]
        wall, cpu = (statistics.median(of) for of in zip(*((one.wall, one.cpu) for one in found.usages), strict=True))
        used = f"{found.rows:,} | {wall:.2f} | {found.speed:,.0f} | {cpu:.2f} | {found.peak:.0f}"
        lines.append(f"| {side} | {used} | {_against(results['columnar'], found)} | {_differing(found)} |")
    return "\n".join([*lines, ""])


def targets(
    by_rate: Mapping[float, Mapping[str, Result]],
    large: Sequence[tuple[float, Mapping[str, Result]]],
    every: Sequence[Mapping[str, Result]],
) -> str:
    """Return as Markdown what was asked for and what was measured; what was not measured is left out.

    Measured are ratios of medians, and these are held against what was asked; run by run, medians and ranges of ratios.
    """
    lines = ["### Targets", "", "| asked for | measured | run by run | |", "|---|---|---|---|"]

    def add(asked: str, measured: float, bound: float, unit: str, *, pairs: str = "", most: bool = False) -> None:
        met = measured <= bound if most else measured >= bound
        verdict = "met" if met else f"missed by {abs(measured / bound - 1):.0%}"
        lines.append(f"| {asked} | {measured:.3g} {unit} | {pairs} | {verdict} |")

    def faster(found: Mapping[str, Result], than: str, bound: float, asked: str) -> None:
        columnar, other = found["columnar"], found[than]
        add(asked, columnar.speed / other.speed, bound, "×", pairs=_against(columnar, other))

    def file(rate: float, found: Mapping[str, Result]) -> str:
        return f"{found['columnar'].rows / 1e6:g} M rows, {percent(rate)} damaged"

    for rate, found in [*by_rate.items(), *large]:
        faster(found, "polars", 0.5, f"≥ 0.5 × Polars' rewrite, {file(rate, found)}")
        if bound := {0.01: 12, 0.1: 5}.get(rate):
            faster(found, "reference", bound, f"≥ {bound} × the reference, {file(rate, found)}")
        faster(found, "dlt", 50, f"≥ 50 × dlt, {file(rate, found)}")
    for rate, found in large:
        peak = found["columnar"].peak
        add(f"peak memory, {file(rate, found)}, ≤ 400 MB", peak, 400, "MB", most=True)
        if small := by_rate.get(rate):
            of = small["columnar"]
            add(f"… ≤ 1.1 × that at {of.rows / 1e6:g} M", peak / of.peak, 1.1, "×", most=True)
    compared = [found["columnar"] for found in every if found["columnar"].differences is not None]
    if compared:
        differing = sum(sum(found.differences or ()) for found in compared)
        alike = sum(found.alike or False for found in compared)
        met = "met" if not differing and alike == len(compared) else "missed"
        measured = f"{differing} verdicts differ, objects the same for {alike} of {len(compared)} files both read whole"
        lines.append(f"| no difference from the reference | {measured} | | {met} |")
    return "\n".join([*lines, ""])


def plot(file: Path, by_rate: Mapping[float, Mapping[str, Result]]) -> None:
    """Draw the rows a second of each side, on a logarithmic scale, a group of bars for each fault rate."""
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams["svg.hashsalt"] = file.name  # the same figures, the same bytes
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axes = figure.subplots()
    sides = _ordered(next(iter(by_rate.values())))
    width = 0.8 / len(by_rate)
    for place, (rate, found) in enumerate(by_rate.items()):
        lefts = [number + (place - (len(by_rate) - 1) / 2) * width for number in range(len(sides))]
        bars = axes.bar(lefts, [found[side].speed for side in sides], width, label=f"{percent(rate)} damaged")
        axes.bar_label(bars, [_short(found[side].speed) for side in sides], fontsize=7)
    axes.set_xticks(range(len(sides)), sides)
    least = min(found[side].speed for found in by_rate.values() for side in sides)
    axes.set_yscale("log")
    axes.set_ylim(bottom=10 ** math.floor(math.log10(least)))
    axes.set_ylabel("rows a second")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(file, format="svg", metadata={"Date": None})


def _ordered(results: Mapping[str, Result]) -> list[str]:
    return [side for side in _ORDER if side in results]


def _against(columnar: Result, other: Result) -> str:
    """Return median and range of the columnar engine's speed by another's, over the runs side by side."""
    pairs = zip(columnar.usages, other.usages, strict=False)  # what runs once has the first
    ratios = [columnar.rows / one.wall / (other.rows / this.wall) for one, this in pairs]
    return f"{statistics.median(ratios):.3g} ({min(ratios):.3g}–{max(ratios):.3g})"


def _differing(found: Result) -> str:
    if found.differences is None:
        return ""
    accepted, rejected = found.differences
    return f"{accepted:,} accepted, {rejected:,} rejected" if accepted or rejected else "0"


def _short(speed: float) -> str:
    return f"{speed / 1e6:.2g} M" if speed >= 1e6 else f"{speed / 1e3:.0f} k"
