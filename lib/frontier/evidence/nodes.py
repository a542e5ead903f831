"""What tells nodes apart, taken out of the noise between launches where a design in blocks allows it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.records import INTERACTIVITY, METRICS, configuration_columns, row_codes

NODE = "node"


def without_node_effects(frame: pd.DataFrame, cells: NDArray[np.int64], metric: str) -> tuple[pd.DataFrame, str]:
    """Points as they would be on a node like the mean of all, and a sentence on it; the frame itself and an empty text where there is one node.

    Parameters
    ----------
    frame : DataFrame
        Usable rows; ``node`` says where each was measured, ``replicate`` which launch it belongs to.
    cells : int array, shape (len(frame),)
        The variant of each row.
    metric : "total" | "output"

    Notes
    -----
    The model is log(rate) = configuration + node + launch. Where every variant has the same share of its launches on each node (what
    ``place.per=block`` makes), nodes and levers are orthogonal: a node's effect is the mean of what its launches deviate by from their
    configurations' means, and it cancels in every ratio of variants, so that taking it out moves none. What is left is the noise between launches of
    one node; it is widened by sqrt(D / (D - N + 1)) for the N - 1 effects that were estimated, D being the launches beyond the first of each
    variant. Where shares differ, a node's effect cannot be told from a lever's without a model of both: nothing is taken out, and the text says so.
    """
    if NODE not in frame or frame[NODE].isna().any() or frame["replicate"].isna().any() or frame[NODE].nunique() < 2:
        return frame, ""
    launches = pd.DataFrame({"cell": cells, "node": frame[NODE].astype(str).to_numpy(), "launch": frame["replicate"].to_numpy()}).drop_duplicates()
    counts = pd.crosstab(launches["cell"], launches["node"])
    nodes = len(counts.columns)
    shares = counts.div(counts.sum(axis=1), axis=0).to_numpy()
    freedom = len(launches) - len(counts)
    if not np.allclose(shares, shares[0]):
        text = f"Launches ran on {nodes} nodes, and not on each in the same share for every variant: what tells the nodes apart is part of the shares"
        return frame, f"{text} of the levers. place.per=block keeps the variants of a replicate on one node."
    if freedom < nodes:
        return frame, f"Launches ran on {nodes} nodes, too many for {freedom} degrees of freedom: their effects are in the noise between launches."
    key = configuration_columns(frame)
    configuration = pd.Series(row_codes(frame, key)).astype(str) + "/" + pd.Series(cells).astype(str)
    node = frame[NODE].astype(str).reset_index(drop=True)
    wider = float(np.sqrt(freedom / (freedom - nodes + 1)))
    changed, largest = {}, 0.0
    for column in (INTERACTIVITY, METRICS[metric]):
        logs = pd.Series(np.log(frame[column].to_numpy(float)))
        mean = logs.groupby(configuration).transform("mean")
        effect = (logs - mean).groupby(node).mean()
        left = logs - mean - node.map(effect)
        changed[column] = np.exp((mean + wider * left).to_numpy(float))
        largest = max(largest, float(effect.max() - effect.min()))
    text = f"Launches ran on {nodes} nodes in blocks; their effects differ by up to {np.expm1(largest):.1%} and are taken out of the noise."
    return frame.assign(**changed), text
