"""Whatever byte of a bundle is changed, it is refused, or what it holds is provably the same."""

from __future__ import annotations

import zlib
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest
from bundle_forging import contents
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from frontier.bundle import container, verify_bundle
from frontier.errors import FrontierError, RunError

FIXED = [HealthCheck.function_scoped_fixture]


def read_all(stream: BinaryIO) -> dict[str, bytes]:
    members = container.read_directory(stream, origin="flipped")
    return {member.name: b"".join(container.inflate(stream, member, origin="flipped")) for member in members}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a bundle's form that is small enough to change each of its bytes: one member deflated, one stored, one empty."""
    file = tmp_path_factory.mktemp("small") / "small.zip"
    data = {"a.txt": b"some text that packs, some text that packs", "b.bin": bytes(range(40)), "c": b""}
    container.pack(file, [(name, lambda content=content: content) for name, content in data.items()])  # type: ignore[misc]
    return file


def test_every_bit_of_a_small_file(small: Path, tmp_path: Path) -> None:
    good = small.read_bytes()
    with small.open("rb") as stream:
        expected = read_all(stream)
    same = 0
    for position in range(len(good)):
        for bit in range(8):
            flipped = bytearray(good)
            flipped[position] ^= 1 << bit
            (tmp_path / "flipped.zip").write_bytes(flipped)
            with (tmp_path / "flipped.zip").open("rb") as stream:
                try:
                    found = read_all(stream)
                except RunError:
                    continue
            assert found == expected, (position, bit)
            same += 1
    # Only the bits that fill up the last byte of the deflated data mean nothing.
    assert same <= 7


@settings(max_examples=40, deadline=None, suppress_health_check=FIXED, derandomize=True)
@given(where=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255))
@example(where=0.0, value=1)
@example(where=0.999999, value=255)
def test_any_byte_of_a_real_bundle(bundle: Path, tmp_path: Path, where: float, value: int) -> None:
    data = bytearray(bundle.read_bytes())
    data[int(where * len(data))] ^= value
    file = tmp_path / "flipped.zip"
    file.write_bytes(data)
    with suppress(FrontierError):
        verify_bundle(file)
        assert contents(file) == contents(bundle)


@settings(max_examples=25, deadline=None, suppress_health_check=FIXED, derandomize=True)
@given(cut=st.floats(0, 1, exclude_max=True))
def test_a_bundle_cut_short_anywhere(bundle: Path, tmp_path: Path, cut: float) -> None:
    data = bundle.read_bytes()
    (tmp_path / "cut.zip").write_bytes(data[: int(cut * len(data))])
    with pytest.raises(RunError, match=r"bundle|cut short"):
        verify_bundle(tmp_path / "cut.zip")


@settings(max_examples=60, deadline=None, suppress_health_check=FIXED, derandomize=True)
@given(members=st.dictionaries(st.from_regex(r"f[a-z]{1,3}/[a-z]{5,7}|g[a-z]{0,5}", fullmatch=True), st.binary(max_size=300), min_size=1, max_size=6))
def test_what_is_packed_is_read_back(tmp_path: Path, members: dict[str, bytes]) -> None:
    container.pack(tmp_path / "x.zip", [(name, lambda data=data: data) for name, data in members.items()])  # type: ignore[misc]
    with (tmp_path / "x.zip").open("rb") as stream:
        assert read_all(stream) == members


def test_data_after_the_end_of_a_member_is_refused(tmp_path: Path) -> None:
    """Deflate says itself where it ends; what stands behind that in the same member would be hidden."""
    data = b"text " * 30
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    squeezed = squeezer.compress(data) + squeezer.flush() + b"hidden"
    member = container.Member("a", 8, zlib.crc32(data), len(squeezed), len(data), 0)
    start = len(member.local) + len(squeezed)
    end = container._END.pack(b"PK\5\6", 0, 0, 1, 1, len(member.central), start, 0)
    (tmp_path / "x.zip").write_bytes(member.local + squeezed + member.central + end)
    with (tmp_path / "x.zip").open("rb") as stream, pytest.raises(RunError, match="does not fit its checksum"):
        read_all(stream)
