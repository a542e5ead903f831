"""The command ``frontier``: parse, call the library, print. Talk goes to stderr, results to stdout."""

from frontier.cli import runs, tables  # the commands register themselves; this order is that of `frontier --help`
from frontier.cli.app import main

__all__ = ["main", "runs", "tables"]
