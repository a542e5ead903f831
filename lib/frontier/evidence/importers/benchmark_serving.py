"""The result files of the benchmark_serving family: TensorRT-LLM's, vLLM's and SGLang's descend from one script and share most of their keys."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from frontier.evidence.importers.documents import RefusedRow, gpu_count, iso_date, milliseconds, needed, number
from frontier.evidence.importers.given import GIVEN_COLUMNS
from frontier.evidence.importers.names import hardware_name, precision_name
from frontier.evidence.importers.per_request import RequestTimes, floats
from frontier.records import COLUMNS

NO_TPOT = (
    "TPOT was not measured (responses not streamed, or no request gave two tokens), so there is no interactivity; ITL is not taken in its place"
)
# Results are compared with the stated ones; further apart than this, the row carries a flag.
_TOLERANCE = 0.01
_STATED_FACTS = tuple(name for name in GIVEN_COLUMNS if COLUMNS[name][0] in ("system", "levers") and name != "model")


def serving_row(document: Mapping[str, Any], given: Mapping[str, Any], facts: Mapping[str, Any], *, e2e: str = "e2el") -> dict[str, Any]:
    """A result of the family as a row of the points table.

    Parameters
    ----------
    document : the JSON object
        Times of the summary in milliseconds, of the per-request lists in seconds.
    given : mapping column -> typed value, the ``--set`` values
    facts : mapping column -> value
        What the format's own keys or the file's place say of system and load; None where unknown.
    e2e : what the end-to-end latency is called in the keys (``e2el`` or ``e2e_latency``)

    Raises
    ------
    RefusedRow
        If there is no GPU count, nothing completed, or no TPOT.

    Notes
    -----
    Rates are total tokens over the stated duration over GPUs. Where per-request lists are there (``--save-detailed``, ``--output-details``),
    the statistics are worked out from them; failed requests are not in them.
    """
    flags: list[str] = []
    completed = number(document, "completed")
    if not completed > 0:
        raise RefusedRow("completed", document.get("completed"), "no request completed")
    window = needed(document, "duration")
    tokens_in, tokens_out = number(document, "total_input_tokens"), needed(document, "total_output_tokens")
    row: dict[str, Any] = {"model": document.get("model_id"), "date": iso_date(document.get("date")), **_stated_facts(document)}
    row.update({name: value for name, value in facts.items() if value is not None})
    gpus = gpu_count(row, given)
    rate = number(document, "request_rate")
    row.update(
        # Nominal lengths where the file has them; the mean is what is left, and --set may state the nominal one.
        isl_tokens=_length(row, given, "isl_tokens", tokens_in / completed),
        osl_tokens=_length(row, given, "osl_tokens", tokens_out / completed),
        concurrency=row.get("concurrency", number(document, "max_concurrency")),
        request_rate_per_s=rate,
        requests=completed,
        failed_requests=_failed(document, completed),
        window_s=window,
        output_tput_tok_s_gpu=tokens_out / window / gpus,
        total_tput_tok_s_gpu=(tokens_in + tokens_out) / window / gpus,
    )
    if not _near(number(document, "output_throughput"), tokens_out / window):
        flags.append("stated_throughput_differs")
    times = _summary(document, e2e)
    lists = _request_times(document, completed)
    if lists is not None:
        recomputed = lists.statistics()
        if not _near(times["median_tpot_s"], recomputed["median_tpot_s"]):
            flags.append("stated_median_tpot_differs")
        times.update({name: value for name, value in recomputed.items() if not math.isnan(value)})
        if math.isnan(recomputed["median_tpot_s"]):
            times["median_tpot_s"] = math.nan
    if math.isnan(times["median_tpot_s"]):
        raise RefusedRow("median_tpot_ms", document.get("median_tpot_ms"), NO_TPOT)
    row.update(times)
    concurrency = row["concurrency"] if not _blank(row["concurrency"]) else given.get("concurrency", math.nan)
    mean_e2el = times["mean_e2el_s"] if not math.isnan(times["mean_e2el_s"]) else times["median_e2el_s"]
    row["little_ratio"] = completed / window * mean_e2el / float(concurrency)
    if _blank(concurrency) and math.isnan(rate):
        flags.append("unlimited_load")
    row.update(_energy(document, tokens_out, gpus))
    row["gpus"] = row.get("gpus", given.get("gpus"))
    row["flags"] = ";".join(flags) or None
    return row


def _summary(document: Mapping[str, Any], e2e: str) -> dict[str, float]:
    keys = {"ttft": "ttft", "tpot": "tpot", "e2el": e2e}
    times = {
        f"{statistic}_{name}_s": milliseconds(document, f"{statistic}_{key}_ms")
        for name, key in keys.items()
        for statistic in ("median", "p99", "mean")
    }
    times["p90_ttft_s"] = milliseconds(document, "p90_ttft_ms")
    times["median_itl_s"] = milliseconds(document, "median_itl_ms")
    return times


def _request_times(document: Mapping[str, Any], completed: float) -> RequestTimes | None:
    """The completed requests of the per-request lists, or None where the file has none.

    The end of a request is stated (``latencies``, ``e2els``), or its first chunk and the gaps after it added up.
    """
    names = ("input_lens", "output_lens", "ttfts", "itls", "errors")
    if not all(isinstance(document.get(name), list) for name in names):
        return None
    lengths = {len(document[name]) for name in names}
    if len(lengths) != 1:
        raise RefusedRow("ttfts", sorted(lengths), "the per-request lists must be of one length")
    ttft, tokens = floats(document["ttfts"]), floats(document["output_lens"])
    failed = np.array([bool(error) for error in document["errors"]]) | ((tokens == 0) & ~(ttft > 0))
    if int((~failed).sum()) != int(completed):
        raise RefusedRow("completed", completed, f"{int((~failed).sum())} requests of the per-request lists completed")
    sums = np.array([sum(gaps or ()) for gaps in document["itls"]], dtype=float)
    stated = next((document[name] for name in ("latencies", "e2els") if isinstance(document.get(name), list)), None)
    e2el = floats(stated) if stated is not None and len(stated) == len(ttft) else ttft + sums
    gaps = [gap for gaps, gone in zip(document["itls"], failed, strict=True) if not gone for gap in gaps or ()]
    return RequestTimes(floats(document["input_lens"])[~failed], tokens[~failed], ttft[~failed], e2el[~failed], floats(gaps))


def _failed(document: Mapping[str, Any], completed: float) -> float:
    stated = number(document, "failed")
    if not math.isnan(stated):
        return stated
    sent = number(document, "num_prompts")
    if math.isnan(sent) and isinstance(document.get("errors"), list):
        sent = len(document["errors"])
    if sent < completed:
        raise RefusedRow("completed", completed, f"more requests completed than were sent ({sent:g})")
    return sent - completed


def _stated_facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """Columns that ``--metadata COLUMN=VALUE`` put into the file under the points table's own names (always texts)."""
    facts = {name: document[name] for name in _STATED_FACTS if isinstance(document.get(name), str) and document[name].strip()}
    named = {"hardware": hardware_name, "precision": precision_name, "kv_precision": precision_name}
    return {name: named[name](value) or value if name in named else value for name, value in facts.items()}


def _energy(document: Mapping[str, Any], tokens_out: float, gpus: int) -> dict[str, float]:
    energy = document.get("energy")
    if not isinstance(energy, Mapping):
        return {}
    return {"power_w_gpu": number(energy, "total_gpu_power_w") / gpus, "joules_per_output_token": number(energy, "total_energy_j") / tokens_out}


def _length(row: Mapping[str, Any], given: Mapping[str, Any], column: str, mean: float) -> Any:
    return row[column] if not _blank(row.get(column)) else given.get(column, mean)


def _blank(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _near(stated: float, worked_out: float) -> bool:
    return math.isnan(stated) or math.isnan(worked_out) or abs(stated - worked_out) <= _TOLERANCE * abs(worked_out)
