"""The tables of the benchmark say what was measured."""

from benchmarks.process import Cost
from benchmarks.table import side_by_side


def test_the_ratio_is_the_median_of_the_pairs_and_not_that_of_the_medians() -> None:
    ours, stock = (
        [Cost(wall_s=wall, cpu_s=1.0, peak_mib=100.0) for wall in walls] for walls in ((1, 2, 9), (2, 1, 10))
    )
    wall, *_ = side_by_side(ours, stock).rows
    assert wall == ("wall time, s", "2.00 (1.00 to 9.00)", "2.00 (1.00 to 10.00)", "0.90 (0.50 to 2.00)", "at most 1")


def test_markdown_has_a_rule_below_its_heading_and_as_many_cells_in_each_row() -> None:
    cost = Cost(wall_s=1.0, cpu_s=1.0, peak_mib=100.0)
    lines = side_by_side([cost], [cost]).as_markdown().splitlines()
    assert lines[1] == "| --- | --- | --- | --- | --- |"
    assert {line.count("|") for line in lines} == {6}
