"""Links of the documentation resolve, and no page names a path of somebody's machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from doc_pages import ROOT, pages

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
SOURCE = re.compile(r'(?:src|href)="([^"]+)"')
MACHINE = re.compile(r"(?<![\w.~<>/-])/(?:home|root|work|tmp|Users|mnt|opt|srv|var)/|[A-Z]:\\\\")


def prose(page: Path) -> str:
    """The page without its fenced and indented blocks."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^(?: {4}|\t).*$", "", text, flags=re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Anchors that GitHub gives a page's headings."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    """Links of a page that lead nowhere in the clone; links to the web are not followed."""
    out = []
    for link in LINK.findall(prose(page)) + SOURCE.findall(prose(page)):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.is_relative_to(ROOT) or not target.exists() or (anchor and anchor not in anchors(target)):
            out.append(link)
    return out


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_resolve(page: Path) -> None:
    assert broken(page) == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_no_absolute_machine_paths(page: Path) -> None:
    assert [line for line in page.read_text(encoding="utf-8").splitlines() if MACHINE.search(line)] == []


def test_every_page_is_reachable_from_the_readme() -> None:
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        seen.add(page)
        links = [link.split("#")[0] for link in LINK.findall(prose(page)) if not link.startswith(("http", "#"))]
        targets = {(page.parent / link).resolve() for link in links}
        todo += [target for target in targets if target.suffix == ".md" and target.exists() and target not in seen]
    assert [page.name for page in pages() if page not in seen] == []


def test_what_the_checks_see(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    page = ROOT / "docs" / "formats.md"
    assert "points-table" in anchors(page)
    assert "frontierattribution1" in anchors(page)
    assert "nowhere" not in anchors(page)
    (tmp_path / "a.md").write_text("# One\n[x](a.md#one) [y](a.md#two) [z](b.md) [w](https://example.org)\n", encoding="utf-8")
    monkeypatch.setattr("test_links.ROOT", tmp_path)
    assert broken(tmp_path / "a.md") == ["a.md#two", "b.md"]
    assert MACHINE.search("see /home/me/x") is not None
    assert MACHINE.search("artifacts/runs/") is None
