"""What a bundle says of licences and sources: what is known, and that the rest is not stated."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

APACHE = "https://www.apache.org/licenses/LICENSE-2.0"
# Distribution -> licence, as its own metadata states it (License-Expression), and where it is published.
_WHEELS = {"aiconfigurator-core": (APACHE, "https://pypi.org/project/aiconfigurator-core/")}
_MOST_SOURCES = 50


@dataclass(frozen=True)
class Source:
    """Something the run stands on: an identifier, a name, a URL and a licence (empty: not stated)."""

    identifier: str
    name: str
    url: str = ""
    licence: str = ""
    note: str = ""


def web(url: object) -> str:
    """The address if it is one of the web, else nothing."""
    text = str(url or "")
    return text if urlsplit(text).scheme in ("http", "https") and not re.search(r"[\s<>\"{}|\\^`]", text) else ""


def wheels(environment: Mapping[str, Any]) -> list[Source]:
    """The packages whose data decides results, with version, content hash and licence."""
    found = []
    for name, facts in sorted((environment.get("wheels") or {}).items()):
        licence, url = _WHEELS.get(name, ("", ""))
        note = f"version {facts['version']}, SHA-256 of its files {facts['sha256']}"
        found.append(Source(f"#data-{name}", f"{name} {facts['version']}", url, licence, note))
    return found


def citations(config: Mapping[str, Any], tables: Sequence[pd.DataFrame]) -> list[Source]:
    """The claim that the run examines, and the sources that the points name."""
    claim = config.get("claim") or {}
    found = []
    if claim.get("source"):
        found.append(Source("#claim", str(claim["source"]), web(claim.get("url")), "", str(claim.get("statement") or "")))
    texts = sorted({text for table in tables for text in table["source"].dropna().astype(str)})
    # A source that names a row of a data set (", row 17") is cited as the data set.
    names = sorted({", ".join(text.split(", ")[:2]) for text in texts})
    found += [Source(f"#source-{number}", name) for number, name in enumerate(names[:_MOST_SOURCES], start=1)]
    if len(names) > _MOST_SOURCES:
        more = f"{len(names) - _MOST_SOURCES} further sources"
        found.append(Source("#source-more", more, note="column source of the points tables names them all"))
    return found


def model(config: Mapping[str, Any]) -> Source:
    """The model that was served or predicted for."""
    facts = config.get("model") or {}
    revision = str(facts.get("revision") or "")
    note = f"{f'revision {revision}' if revision else 'revision not stated'}; licence of the model not stated by the configuration"
    return Source("#model", str(facts.get("id") or facts.get("name") or "not stated"), note=note)


def rights(config: Mapping[str, Any], environment: Mapping[str, Any], tables: Sequence[pd.DataFrame]) -> str:
    """What may be done with the parts, in words."""
    kinds = sorted({str(kind) for table in tables for kind in table["evidence"].dropna()})
    parts = ["The kit's notebooks and pages are under Apache-2.0."]
    known = [source for source in wheels(environment) if source.licence]
    if known:
        data = ", ".join(one.name for one in known)
        parts.append(f"Points of kind {' and '.join(kinds)} are computed from or hold data of {data}, under Apache-2.0.")
    parts.append(f"The licence of the model {model(config).name} is not stated by the configuration.")
    parts.append("A licence for everything else is not stated: whoever passes the bundle on says it.")
    return " ".join(parts)


