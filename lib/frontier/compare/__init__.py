"""Several runs on one page: which shift moved between them, and by which cause."""

from frontier.compare.change import STATES, Change, change_between, judge
from frontier.compare.document import SCHEMA, compare
from frontier.compare.page import compare_paths, comparison_file, verdict_rows, write_comparison, write_page
from frontier.compare.sources import Source, read_source

__all__ = [
    "SCHEMA",
    "STATES",
    "Change",
    "Source",
    "change_between",
    "compare",
    "compare_paths",
    "comparison_file",
    "judge",
    "read_source",
    "verdict_rows",
    "write_comparison",
    "write_page",
]
