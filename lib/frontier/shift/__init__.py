"""Observed attribution: the shift between two snapshots, split into causes whose product is the whole."""

from frontier.shift.account import account

__all__ = ["account"]
