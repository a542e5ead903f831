"""Rows of the InferenceX record, in every form its site and its users hand out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from frontier.evidence.importers.base import Batch, refusals, unlike
from frontier.evidence.importers.inferencex.forms import chunks, form_of
from frontier.evidence.importers.inferencex.mapping import points_of
from frontier.evidence.importers.source import Source

__all__ = ["parse", "recognises"]


def recognises(source: Source) -> bool:
    """Whether a file is one of the record's forms, told by its first bytes."""
    return form_of(source) is not None


def parse(source: Source, given: Mapping[str, Any]) -> Iterator[Batch]:
    """The rows of one file as columns of the points table, in batches; the record states all system facts itself."""
    form = form_of(source)
    if form is None:
        raise unlike(source, "inferencex", "neither its keys nor its column names are those of the record")
    for chunk in chunks(source, form):
        rows, refused, lines = points_of(chunk.rows, source.name, chunk.lines)
        listed = refusals([*chunk.refused, *refused])
        yield Batch(rows, lines, chunk.mark, listed, chunk.notes)
