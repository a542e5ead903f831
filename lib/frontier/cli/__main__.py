"""``python -m frontier.cli``."""

from frontier.cli import main

main()
