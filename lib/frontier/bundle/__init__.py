"""Bundles: a run in one file that others can check and read without running anything of it."""

from frontier.bundle.checking import Bundle, read_points_of, verify_bundle
from frontier.bundle.making import write_bundle
from frontier.bundle.notebooks import notebook_differences, write_sources
from frontier.bundle.opening import open_bundle

__all__ = ["Bundle", "notebook_differences", "open_bundle", "read_points_of", "verify_bundle", "write_bundle", "write_sources"]
