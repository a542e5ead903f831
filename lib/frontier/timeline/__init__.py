"""The timeline of a record: where each series' frontier stepped, and why."""

from frontier.timeline.document import SCHEMA, timeline
from frontier.timeline.rows import changelog_words, timeline_rows

__all__ = ["SCHEMA", "changelog_words", "timeline", "timeline_rows"]
