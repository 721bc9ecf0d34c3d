"""The figures of a benchmark as tables, for a terminal and for a page of the documentation."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import rich.table

from benchmarks.process import Cost

# What the project asks of itself on the large study, beside the figure that it is asked of.
GOALS = {"wall time": "at most 1", "peak memory": "at most 0.8", "importing": "below 1.5 s", "loading": "at most 10"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A heading row and rows of text."""

    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.heading) for row in self.rows):
            raise ValueError("every row must have as many cells as the heading")

    def for_terminal(self) -> rich.table.Table:
        """For rich to print."""
        table = rich.table.Table(*self.heading)
        for row in self.rows:
            table.add_row(*row)
        return table

    def as_markdown(self) -> str:
        """For the documentation."""
        lines = [self.heading, tuple("---" for _ in self.heading), *self.rows]
        return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def side_by_side(ours: Sequence[Cost], stock: Sequence[Cost]) -> Table:
    """Medians with their range, and the median of the ratios pair by pair, run by run in the order they were made."""
    rows = []
    for name, unit, attribute, places in (
        ("wall time", "s", "wall_s", 2),
        ("processor time", "s", "cpu_s", 2),
        ("peak memory", "MiB", "peak_mib", 0),
    ):
        us, them = ([getattr(cost, attribute) for cost in costs] for costs in (ours, stock))
        ratios = [a / b for a, b in zip(us, them, strict=True)]
        cells = (_spread(us, places), _spread(them, places), _spread(ratios, 2))
        rows.append((f"{name}, {unit}", *cells, GOALS.get(name, "")))
    return Table(heading=("", "this program", "stock pipeline", "ratio", "goal"), rows=tuple(rows))


def floor_table(floor: Mapping[str, float], imports: Sequence[float]) -> Table:
    """The floor: importing, bytes, headers, phases, network."""
    read_s, loaded_s = floor["bytes_s"], floor["phases_s"]
    return Table(
        heading=("", "s", "times the bytes", "goal"),
        rows=(
            ("importing the application", _spread(imports, 2), "", GOALS["importing"]),
            ("reading the bytes of the five phases", f"{read_s:.3f}", "1", ""),
            ("reading the headers of the study", f"{floor['headers_s']:.3f}", f"{floor['headers_s'] / read_s:.1f}", ""),
            ("loading the five phases", f"{loaded_s:.3f}", f"{loaded_s / read_s:.1f}", GOALS["loading"]),
            ("one run of the network", f"{floor['network_s']:.3f}", "", ""),
        ),
    )


def step_table(timings: Sequence[Mapping[str, float]]) -> Table:
    """Seconds of each step that the program times itself, over the same runs."""
    rows = tuple((name, _spread([timing[name] for timing in timings], 2)) for name in timings[0])
    return Table(heading=("step of this program", "s"), rows=rows)


def _spread(values: Sequence[float], places: int) -> str:
    low, middle, high = (f"{value:.{places}f}" for value in (min(values), statistics.median(values), max(values)))
    return f"{middle} ({low} to {high})"
