"""Getting the public record itself: pages of the InferenceX site, or its weekly database dump, with where every file came from."""

from frontier.evidence.fetch.checks import SITE
from frontier.evidence.fetch.dumps import RELEASES, fetch_dump
from frontier.evidence.fetch.inferencex import fetch_pages
from frontier.evidence.fetch.kept import SourceRecord, read_source
from frontier.evidence.fetch.web import Client, Step

__all__ = ["RELEASES", "SITE", "Client", "SourceRecord", "Step", "fetch_dump", "fetch_pages", "read_source"]
