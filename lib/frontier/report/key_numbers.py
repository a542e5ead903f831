"""The key numbers of a shift: at equal interactivity, peak, reach, hypervolume, each with its interval and what it means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from frontier.report.document import Document, Estimate, estimate, pair, part, undefined_reason
from frontier.report.wording import NOT_DEFINED, factor, interval_text, place_text, range_text

_CORNERS = ("peak_ratio", "max_interactivity_ratio", "hypervolume_ratio")
_TITLES = {"peak_ratio": "Peak throughput", "max_interactivity_ratio": "Reach", "hypervolume_ratio": "Hypervolume"}


def shift_estimate(document: Document, key: str) -> Estimate:
    """A ratio of the shift with its interval, which stands inside the number's mapping or beside it as ``<key>_ci95``.

    >>> shift_estimate({"shift": {"peak_ratio": 2.0, "peak_ratio_ci95": [1.5, 2.5]}}, "peak_ratio")
    Estimate(value=2.0, low=1.5, high=2.5)
    """
    shift = part(document, "shift")
    found = estimate(shift.get(key))
    return found if found.has_interval else Estimate(found.value, *pair(shift.get(f"{key}_ci95")))


def headline_estimates(document: Document) -> dict[str, Estimate]:
    """The corner numbers of the shift by title: peak, reach, hypervolume."""
    return {_TITLES[key]: shift_estimate(document, key) for key in _CORNERS}


def key_numbers(document: Document) -> list[Mapping[str, Any]]:
    """The numbers of a shift for the page, each with what it means."""
    shift = part(document, "shift")
    reached = pair(shift.get("newly_reached_tok_s_user"))
    # A range whose ends read alike is too short to be news.
    news = math.isfinite(reached[0]) and place_text(reached[0]) != place_text(reached[1])
    reach = f"newly reached: {range_text(*reached, 'tokens/s/user')}" if news else "no range newly reached"
    span = range_text(*pair(shift.get("overlap_tok_s_user")), "tokens/s/user")
    domain = range_text(*pair(part(document, "domain").get("interactivity_tok_s_user")), "tokens/s/user")
    total, overlap = estimate(document.get("total")), estimate(shift.get("ratio"))
    peak, highest, area = headline_estimates(document).values()
    kinds: list[tuple[str, Estimate, str]] = [
        ("At equal interactivity", total, f"log-mean over {domain}"),
        ("Peak throughput", peak, "highest throughput per GPU, whatever the interactivity"),
        ("Reach", highest, f"highest interactivity; {reach}"),
        ("Hypervolume", area, f"area below the frontier{_corner(shift)}"),
    ]
    if overlap.defined and not (total.defined and math.isclose(overlap.value, total.value, rel_tol=1e-9)):
        kinds[0] = (*kinds[0][:2], f"{kinds[0][2]}, where every combination of changes has a frontier")
        kinds.insert(1, ("Over the whole overlap", overlap, f"log-mean over {span}, where the first and the last frontier overlap"))
    reason = undefined_reason(document)
    return [
        {
            "name": name,
            "text": factor(found.value),
            "value": found.value if found.defined else None,
            "interval": interval_text(found) if found.defined else "",
            "note": note if found.defined else reason,
        }
        for name, found, note in kinds
    ]


def _corner(shift: Document) -> str:
    """The reference point of the hypervolume in words."""
    reference = pair(shift.get("hypervolume_reference"))
    texts = [place_text(value) for value in reference]
    if NOT_DEFINED in texts:
        return ""
    return ", down to zero on both axes" if reference == (0.0, 0.0) else f" above {texts[0]} tokens/s/user and {texts[1]} tokens/s/GPU"
