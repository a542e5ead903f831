"""The predicted frontiers against those that the upper package's own sweep gave (tests/golden/predicted/make_reference.py)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from frontier.evidence.predicted import PredictedCell, predict_cell

GOLDEN = Path(__file__).parents[1] / "golden" / "predicted"
CELLS = json.loads((GOLDEN / "cells.json").read_text())["cells"]
REFERENCE = json.loads((GOLDEN / "reference.json").read_text())
DOMAIN_GPUS = {"h200_sxm": 8, "b200_sxm": 8, "gb200": 72}
NODE_GPUS = {"h200_sxm": 8, "b200_sxm": 8, "gb200": 4}
TOLERANCE = 0.005
# The reference rounds interactivity to three decimals, with drafts twice (1000 / tpot, then times the accepted tokens).
INTERACTIVITY_STEP = 2e-3


def predicted(cell):
    return predict_cell(
        PredictedCell(
            model_path=cell["model_path"],
            system=cell["system"],
            precision=cell["precision"],
            kv_precision=cell["kv_precision"],
            search_space=cell["search_space"],
            max_gpus=cell["max_gpus"],
            domain_gpus=DOMAIN_GPUS[cell["system"]],
            gpus_per_node=NODE_GPUS[cell["system"]],
            disaggregated=cell["disaggregated"],
            isl_tokens=cell["isl_tokens"],
            osl_tokens=cell["osl_tokens"],
            draft_lens=(cell["draft_len"],),
            accepted_drafts={cell["draft_len"]: cell["accepted_drafts"]},
            hypothetical_draft_head=True,
        )
    )


def attained(points, interactivity):
    """Best throughput at that interactivity or more; NaN beyond the frontier's end."""
    inside = points[:, 0] >= interactivity - INTERACTIVITY_STEP
    return points[inside, 1].max() if inside.any() else np.nan


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell["name"])
def test_frontier_is_that_of_the_reference_at_every_interactivity(cell):
    frame = predicted(cell)
    ours = frame[["interactivity_tok_s_user", "output_tput_tok_s_gpu"]].to_numpy()
    theirs = pd.read_csv(GOLDEN / f"{cell['name']}.csv")[["tokens/s/user", "tokens/s/gpu"]].to_numpy()
    # A staircase changes only at its points, so agreement at the points of both sides is agreement everywhere.
    for interactivity in np.concatenate([ours[:, 0], theirs[:, 0]]):
        assert attained(ours, interactivity) == pytest.approx(attained(theirs, interactivity), rel=TOLERANCE), interactivity
    assert frame.attrs["database_version"] == REFERENCE["cells"][cell["name"]]["database_version"]


@pytest.mark.parametrize("cell", [c for c in CELLS if not c["disaggregated"]], ids=lambda cell: cell["name"])
def test_aggregated_points_have_the_reference_ttft(cell):
    frame = predicted(cell)
    theirs = pd.read_csv(GOLDEN / f"{cell['name']}.csv")
    keys = ["tp", "pp", "dp", "moe_tp", "ep", "batch_size", "ctx_tokens"]
    joined = frame.merge(theirs.rename(columns={"moe_ep": "ep", "bs": "batch_size"}), on=keys, suffixes=("", "_ref"))
    assert len(joined) == len(theirs)
    np.testing.assert_allclose(joined["median_ttft_s"] * 1000.0, joined["ttft"], rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(joined["concurrency"], joined["concurrency_ref"])
    np.testing.assert_array_equal(joined["gpus"], joined["num_total_gpus"])


@pytest.mark.parametrize("cell", [c for c in CELLS if c["disaggregated"]], ids=lambda cell: cell["name"])
def test_disaggregated_points_hold_the_reference_workers(cell):
    frame = predicted(cell)
    theirs = pd.read_csv(GOLDEN / f"{cell['name']}.csv")
    for ours, reference in (
        ("gpus", "num_total_gpus"),
        ("prefill_workers", "(p)workers"),
        ("decode_workers", "(d)workers"),
        ("decode_tp", "(d)tp"),
        ("decode_ep", "(d)moe_ep"),
        ("decode_dp", "(d)dp"),
        ("batch_size", "(d)bs"),
    ):
        np.testing.assert_array_equal(frame[ours], theirs[reference], err_msg=ours)
    np.testing.assert_allclose(frame["median_ttft_s"] * 1000.0, theirs["ttft"], rtol=1e-5, atol=2e-3)


def test_golden_set_covers_what_predictions_are_used_for():
    seen = {(c["disaggregated"], c["draft_len"] > 0) for c in CELLS}
    assert seen == {(False, False), (False, True), (True, False), (True, True)}
    assert {c["system"] for c in CELLS} >= {"h200_sxm", "b200_sxm", "gb200"}
    assert len(CELLS) >= 12
    assert REFERENCE["tool"] == {"aiconfigurator": "0.12.0", "aiconfigurator-core": "0.12.0"}
