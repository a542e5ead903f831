"""A base image from Debian's packages, for machines that reach a mirror and no registry."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from frontier.images.commands import Order, build_command, run
from frontier.images.lock import Bootstrap
from frontier.runtimes import get_runtime

MIRROR = "http://deb.debian.org/debian"
SOURCES = Path("/etc/apt")
# A licence stays with what it licenses; the rest of the documentation and the translations do not change what runs.
LEFT_OUT = (
    "path-exclude=/usr/share/doc/*", "path-include=/usr/share/doc/*/copyright", "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*", "path-include=/usr/share/locale/locale.alias",
)  # fmt: skip
CONTAINERFILE = "FROM scratch\nADD base.tar /\nENV LANG=C.UTF-8\n"


def base_tag(spec: Bootstrap) -> str:
    """Local name of the base."""
    return f"localhost/frontier-base:{spec.suite}"


def make_base(builder: str, spec: Bootstrap, tell: Callable[[str], None], *, fresh: bool = False) -> dict[str, Any]:
    """Make the base, or find the one made before.

    Its content depends on the suite, the packages, their versions on the mirror that day, and mmdebstrap's version; not on the mirror's
    address, on this machine's name or on the clock.

    Parameters
    ----------
    builder : str
        podman or docker.
    spec : Bootstrap
    tell : callable
        Gets a line of text now and then.
    fresh : bool
        Make it again even if it is there.

    Returns
    -------
    dict
        kind, reference, image_id, packages (name to version).

    Raises
    ------
    MachineError
        If mmdebstrap or the builder is not there.
    RunError
        If the packages cannot be fetched or installed.
    """
    tag = base_tag(spec)
    if fresh or not _known(builder, tag):
        with tempfile.TemporaryDirectory(prefix="frontier-base-") as folder:
            place = Path(folder)
            tell(f"base: {spec.suite} from Debian's packages")
            _bootstrap(place, spec, find_mirror(spec.suite))
            (place / "Containerfile").write_text(CONTAINERFILE, encoding="utf-8")
            run(build_command(builder, Order(place, tag, spec.epoch_s, {}, None, False, {})), "building the base")
    query = [builder, "run", "--rm", "--pull=never", "--network=none", "--read-only", "--entrypoint=", tag]
    listed = run([*query, "dpkg-query", "-W", "-f", "${Package} ${Version}\\n"], "listing the base's packages")
    packages = dict(line.split(" ", 1) for line in listed.splitlines())
    return {
        "kind": "bootstrap", "reference": tag, "image_id": get_runtime(builder).image_id(tag), "manifest_digest": None, "packages": packages
    }  # fmt: skip


def find_mirror(suite: str, sources: Path = SOURCES) -> str:
    """The mirror that this machine's own package manager uses for a suite; Debian's public one where it uses none."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(sources.glob("sources.list.d/*")) if file.suffix in (".sources", ".list")]
    main = sources / "sources.list"
    texts += [main.read_text(encoding="utf-8")] if main.is_file() else []
    for text in texts:
        for block in re.split(r"\n\s*\n", text):
            address = re.search(r"^URIs:\s*(\S+)", block, re.MULTILINE)
            suites = re.search(r"^Suites:\s*(.*)$", block, re.MULTILINE)
            if address and suites and suite in suites[1].split():
                return address[1]
        line = re.search(rf"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+{re.escape(suite)}\s", text, re.MULTILINE)
        if line:
            return line[1]
    return MIRROR


def _bootstrap(folder: Path, spec: Bootstrap, mirror: str) -> None:
    # Left alone, the tool copies this machine's name, its resolver and the mirror's address into the base.
    fixed = {"etc/hostname": "frontier\n", "etc/hosts": "127.0.0.1 localhost\n", "etc/resolv.conf": ""}
    fixed |= {"etc/apt/sources.list": f"deb {MIRROR} {spec.suite} main\n"}
    hooks = []
    for target, text in fixed.items():
        file = folder / target.replace("/", "-")
        file.write_text(text, encoding="utf-8")
        file.chmod(0o644)
        hooks.append(f"--customize-hook=upload {file} /{target}")
    words = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(spec.packages)}", *(f"--dpkgopt={rule}" for rule in LEFT_OUT)]
    words += [*hooks, spec.suite, str(folder / "base.tar"), mirror]
    run(words, "mmdebstrap", {**os.environ, "SOURCE_DATE_EPOCH": str(spec.epoch_s)})


def _known(builder: str, tag: str) -> bool:
    done = get_runtime(builder).ask("image", "inspect", "--format", json.dumps("here"), tag)
    return done.returncode == 0
