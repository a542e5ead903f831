"""The gate of a run: each variant's launches against the baseline's, and the flags that its points get."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from frontier import config
from frontier.judged import judge_run, with_quality
from frontier.plan import make_plan
from frontier.quality import OUTPUT, Quality
from frontier.quality.texts import token_digest
from frontier.records import KEPT, below_gate
from frontier.store import RunFolder

CFG = config.compose("pocket_cpu_quick", ["quality.output_tokens=4", "quality.documents=4"])
PLAN = make_plan(CFG)
ALONG = ((1, 2, 3, 4),) * 4


def _output(nll: float, forced: int, outputs: tuple[tuple[int, ...], ...] = ALONG) -> Quality:
    return Quality("documents", (nll,) * 4, (10,) * 4, outputs, token_digest(ALONG), (forced,) * 4)


def _run(folder: Path, outputs: dict[tuple[str, int], Quality]) -> RunFolder:
    run = RunFolder(folder / "20261121T000000Z-pocket_cpu_quick-00000000")
    for trial in PLAN.main.trials:
        found = outputs.get((trial.variant.name, trial.replicate))
        if found is not None:
            file = run.trial_folder(trial.digest) / KEPT / OUTPUT
            file.parent.mkdir(parents=True)
            file.write_text(json.dumps(found.to_dict()))
    return run


def test_a_variant_whose_perplexity_rose_is_below_the_gate(tmp_path: Path) -> None:
    # Perplexity exp(21 / 10) against exp(20 / 10): a ratio of exp(0.1) = 1.105, more than 1.02.
    run = _run(tmp_path, {("baseline", 1): _output(20.0, 4), ("mtp", 2): _output(20.0, 4), ("precision", 1): _output(21.0, 4)})
    found = judge_run(run, CFG, PLAN.main)
    assert found is not None
    document, columns = found
    passed = {entry["variant"]: entry["passed"] for entry in document["variants"]}
    assert passed == {"baseline": True, "mtp": True, "precision": False}
    assert columns.loc["precision", "quality"] == pytest.approx(1.10517, rel=1e-4)
    points = pd.DataFrame({"variant": ["baseline", "precision", "precision+mtp"], "flags": ["client_shares_cores", "not_steady", None]})
    marked = with_quality(points, columns)
    assert marked["flags"].fillna("").tolist() == ["client_shares_cores", "not_steady;below_quality_gate", ""]
    assert below_gate(marked).tolist() == [False, True, False]


def test_without_the_baseline_nothing_is_judged(tmp_path: Path) -> None:
    assert judge_run(_run(tmp_path, {("mtp", 1): _output(20.0, 4)}), CFG, PLAN.main) is None


def test_a_launch_asked_along_other_continuations_is_not_compared(tmp_path: Path) -> None:
    other = Quality("documents", (99.0,) * 4, (10,) * 4, ALONG, "elsewhere", (0,) * 4)
    found = judge_run(_run(tmp_path, {("baseline", 1): _output(20.0, 4), ("mtp", 1): other}), CFG, PLAN.main)
    assert found is not None
    assert [entry["variant"] for entry in found[0]["variants"]] == ["baseline"]


def test_no_gate_no_document(tmp_path: Path) -> None:
    cfg = config.compose("pocket_cpu_quick", ["quality=none"])
    assert judge_run(_run(tmp_path, {("baseline", 1): _output(20.0, 4)}), cfg, make_plan(cfg).main) is None
