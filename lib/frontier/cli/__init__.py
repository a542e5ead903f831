"""The command ``frontier``: parse, call the library, print. Talk goes to stderr, results to stdout."""

# The commands register themselves when their module is loaded.
from frontier.cli import auditing, bundles, checkpoint, cluster, doctor, fetching, imaging, importing, rerunning, runs, tables
from frontier.cli.app import main

__all__ = ["auditing", "bundles", "checkpoint", "cluster", "doctor", "fetching", "imaging", "importing", "main", "rerunning", "runs", "tables"]
