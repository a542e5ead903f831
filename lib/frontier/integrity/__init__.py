"""Integrity checks on a points table: each marks rows and says why; none drops one."""

from frontier.integrity.broken_rows import broken_rows
from frontier.integrity.duplicates import duplicates
from frontier.integrity.little_law import little_law, little_ratio

CHECKS = {"broken_rows": broken_rows, "duplicates": duplicates, "little_law": little_law}

__all__ = ["CHECKS", "broken_rows", "duplicates", "little_law", "little_ratio"]
