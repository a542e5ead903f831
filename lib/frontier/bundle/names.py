"""Which names a bundle's members and its run may have: those that mean the same file on every system."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from frontier.errors import RunError

CRATE = "ro-crate-metadata.json"
MANIFEST = "manifest.json"
README = "README.md"
MARK = "bundle.json"  # written where a bundle is opened, never in one
THEIRS = "theirs"  # where an opened bundle's own report and figures go
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[A-Za-z0-9][A-Za-z0-9_.-]{0,99}-[0-9a-f]{8}")

_MAX_NAME = 240
# Letters that need no quoting in a URI path or a shell and that no file system changes.
_PART = re.compile(r"[A-Za-z0-9_+=@,][A-Za-z0-9_.+=@,~-]*")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)  # files that Windows cannot have


def shown(text: object, most: int = 120) -> str:
    """A text from a bundle as messages and terminals may show it: no control characters, not too long."""
    out = "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in str(text))
    return out if len(out) <= most else f"{out[: most - 3]}..."


def name_problem(name: str) -> str:
    """Why a member may not have this name; empty if it may."""
    if not name or len(name) > _MAX_NAME:
        return f"its name has {len(name)} letters; 1 to {_MAX_NAME} are allowed"
    if "\\" in name:
        return "its name has a backslash, which some systems read as a folder"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "its name is an absolute path"
    if name.endswith("/"):
        return "it is a folder; a bundle holds files only"
    parts = name.split("/")
    if ".." in parts or "." in parts or "" in parts:
        return "its name leads out of the folder it is unpacked to, or through it by another way"
    for part in parts:
        if not _PART.fullmatch(part) or part.endswith("."):
            return "its name has letters other than A-Z a-z 0-9 _ . + = @ , ~ -, or a part that begins with . ~ - or ends with a dot"
        if _DEVICES.fullmatch(part):
            return f"{part} is a device on Windows"
    return ""


def check_names(names: Sequence[str], *, origin: str) -> None:
    """Refuse names that are dangerous, occur twice, or meet on a file system that ignores case.

    Raises
    ------
    RunError
        Naming the first offending member.
    """
    for name in names:
        if problem := name_problem(name):
            raise RunError(f"member {shown(name)!r} is refused: {problem}", origin=origin)
        if name == MARK or name.split("/")[0] == THEIRS:
            raise RunError(f"member {name!r} is refused: the name is kept for what the kit adds when it opens a bundle", origin=origin)
    folded: dict[str, str] = {}
    for name in names:
        other = folded.setdefault(name.lower(), name)
        if other is not name:
            how = "occurs twice" if other == name else f"differs from {other!r} in case only"
            raise RunError(f"member {name!r} is refused: its name {how}", origin=origin)
    for name in names:
        parts = name.lower().split("/")
        for above in ("/".join(parts[:length]) for length in range(1, len(parts))):
            if above in folded:
                raise RunError(f"member {name!r} is refused: {folded[above]!r} is a file and cannot also be its folder", origin=origin)


def is_raw(name: str) -> bool:
    """Whether a run's file is a raw record or a log, which a bundle holds on request only."""
    parts = name.split("/")
    return len(parts) > 2 and parts[0] == "trials" and (parts[2] == "log.txt" or (len(parts) > 3 and parts[2] == "kept"))


def is_drawn(name: str) -> bool:
    """Whether a run's file is its report or one of its figures, which are drawn from the rest."""
    return name == "report.html" or name.split("/")[0] == "figures"


def unpacked_name(name: str) -> str:
    """Where a member goes when the bundle is opened: what would be shown as it is (a page, its figures, words about it) is set aside."""
    return f"{THEIRS}/{name}" if name in (README, CRATE) or is_drawn(name) else name


def listed(names: Iterable[str], most: int = 5) -> str:
    """Some names, and how many more there are."""
    found = [shown(name) for name in names]
    return ", ".join(found[:most]) + (f" and {len(found) - most} more" if len(found) > most else "")
