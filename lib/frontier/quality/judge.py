"""Whether a variant passes the gate: paired against the baseline on the same documents, with intervals and the baseline's own repeatability."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri, stdtrit  # scipy.stats takes half a second to import, in every process that measures

from frontier.attribution import interval, number
from frontier.errors import RunError
from frontier.quality.gate import Gate
from frontier.quality.measure import Quality
from frontier.quality.texts import token_digest

RESAMPLES, SEED = 2000, 1
_WAYS = {"forced": "along the baseline's continuation", "generated": "in its own generation"}


@dataclass(frozen=True)
class Share:
    """A number with its 95 % interval; None where one document or none allows no interval."""

    value: float
    ci95: tuple[float, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The number as plain JSON values."""
        return {"value": number(self.value), "ci95": None if self.ci95 is None else [number(end) for end in self.ci95]}


@dataclass(frozen=True)
class Judgement:
    """What the gate says of a variant.

    Attributes
    ----------
    passed : bool
        Whether the estimates meet the gate.
    resolved : bool
        Whether no interval holds a limit: more documents would hardly change the verdict.
    perplexity_ratio : Share
        Perplexity over the baseline's, same documents.
    agreement : mapping way -> Share
        Share of greedy decisions after the same prefix that agree; ``forced``: along the baseline's continuation, scored as a prompt;
        ``generated``: in the variant's own generation up to and including the first token that differs.
    required : mapping way -> float
        The least share that passes: the gate's, or the lower end of the baseline's agreement with itself where that is smaller.
    identical : float
        Share of generated tokens equal to the baseline's at the same place, after a difference too; told, not judged.
    reasons : tuple of str
        Why the variant fails; empty when it passes.
    notes : tuple of str
        What a reader must know of the verdict.
    """

    passed: bool
    resolved: bool
    perplexity_ratio: Share
    agreement: dict[str, Share]
    required: dict[str, float]
    identical: float
    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Why the variant fails in one line; empty when it passes."""
        return "; ".join(self.reasons)

    @property
    def least_agreement(self) -> float:
        """The smaller of the two shares."""
        return min(share.value for share in self.agreement.values())

    def to_dict(self) -> dict[str, Any]:
        """The judgement as plain JSON values."""
        return {
            "passed": self.passed,
            "resolved": self.resolved,
            "perplexity_ratio": self.perplexity_ratio.to_dict(),
            "agreement": {
                "value": number(self.least_agreement),
                **{way: {**share.to_dict(), "required": self.required[way]} for way, share in self.agreement.items()},
                "identical": number(self.identical),
            },
            "reasons": list(self.reasons),
            "notes": list(self.notes),
        }


def judge(baseline: Quality, variant: Quality, gate: Gate, *, itself: Quality | None = None) -> Judgement:
    """The gate's verdict on a variant.

    Parameters
    ----------
    baseline, variant : Quality
        The variant measured with ``baseline=baseline``.
    gate : Gate
    itself : Quality, optional
        The baseline measured a second time, at another launch, with ``baseline=baseline``. Where even the baseline agrees with itself less
        than the gate asks, a variant need not agree more.

    Raises
    ------
    RunError
        If the measurements are not of the same documents, or not along the baseline's continuations.

    Notes
    -----
    The verdict goes by the estimates. Intervals: percentile bootstrap over documents (2000 resamples, fixed seed), paired for the ratio and widened
    there for the number of documents; for shares the hull with the exact binomial interval, because a resample of decisions that all agree has
    no spread.
    """
    for other in (variant, *([itself] if itself is not None else [])):
        if other.documents != baseline.documents or other.along != token_digest(baseline.outputs):
            raise RunError("a variant is judged on the baseline's documents and along its continuations", hint="measure(..., baseline=baseline)")
    draws = _resamples(len(baseline.nll))
    ratio = _ratio(baseline, variant, draws)
    agreement = {way: _share(*_decisions(baseline, variant, way), draws) for way in _WAYS}
    required, notes = _required(baseline, itself, gate, draws)
    reasons = []
    if not ratio.value <= gate.max_perplexity_ratio:
        reasons.append(f"perplexity is {ratio.value:.4g} times the baseline's, the gate allows {gate.max_perplexity_ratio:.4g}")
    for way, share in agreement.items():
        if share.value < required[way]:
            reasons.append(f"{share.value:.1%} of greedy decisions {_WAYS[way]} agree with the baseline's, the gate asks for {required[way]:.1%}")
    open_ = [_holds(ratio, gate.max_perplexity_ratio), *(_holds(share, required[way]) for way, share in agreement.items())]
    same = [a == b for x, y in zip(baseline.outputs, variant.outputs, strict=True) for a, b in zip(x, y, strict=True)]
    return Judgement(
        passed=not reasons,
        resolved=not any(open_),
        perplexity_ratio=ratio,
        agreement=agreement,
        required=required,
        identical=float(np.mean(same)),
        reasons=tuple(reasons),
        notes=tuple(notes),
    )


def _required(baseline: Quality, itself: Quality | None, gate: Gate, draws: NDArray[np.int64]) -> tuple[dict[str, float], list[str]]:
    """The least share that passes for each way, and a note where it is not the gate's own."""
    required = dict.fromkeys(_WAYS, gate.min_greedy_agreement)
    # The baseline scored along its own generation tells how far prompt and decode arithmetic differ, without a second launch.
    floors = {"forced": itself or baseline, "generated": itself}
    notes = []
    for way, repeat in floors.items():
        if repeat is None:
            continue
        own = _share(*_decisions(baseline, repeat, way), draws)
        low = own.ci95[0] if own.ci95 else own.value
        if low < gate.min_greedy_agreement:
            required[way] = low
            notes.append(
                f"The baseline agrees with itself on {own.value:.1%} of greedy decisions {_WAYS[way]}; "
                f"a variant need not agree on more than {low:.1%}, the lower end of that."
            )
    if itself is None:
        notes.append("The baseline was measured at one launch only, so its own agreement in generation is not known.")
    return required, notes


def _decisions(baseline: Quality, other: Quality, way: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Greedy decisions after the same prefix per document: how many agree, and how many there are."""
    if way == "forced":
        return np.array(other.forced), np.array([len(ids) for ids in baseline.outputs])
    agreed, made = [], []
    for ours, theirs in zip(baseline.outputs, other.outputs, strict=True):
        same = next((place for place, (a, b) in enumerate(zip(ours, theirs, strict=True)) if a != b), len(ours))
        agreed.append(same)
        made.append(min(same + 1, len(ours)))  # the decision that differs was made after the same prefix too
    return np.array(agreed), np.array(made)


def _resamples(documents: int) -> NDArray[np.int64]:
    """Documents drawn with replacement, shape (resamples, documents); without rows for a single document."""
    rng = np.random.default_rng(SEED)
    return rng.integers(documents, size=(RESAMPLES if documents > 1 else 0, documents))


def _ratio(baseline: Quality, variant: Quality, draws: NDArray[np.int64]) -> Share:
    difference, count = np.array(variant.nll) - np.array(baseline.nll), np.array(baseline.scored)
    found = _estimate(lambda rows: difference[rows].sum(axis=-1) / count[rows].sum(axis=-1), len(count), draws)
    with np.errstate(over="ignore"):
        if found.ci95 is None:
            return Share(float(np.exp(found.value)))
        # Without both factors an interval from 16 documents that says 95 % covers about 92 %: the mean was taken out, and Student's t has wide tails.
        widen = np.sqrt(len(count) / (len(count) - 1)) * stdtrit(len(count) - 1, 0.975) / ndtri(0.975)
        low, high = (float(np.exp(found.value + widen * (end - found.value))) for end in found.ci95)
        return Share(float(np.exp(found.value)), (low, high))


def _share(agreed: NDArray[np.int64], made: NDArray[np.int64], draws: NDArray[np.int64]) -> Share:
    found = _estimate(lambda rows: agreed[rows].sum(axis=-1) / made[rows].sum(axis=-1), len(made), draws)
    ends = [_exact(int(agreed.sum()), int(made.sum())), *([found.ci95] if found.ci95 else [])]
    return Share(found.value, (min(low for low, _ in ends), max(high for _, high in ends)))


def _exact(agreed: int, made: int) -> tuple[float, float]:
    """95 % interval of a share by C. J. Clopper and E. S. Pearson (1934): quantiles of two beta distributions.

    >>> _exact(0, 10)[0], round(_exact(8, 10)[0], 4), round(_exact(8, 10)[1], 4)
    (0.0, 0.4439, 0.9748)
    """
    low = float(betaincinv(agreed, made - agreed + 1, 0.025)) if agreed > 0 else 0.0
    return low, float(betaincinv(agreed + 1, made - agreed, 0.975)) if agreed < made else 1.0


def _estimate(of: Callable[[NDArray[np.int64]], NDArray[np.float64]], documents: int, draws: NDArray[np.int64]) -> Share:
    drawn = of(draws) if len(draws) else np.empty(0)
    return Share(float(of(np.arange(documents))), interval(drawn) if len(drawn) else None)


def _holds(share: Share, limit: float) -> bool:
    """Whether the limit lies within the interval, so that the verdict could be the other; no interval leaves that open."""
    if share.ci95 is None:
        return True
    low, high = share.ci95
    return low < limit < high
