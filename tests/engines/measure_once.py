"""Measure a run in a process of its own, for tests that kill it: experiment, artifacts folder, overrides."""

from __future__ import annotations

import sys

from frontier.session import start_run


def main() -> None:
    """Measure, and say so when it is done."""
    experiment, artifacts, *overrides = sys.argv[1:]
    start_run(experiment, overrides, artifacts).measure()
    print("measured", flush=True)


if __name__ == "__main__":
    main()
