"""What goes into an image: the clone's files at a commit, dated by it."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from frontier.errors import MachineError, UsageError


@dataclass(frozen=True)
class Source:
    """The clone as an image gets it.

    Attributes
    ----------
    root : Path
        The clone's folder.
    commit : str
        Of HEAD, 40 hexadecimal digits.
    epoch_s : int
        The commit's date, seconds since 1970.
    changed : bool
        Whether files differ from the commit, or stand beside it.
    """

    root: Path
    commit: str
    epoch_s: int
    changed: bool

    @property
    def label(self) -> str:
        """What the image says of itself: the commit, and whether there is more in it."""
        return self.commit + ("+changes" if self.changed else "")

    @property
    def tag(self) -> str:
        """The label as a tag."""
        return self.commit[:12] + ("-changes" if self.changed else "")

    def copy(self, folder: Path) -> None:
        """Fill a new folder with the files; modes are 644 and 755 whatever this machine's umask."""
        folder.mkdir(parents=True)
        if not self.changed:
            with tarfile.open(fileobj=io.BytesIO(_git(self.root, "archive", "--format=tar", self.commit))) as archive:
                archive.extractall(folder, filter="data")
        else:
            for name in _git(self.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0"):
                if name and (self.root / name).is_file():  # a file that is removed but still in the index is none
                    (folder / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(self.root / name, folder / name)
        folder.chmod(0o755)
        for path in folder.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def read_source(root: Path, *, dirty: bool = False) -> Source:
    """The clone's state.

    Parameters
    ----------
    root : Path
    dirty : bool
        Accept files that differ from the commit.

    Raises
    ------
    UsageError
        If files differ and ``dirty`` is not set; the message names some.
    MachineError
        If the folder is no clone, or git is not there.
    """
    commit, epoch = _git(root, "log", "-1", "--format=%H %ct").decode().split()
    changes = _git(root, "status", "--porcelain", "--untracked-files=all").decode().splitlines()
    if changes and not dirty:
        names = [line[3:] for line in changes]
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise UsageError(f"the clone differs from its commit: {shown}", origin=str(root), hint="commit them, or --dirty: the image says so")
    return Source(root, commit, int(epoch), bool(changes))


def _git(root: Path, *arguments: str) -> bytes:
    try:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout
    except FileNotFoundError:
        raise MachineError("git is not on the path", hint="an image is made of a commit: install git") from None
    except subprocess.CalledProcessError as cause:
        reason = cause.stderr.decode("utf-8", "replace").strip()
        raise MachineError(f"git {arguments[0]} failed: {reason}", origin=str(root), hint="run inside a clone of frontier-kit") from cause
