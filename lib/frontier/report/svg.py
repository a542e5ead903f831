"""SVG inside a page: ids that cannot collide, text in the page's font, and details on marks."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from frontier.errors import RunError

_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
_URL = re.compile(r"url\(#([^)]+)\)")
_FONT = re.compile(r"font(-family)?:[^;]*;?\s*")


def inline_svg(svg: str, *, prefix: str, label: str, details: Mapping[str, Sequence[str]] | None = None) -> str:
    """The SVG as an element for a page.

    Parameters
    ----------
    svg : str
        An SVG document written by matplotlib.
    prefix : str
        Put before every id, so that several figures can stand in one page.
    label : str
        What the figure shows, for those who do not see it.
    details : mapping group id -> texts, optional
        One text per mark of the group, in drawing order; shown on hover.

    Raises
    ------
    RunError
        If a group has another number of marks than texts: a detail beside the wrong mark would be a wrong answer.
    """
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _XLINK)
    root = ET.fromstring(svg[svg.index("<svg") :])
    for child in list(root):
        # Metadata says nothing to a reader; the one style rule would apply to the whole page, so the root carries it instead.
        styles_only = child.tag == f"{{{_SVG}}}defs" and [grandchild.tag for grandchild in child] == [f"{{{_SVG}}}style"]
        if child.tag == f"{{{_SVG}}}metadata" or styles_only:
            root.remove(child)
    root.set("style", "stroke-linejoin: round; stroke-linecap: butt")
    for group, texts in (details or {}).items():
        _attach(root, group, texts)
    for element in root.iter():
        _rename(element, prefix)
        if element.tag == f"{{{_SVG}}}text":
            _page_font(element)
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-label", label)
    return ET.tostring(root, encoding="unicode")


def _attach(root: ET.Element, group: str, texts: Sequence[str]) -> None:
    """Give every mark of a group its text."""
    found = [element for element in root.iter(f"{{{_SVG}}}g") if element.get("id") == group]
    marks = [mark for element in found for mark in element.iter(f"{{{_SVG}}}use")]
    if len(marks) != len(texts):
        raise RunError(f"{group} has {len(marks)} marks and {len(texts)} details; they must pair up")
    for mark, text in zip(marks, texts, strict=True):
        mark.set("class", "mark")
        mark.set("data-detail", text)
        title = ET.SubElement(mark, f"{{{_SVG}}}title")  # what a browser shows where scripts are off
        title.text = text


def _rename(element: ET.Element, prefix: str) -> None:
    """Prefix an element's id and every reference to an id."""
    for name, value in element.attrib.items():
        if name == "id":
            element.set(name, f"{prefix}-{value}")
        elif name == _HREF and value.startswith("#"):
            element.set(name, f"#{prefix}-{value[1:]}")
        elif "url(#" in value:
            element.set(name, _URL.sub(lambda match: f"url(#{prefix}-{match[1]})", value))


def _page_font(element: ET.Element) -> None:
    """Keep size, style and weight of a text, and leave its family to the page."""
    style = element.get("style", "")
    shorthand = re.search(r"font:\s*((?:italic|oblique|normal|bold|\d{3})\s+)*(\d+(?:\.\d+)?)px", style)
    if shorthand:
        before = style[shorthand.start() : shorthand.end()]
        kept = f"font-size: {shorthand[2]}px; "
        kept += "font-style: italic; " if "italic" in before else ""
        kept += "font-weight: 600; " if re.search(r"bold|[67]00", before) else ""
        element.set("style", kept + _FONT.sub("", style))
