"""An audit on disk: the document, the overview and a card per claim, in a folder of their own that is never written twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from frontier.errors import RunError
from frontier.files import TEMPORARY, write_json
from frontier.report.audit import write_audit

AUDITS = "audits"


def evidence_folder(artifacts_dir: Path) -> Path:
    """Where the runs behind predicted evidence are kept between audits."""
    return artifacts_dir / AUDITS / "evidence"


def keep_audit(document: Mapping[str, Any], artifacts_dir: Path) -> Path:
    """Write an audit to ``<artifacts>/audits/<utc>-<digest8>/`` and return that folder.

    It appears whole or not at all: everything is written under a temporary name, which is then renamed.

    Parameters
    ----------
    document : mapping
        A ``frontier.audit/1`` document.
    artifacts_dir : Path

    Raises
    ------
    RunError
        If the folder cannot be written.
    """
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    folder = artifacts_dir / AUDITS
    staging = folder / f"{TEMPORARY}{os.getpid()}"
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        write_json(staging / "audit.json", document)
        write_audit(document, staging)
        while True:
            path = folder / f"{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}-{digest}"
            if not path.exists():
                staging.rename(path)
                return path
            time.sleep(0.1)  # two equal audits within a second: the next second gives the next name
    except OSError as cause:
        raise RunError(f"cannot write the audit: {cause.strerror or cause}", origin=str(folder), hint="free space, or another --artifacts") from cause
    finally:
        shutil.rmtree(staging, ignore_errors=True)
