"""Observed attribution: the shift between two snapshots, split into causes whose product is the whole."""

from frontier.shift.account import account
from frontier.shift.changes import changes_between
from frontier.shift.per import Per
from frontier.shift.verdict import MARGIN_OTHER_SYSTEM, MARGIN_SAME_SYSTEM

__all__ = ["MARGIN_OTHER_SYSTEM", "MARGIN_SAME_SYSTEM", "Per", "account", "changes_between"]
