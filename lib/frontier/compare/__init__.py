"""Several runs on one page: which shift moved between them, and by which cause."""

from frontier.compare.change import STATES, Change, change_between, judge
from frontier.compare.document import SCHEMA, compare
from frontier.compare.ends import probes
from frontier.compare.facts import differences
from frontier.compare.page import compare_paths, comparison_file, verdict_rows, write_comparison, write_page
from frontier.compare.places import nodes_of, places_of
from frontier.compare.sources import Source, read_source, source_of

__all__ = [
    "SCHEMA",
    "STATES",
    "Change",
    "Source",
    "change_between",
    "compare",
    "compare_paths",
    "comparison_file",
    "differences",
    "judge",
    "nodes_of",
    "places_of",
    "probes",
    "read_source",
    "source_of",
    "verdict_rows",
    "write_comparison",
    "write_page",
]
