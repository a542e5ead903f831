"""Runs executed again, and the verdict whether they reproduce."""

from frontier.rerun.again import ONLY, Rerun, notebook_text, rerun
from frontier.rerun.document import rerun_document

__all__ = ["ONLY", "Rerun", "notebook_text", "rerun", "rerun_document"]
