"""Published data sets by name, and the filter through which engines read them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import pandas as pd

from frontier.errors import PointsError
from frontier.evidence.published.silicon_sample import silicon_sample_points

DATASETS: dict[str, Callable[[], pd.DataFrame]] = {"silicon_sample": silicon_sample_points}
LEFT_OUT = ("duplicate", "mtp_suspected")


def published_points(
    dataset: str,
    models: Sequence[str] = (),
    hardware: Sequence[str] = (),
    isl_tokens: float | None = None,
    osl_tokens: float | None = None,
    backends: Sequence[str] = (),
    *,
    leave_out: Collection[str] = LEFT_OUT,
) -> pd.DataFrame:
    """Rows of a published data set.

    Parameters
    ----------
    dataset : str
        A key of ``DATASETS``.
    models : sequence of str
        Values of ``model`` (``DeepSeek-R1``) or of ``model_path`` (``deepseek-ai/DeepSeek-R1``); empty: all.
    hardware, backends : sequence of str
        Values of ``hardware`` and ``engine``; empty: all.
    isl_tokens, osl_tokens : float, optional, tokens
        Nominal lengths; none: all.
    leave_out : collection of str
        Rows with one of these flags are not returned. By default repeated measurements and rows that used MTP without saying so, which would
        be an unnamed lever in any comparison.

    Returns
    -------
    DataFrame, points table; may be empty when each name is known and the combination has no rows. ``attrs["left_out"]`` counts the rows
    left out by flag. Repeats of a configuration on several dates are kept.

    Raises
    ------
    PointsError
        If a name or a pair of lengths does not occur in the data set; the message lists those that do.
    """
    if dataset not in DATASETS:
        raise PointsError(f"dataset must be one of {', '.join(DATASETS)}, got {dataset!r}", hint=f"engine.dataset={next(iter(DATASETS))}")
    table = DATASETS[dataset]()
    names = {*table["model"].dropna(), *table["model_path"].dropna()}
    _require("model", models, names, dataset, sorted(set(table["model_path"].dropna())))
    _require("hardware", hardware, set(table["hardware"].dropna()), dataset)
    _require("backend", backends, set(table["engine"].dropna()), dataset)
    keep = pd.Series(True, index=table.index)
    if models:
        keep &= table["model"].isin(models) | table["model_path"].isin(models)
    if hardware:
        keep &= table["hardware"].isin(hardware)
    if backends:
        keep &= table["engine"].isin(backends)
    pairs = sorted({(int(i), int(o)) for i, o in zip(table["isl_tokens"], table["osl_tokens"], strict=True)})
    lengths = (isl_tokens, osl_tokens)
    if not any(all(want is None or want == have for want, have in zip(lengths, pair, strict=True)) for pair in pairs):
        raise PointsError(
            f"data set {dataset!r} has no rows with isl_tokens={isl_tokens} and osl_tokens={osl_tokens}",
            hint=f"isl x osl: {', '.join(f'{i}x{o}' for i, o in pairs)}",
        )
    for column, want in (("isl_tokens", isl_tokens), ("osl_tokens", osl_tokens)):
        if want is not None:
            keep &= table[column] == want
    rows = table[keep]
    flags = rows["flags"].str.split(";")
    marked = {flag: flags.map(lambda found, flag=flag: flag in found) for flag in leave_out}
    dropped = pd.Series(False, index=rows.index)
    for mark in marked.values():
        dropped |= mark.astype(bool)
    out = rows[~dropped].reset_index(drop=True)
    out.attrs["left_out"] = {flag: int(mark.sum()) for flag, mark in marked.items()}
    return out


def _require(what: str, wanted: Sequence[str], known: set[str], dataset: str, listed: Sequence[str] | None = None) -> None:
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise PointsError(
            f"{what} {', '.join(map(repr, unknown))} is not in the data set {dataset!r}",
            hint=f"one of {', '.join(listed if listed is not None else sorted(known))}",
        )
