"""What the page shows of the companion: the other kind of evidence, and where both answer the same question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from frontier.report import tables
from frontier.report.answer import answer
from frontier.report.claim import there_sentence
from frontier.report.contrasts import agreement_sentence, contrast_table, held_sentence
from frontier.report.document import Document, pair, part, rows
from frontier.report.wording import evidence_long, on_path, path_text, range_text, split_words, upper_first


def companion_view(document: Document, config: Document, pictures: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
    """The companion's part of the page as plain values.

    Parameters
    ----------
    document : mapping
        The attribution document with a companion.
    config : mapping
        The run's configuration.
    pictures : sequence of rendered figures
        Those of :func:`frontier.report.gallery.companion_pictures`.
    """
    companion = part(document, "companion")
    common = contrast_table(document)
    return {
        "evidence": str(companion.get("evidence")),
        "evidence_long": evidence_long(companion),
        "answer": answer(companion, config)[0],
        "there": there_sentence(config, companion),
        "span": range_text(*pair(part(companion, "domain").get("interactivity_tok_s_user")), "tokens/s/user"),
        "contrasts": common,
        "agreement": agreement_sentence(document),
        "held": held_sentence(document),
        # Coalitions answer the same question only where no contrast says more exactly which.
        "coalitions": None if common else tables.companion_coalitions(document),
        "shares": tables.companion_shares(document),
        "split": split_sentence(document, companion),
        "pictures": {view["name"]: view for view in pictures},
        "cells": cells_summary(companion),
        "infeasible_rule": "" if on_path(companion) else str(companion.get("infeasible_rule") or ""),
        "notes": [str(note) for note in companion.get("notes") or []],
    }


def split_sentence(document: Document, companion: Document) -> str:
    """What the numbers of each side are, share by share."""
    sides = []
    for side in (document, companion):
        along = f" ({path_text(side)}); another order could give others" if on_path(side) else ""
        sides.append(f"{upper_first(str(side['evidence']))}: {split_words(side)}{along}.")
    rule = "Each side splits its own whole shift; where a side has fewer changes, those it has hold what the absent ones would have carried."
    return f"{' '.join(sides)} {rule}"


def cells_summary(document: Document) -> str:
    """How many cells of the design are in which state."""
    counts: dict[str, int] = {}
    for row in rows(document, "cells"):
        counts[str(row.get("status"))] = counts.get(str(row.get("status")), 0) + 1
    return ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in counts.items())
