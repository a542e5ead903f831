"""Cards and overview: what stands first, that every number comes from the document, and that a page needs nothing else."""

from __future__ import annotations

import copy
import html
import re
from pathlib import Path
from typing import Any

import pytest
from test_audits import claim, table

from frontier.claims import Auditor
from frontier.report.audit import card_html, fig_claim, fig_overview, overview_rows, write_audit
from frontier.report.audit.words import FIRST_LINE
from frontier.report.wording import TIMES


@pytest.fixture(scope="module")
def entry(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A threefold frontier against a claim of five times per megawatt."""
    import pandas as pd

    points = pd.concat([table("h200_sxm", 1.0), table("b200_sxm", 3.0)], ignore_index=True)
    auditor = Auditor(points=[("test", points)], kinds=["points"], artifacts_dir=tmp_path_factory.mktemp("a"), resamples=200)
    return auditor.audit_claim("c", claim(value=5.0, per="megawatt", direction="at_least", title="Five <times>", url="javascript:alert(1)"))


def text_of(page: str) -> str:
    body = re.sub(r"<(style|svg)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_a_card_says_claimed_found_verdict_parts_and_unsaid(entry: dict[str, Any]) -> None:
    text = text_of(card_html(entry)).replace("\N{NO-BREAK SPACE}", " ")
    numbers = (f"≥ 5.00{TIMES}", f"2.40{TIMES}")
    for part in (*numbers, "Not supported", "Over the whole range", "Which power", "What would settle it", "Hardware alone", "points given"):
        assert part in text
    assert FIRST_LINE not in text
    assert "Verdict by table of power and price" in text


def test_a_predicted_card_says_so_in_its_first_line(entry: dict[str, Any]) -> None:
    predicted = copy.deepcopy(entry)
    predicted["headline"]["evidence"] = "predicted"
    text = text_of(card_html(predicted).split("<body", 1)[1])
    assert text.split(">", 1)[-1].strip().startswith(FIRST_LINE)


def test_texts_of_a_claim_are_escaped_and_only_web_links_are_links(entry: dict[str, Any]) -> None:
    page = card_html(entry)
    assert "Five <times>" not in page
    assert "Five &lt;times&gt;" in page
    assert "javascript:" not in page


@pytest.mark.parametrize("missing", ["headline", "parts", "curve"])
def test_a_card_and_its_figure_stand_without_evidence(entry: dict[str, Any], missing: str) -> None:
    bare = copy.deepcopy(entry)
    bare[missing] = [] if missing == "curve" else None
    if missing == "headline":
        bare["curve"], bare["parts"] = [], None
    assert text_of(card_html(bare))
    assert fig_claim(bare).get_size_inches()[0] > 0


def test_the_overview_lists_every_claim(entry: dict[str, Any], tmp_path: Path) -> None:
    other = {**copy.deepcopy(entry), "name": "d", "title": "Another"}
    document = {
        "schema": "frontier.audit/1", "claims": [entry, other], "tables": [{"title": "T"}],
        "evidence": {"kinds": ["points"], "points": [{"source": "test", "rows": 24}]},
    }  # fmt: skip
    rows = overview_rows(document)
    assert [row["claim"] for row in rows] == ["c", "d"]
    assert rows[0]["found"].startswith(f"2.40{TIMES}")
    assert len(fig_overview(document).axes[0].get_yticklabels()) == 2
    page = write_audit(document, tmp_path / "out").read_text(encoding="utf-8")
    assert "2 published claims" in text_of(page)
    assert (tmp_path / "out" / "card-d.html").is_file()
    assert write_audit(document, tmp_path / "again").read_bytes() == page.encode()
