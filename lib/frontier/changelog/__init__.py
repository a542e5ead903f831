"""A change log beside a record: what was merged when, for which series, and which entry can explain a shift between two dates."""

from frontier.changelog.entries import read_changelog
from frontier.changelog.keys import key_match, series_keys
from frontier.changelog.match import LAG_DAYS, match

__all__ = ["LAG_DAYS", "key_match", "match", "read_changelog", "series_keys"]
