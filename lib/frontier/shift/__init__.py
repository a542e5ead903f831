"""Observed attribution: the shift between two snapshots, split into causes whose product is the whole."""

from frontier.shift.account import account
from frontier.shift.changes import changes_between

__all__ = ["account", "changes_between"]
