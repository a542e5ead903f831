"""The zip file itself, in the one form that a list of members can have: sorted, no dates, no comments, nothing between or after them.

A reader that accepts only this form has no room for what two programs could read in two ways: hidden members, names that differ between a
member and the directory, data before or after the archive. The format is PKWARE's APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from frontier.bundle.names import check_names, shown
from frontier.errors import RunError

MIB = 2**20
MAX_MEMBERS = 20_000
MAX_MEMBER = 256 * MIB
MAX_TOTAL = 1024 * MIB
MAX_RATIO = 200  # inflated over packed bytes; deflate could do 1032
RATIO_FROM = MIB  # smaller members may have any ratio

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 20  # deflate
_UNIX = 3
_MODE = 0o100644 << 16  # a file that everybody may read
_DATE = 0x21  # 1 January 1980, the earliest a zip can say
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 1
_CHUNK = 2**16
_OTHER = "pack it with `frontier bundle`; a bundle that another program packed again is not verified, because that program may have changed it"


@dataclass(frozen=True)
class Member:
    """One file of a bundle as the zip describes it; sizes in bytes."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    offset: int

    @property
    def local(self) -> bytes:
        """What stands before its data."""
        name = self.name.encode("ascii")
        return _LOCAL.pack(b"PK\3\4", _VERSION, 0, self.method, 0, _DATE, self.crc, self.packed, self.size, len(name), 0) + name

    @property
    def central(self) -> bytes:
        """Its entry in the directory at the end."""
        name = self.name.encode("ascii")
        return (
            _CENTRAL.pack(
                b"PK\1\2", _UNIX << 8 | _VERSION, _VERSION, 0, self.method, 0, _DATE, self.crc, self.packed, self.size,
                len(name), 0, 0, 0, 0, _MODE, self.offset,
            )
            + name
        )  # fmt: skip


def _end(members: Sequence[Member], start: int, size: int) -> bytes:
    return _END.pack(b"PK\5\6", 0, 0, len(members), len(members), size, start, 0)


def pack(path: Path, contents: Sequence[tuple[str, Callable[[], bytes]]]) -> None:
    """Write members, sorted by name. Equal contents give equal bytes (with the same version of zlib).

    Raises
    ------
    RunError
        If a name or a size is one that no bundle may have.
    """
    ordered = sorted(contents, key=lambda pair: pair[0])
    check_names([name for name, _ in ordered], origin=path.name)
    members: list[Member] = []
    with path.open("wb") as stream:
        for name, content in ordered:
            data = content()
            squeezer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
            squeezed = squeezer.compress(data) + squeezer.flush()
            # What packs too well looks like a bomb to the reader, so it is stored as it is; so is what does not pack.
            plain = len(squeezed) >= len(data) or (len(data) >= RATIO_FROM and len(data) > MAX_RATIO * len(squeezed))
            packed = data if plain else squeezed
            member = Member(name, _STORED if plain else _DEFLATED, zlib.crc32(data), len(packed), len(data), stream.tell())
            members.append(member)
            check_sizes(members, origin=path.name)
            stream.write(member.local + packed)
        start = stream.tell()
        directory = b"".join(member.central for member in members)
        stream.write(directory + _end(members, start, len(directory)))


def check_sizes(members: Sequence[Member], *, origin: str) -> None:
    """Refuse more or larger members than a bundle may hold, and what would inflate like a bomb."""
    if len(members) > MAX_MEMBERS:
        raise RunError(f"{len(members)} members are more than the {MAX_MEMBERS} that a bundle may hold", origin=origin)
    for member in members:
        if member.size > MAX_MEMBER:
            raise RunError(f"member {member.name!r} has {member.size / MIB:.0f} MiB; at most {MAX_MEMBER // MIB} are allowed", origin=origin)
        if member.size >= RATIO_FROM and member.size > MAX_RATIO * member.packed:
            times = member.size / max(member.packed, 1)
            raise RunError(f"member {member.name!r} would inflate {times:.0f} times; at most {MAX_RATIO} are allowed", origin=origin)
    total = sum(member.size for member in members)
    if total > MAX_TOTAL:
        raise RunError(f"the members have {total / MIB:.0f} MiB together; at most {MAX_TOTAL // MIB} are allowed", origin=origin)


def read_directory(stream: BinaryIO, *, origin: str) -> list[Member]:
    """The members that a bundle says it has; nothing is inflated.

    Parameters
    ----------
    stream : binary file, open for reading
    origin : str
        The file's name, for messages.

    Raises
    ------
    RunError
        If it is no zip file, a member has a forbidden name, kind or size, or the file is not in the form that :func:`pack` writes.
    """
    size = stream.seek(0, 2)
    stream.seek(max(size - _END.size, 0))
    tail = stream.read(_END.size)
    if len(tail) != _END.size or tail[:4] != b"PK\5\6":
        raise RunError("it does not end as a bundle does: no zip file, cut short, or with something after its end", origin=origin, hint=_OTHER)
    _, disk, first_disk, here, count, length, start, comment = _END.unpack(tail)
    if (disk, first_disk, comment) != (0, 0, 0) or here != count or start + length + _END.size != size:
        raise RunError("its directory does not fit its size: cut short, or packed by another program", origin=origin, hint=_OTHER)
    if count > MAX_MEMBERS:
        raise RunError(f"{count} members are more than the {MAX_MEMBERS} that a bundle may hold", origin=origin)
    stream.seek(start)
    directory = stream.read(length)
    members, kinds = _entries(directory, count, origin)
    check_names([member.name for member in members], origin=origin)
    for member, (flags, mode) in zip(members, kinds, strict=True):
        if flags & _ENCRYPTED:
            raise RunError(f"member {member.name!r} is encrypted; a bundle holds plain files only", origin=origin)
        if mode >> 12 not in (0, 0o10):
            what = "a symbolic link" if mode >> 12 == 0o12 else "no regular file"
            raise RunError(f"member {member.name!r} is {what}; a bundle holds plain files only", origin=origin)
        if member.method not in (_STORED, _DEFLATED):
            raise RunError(f"member {member.name!r} is packed by method {member.method}; 0 (stored) and 8 (deflate) are read", origin=origin)
    check_sizes(members, origin=origin)
    _check_form(stream, members, directory, start, origin)
    return members


def _entries(directory: bytes, count: int, origin: str) -> tuple[list[Member], list[tuple[int, int]]]:
    """Members of a directory with flags and Unix mode of each."""
    members, kinds, position = [], [], 0
    for number in range(1, count + 1):
        head = directory[position : position + _CENTRAL.size]
        if len(head) != _CENTRAL.size or head[:4] != b"PK\1\2":
            raise RunError(f"entry {number} of its directory cannot be read", origin=origin, hint=_OTHER)
        _, _, _, flags, method, _, _, crc, packed, size, name_length, extra, comment, _, _, attributes, offset = _CENTRAL.unpack(head)
        position += _CENTRAL.size
        raw = directory[position : position + name_length]
        position += name_length + extra + comment
        try:
            name = raw.decode("ascii")
        except UnicodeDecodeError as cause:
            raise RunError(f"member {shown(raw.decode('utf-8', 'replace'))!r} is refused: its name is not ASCII", origin=origin) from cause
        members.append(Member(name, method, crc, packed, size, offset))
        kinds.append((flags, attributes >> 16))
    return members, kinds


def _check_form(stream: BinaryIO, members: Sequence[Member], directory: bytes, start: int, origin: str) -> None:
    if [member.name for member in members] != sorted(member.name for member in members):
        raise RunError("its members are not in the order of their names: packed by another program", origin=origin, hint=_OTHER)
    position = 0
    for member in members:
        stream.seek(position)
        if member.offset != position or stream.read(len(member.local)) != member.local:
            raise RunError(f"member {member.name!r} and the directory disagree, or something stands before it", origin=origin, hint=_OTHER)
        position += len(member.local) + member.packed
    if position != start or directory != b"".join(member.central for member in members):
        raise RunError("its directory is not in the form that `frontier bundle` writes", origin=origin, hint=_OTHER)


def inflate(stream: BinaryIO, member: Member, *, origin: str) -> Iterator[bytes]:
    """A member's content in pieces; never more than its declared size.

    Raises
    ------
    RunError
        If the data is damaged, or is not as long as declared.
    """
    stream.seek(member.offset + len(member.local))
    left, size, crc = member.packed, 0, 0
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    pending = b""
    while True:
        if not pending and left:
            pending = stream.read(min(_CHUNK, left))
            if not pending:
                raise RunError(f"member {member.name!r} is cut short", origin=origin)
            left -= len(pending)
        if member.method == _STORED:
            piece, pending, done = pending, b"", not left
        else:
            try:
                piece = inflater.decompress(pending, _CHUNK)
            except zlib.error as cause:
                raise RunError(f"member {member.name!r} is damaged: it cannot be inflated", origin=origin) from cause
            pending, done = inflater.unconsumed_tail, inflater.eof
            if not (piece or done or pending or left):
                raise RunError(f"member {member.name!r} is damaged: its data ends too early", origin=origin)
        size, crc = size + len(piece), zlib.crc32(piece, crc)
        if size > member.size:
            raise RunError(f"member {member.name!r} inflates to more than the {member.size} bytes it declares", origin=origin)
        yield piece
        if done:
            break
    if size != member.size or crc != member.crc or left or inflater.unused_data or pending:
        raise RunError(f"member {member.name!r} is damaged: its content does not fit its checksum", origin=origin)
