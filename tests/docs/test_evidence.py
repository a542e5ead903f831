"""docs/evidence.md lists the kinds of evidence, the flags of published rows and the systems of the record as the code has them."""

from __future__ import annotations

import re

from doc_pages import ROOT, section, table_rows

from frontier.evidence.published import FLAGS, LEFT_OUT, silicon_sample_points
from frontier.records import EVIDENCE

PAGE = ROOT / "docs" / "evidence.md"


def test_kinds() -> None:
    listed = [row[0] for row in table_rows(PAGE.read_text(encoding="utf-8").split("\n## ")[0])]
    assert listed == list(EVIDENCE)


def test_flags_of_published_rows() -> None:
    text = section(PAGE, "Flags of published rows")
    assert {row[0]: row[1] for row in table_rows(text)} == FLAGS
    last = text.strip().splitlines()[-1]
    assert re.findall(r"`(\w+)`", last) == list(LEFT_OUT)
    assert last.endswith("are left out.")


def test_counts_and_systems_of_the_record() -> None:
    rows = silicon_sample_points()
    text = " ".join(section(PAGE, "Published").split())
    assert f"{len(rows):,} points" in text
    assert f"{rows['flags'].str.contains('latency_statistic_unknown').sum()} by NVIDIA" in text
    assert [system for system in rows["hardware"].unique() if system not in text] == []
