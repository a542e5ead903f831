"""Writing the audit: one card per claim and the overview, as HTML that needs no network, and the figures as PNG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from frontier.files import write_bytes
from frontier.report.audit import rows
from frontier.report.audit.figures import fig_claim, fig_overview, fig_parts
from frontier.report.audit.words import COLORS, EVIDENCE, FIRST_LINE, SHORT, VERDICTS, kind_of, ranges_text
from frontier.report.style import ReportFigure, to_png, to_svg
from frontier.report.svg import inline_svg
from frontier.report.wording import glued

Claim = Mapping[str, Any]
CONFIRMED = {
    "primary": "read in the source itself",
    "secondary": "read in pages that report it, not in the source itself",
    "unconfirmed": "no page that was read states the number",
}
BANDS = "Gold: the claim with its tolerance. Blue: the evidence."
SHARES = (
    "Gold: the claim. Dot and whisker: share of the software in the logarithm of the factor, with its bounds; cross: its share in the gain, hardware "
    "counted first."
)


def write_audit(document: Mapping[str, Any], folder: Path) -> Path:
    """Write ``overview.html``, a card per claim and the figures, and return the overview's path.

    Parameters
    ----------
    document : mapping
        A ``frontier.audit/1`` document.
    folder : Path
        Made if it is not there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for claim in document["claims"]:
        write_bytes(folder / "figures" / f"claim-{claim['name']}.png", to_png(fig_claim(claim)))
        if claim["parts"] is not None:
            write_bytes(folder / "figures" / f"parts-{claim['name']}.png", to_png(fig_parts(claim)))
        write_bytes(folder / f"card-{claim['name']}.html", card_html(claim).encode())
    write_bytes(folder / "figures" / "overview.png", to_png(fig_overview(document)))
    write_bytes(folder / "overview.html", overview_html(document).encode())
    return folder / "overview.html"


def card_html(claim: Claim) -> str:
    """The page of one claim."""
    head = claim["headline"]
    state = str(claim["verdict"]["state"])
    url = str(claim["url"])
    return _render(
        "audit_card.html",
        {
            "claim": claim,
            "url": url if urlsplit(url).scheme in ("http", "https") else "",
            "confirmed": CONFIRMED[str(claim["confirmed"])],
            "first_line": FIRST_LINE if kind_of(claim) == "predicted" else "",
            "evidence": EVIDENCE.get(kind_of(claim), "no evidence"),
            "verdict": VERDICTS[state],
            "color": COLORS[state],
            "read_as": "" if head is None or claim["shares"] else _reading_title(claim, str(head["reading"])),
            "holds": ranges_text(claim["verdict"]["holds_tok_s_user"]) if state == "supported_in_range" else "",
            "keys": rows.key_numbers(claim),
            "caption": SHARES if claim["shares"] else BANDS,
            "claim_picture": _picture(f"claim-{claim['name']}", lambda narrow: fig_claim(claim, narrow=narrow), "Claimed against found."),
            "parts_picture": None
            if claim["parts"] is None
            else _picture(f"parts-{claim['name']}", lambda narrow: fig_parts(claim, narrow=narrow), "Parts of the ratio."),
            "parts_differ": claim["parts"] is not None and head is not None and claim["parts"]["evidence"] != head["evidence"],
            "parts_evidence": "" if claim["parts"] is None else EVIDENCE[claim["parts"]["evidence"]],
            "readings": rows.readings_table(claim),
            "denominators": rows.denominators_table(claim),
            "tables": rows.tables_table(claim),
            "shares": rows.shares_table(claim),
            "holds_rows": rows.holds_rows(claim),
            "head": head,
        },
    )


def overview_html(document: Mapping[str, Any]) -> str:
    """The page of all claims."""
    listed = rows.overview_rows(document)
    states = [str(claim["verdict"]["state"]) for claim in document["claims"]]
    return _render(
        "audit_overview.html",
        {
            "rows": [{**row, "color": COLORS[state]} for row, state in zip(listed, states, strict=True)],
            "counts": [(SHORT[state], states.count(state), COLORS[state]) for state in SHORT if state in states],
            "document": document,
            "kinds": [EVIDENCE[kind] for kind in document["evidence"]["kinds"]],
            "picture": _picture("overview", lambda narrow: fig_overview(document, narrow=narrow), "Found over claimed, one row per claim."),
        },
    )


def _reading_title(claim: Claim, reading: str) -> str:
    return next(str(row["title"]) for row in claim["readings"] if row["reading"] == reading)


def _render(template: str, context: Mapping[str, Any]) -> str:
    environment = Environment(
        loader=PackageLoader("frontier.report", "template"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["glued"] = glued
    style = "".join(environment.loader.get_source(environment, name)[0] for name in ("style.css", "audit.css")) if environment.loader else ""
    return environment.get_template(template).render({**context, "style": style})


def _picture(name: str, draw: Callable[[bool], ReportFigure], label: str) -> Mapping[str, str]:
    """The two renderings of a figure, for wide screens and for phones."""
    return {
        key: inline_svg(to_svg(draw(narrow), text=True), prefix=f"{name}-{key}", label=label) for key, narrow in (("wide", False), ("narrow", True))
    }
