"""Observed attribution: the shift between two snapshots, split into causes whose product is the whole."""

from frontier.shift.account import account
from frontier.shift.changes import changes_between
from frontier.shift.per import Per

__all__ = ["Per", "account", "changes_between"]
