"""The attribution of a difference between two runs: engine, machine, settings, kit or noise, said in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from frontier.compare.ends import CAUSE_OF
from frontier.compare.facts import GROUPS, Difference
from frontier.report.wording import listed, upper_first

CAUSES = ("none", "noise", *dict.fromkeys(CAUSE_OF.values()), "several", "unexplained", "not_identifiable")
TITLES = {
    "software": "the engine's version or image", "platform": "the machine", "configuration": "the settings", "kit": "the kit itself",
    "noise": "noise", "none": "nothing",
    "several": "several causes, told apart by the frontiers", "unexplained": "nothing that is recorded", "not_identifiable": "not identifiable",
}  # fmt: skip


def attributed(
    quantities: Sequence[Mapping[str, Any]],
    ends: Sequence[Mapping[str, Any]],
    found: Sequence[Difference],
    groups: Sequence[str],
    matched_groups: Sequence[str],
    *,
    evidence: tuple[str, str],
    probes: Sequence[Mapping[str, Any]],
    unstated: Sequence[str],
    margin: float,
) -> dict[str, Any]:
    """Cause, candidates and sentences of what moved between two runs.

    Parameters
    ----------
    quantities, ends : sequence of mapping
        Judged changes.
    found : sequence of Difference
    groups : sequence of str
        Groups of facts that differ and can be a cause.
    matched_groups : sequence of str
        Those of them that do not show in the columns of the points.
    evidence : (str, str)
        Kinds of the two runs.
    probes : sequence of mapping
        How fast the machine itself was in both runs.
    unstated : sequence of str
        Runs that do not say on which machine they ran.
    margin : float
    """
    states = [str(one["state"]) for one in (*quantities, *ends)]
    moved = "moved" in states
    cause = _cause(states, moved, groups, matched_groups, ends)
    sentences = [_first(cause, moved, groups, found)]
    if evidence[0] != evidence[1]:
        sentences.append(f"The runs are different kinds of evidence ({evidence[0]} and {evidence[1]}): part of any change is between the kinds.")
    if moved and unstated and cause in ("software", "unexplained", "configuration") and "measured" in evidence:
        who = "neither run states" if len(unstated) > 1 else f"{unstated[0]} does not state"
        sentences.append(f"As {who} its machine, what a change of machine did is counted in.")
    if probes and "measured" in evidence:
        sentences.append(_probe_sentence(probes, margin, asked=cause in ("not_identifiable", "platform", "unexplained") and moved))
    return {"cause": cause, "title": TITLES[cause], "candidates": list(groups), "sentences": [text for text in sentences if text]}


def _cause(
    states: Sequence[str], moved: bool, groups: Sequence[str], matched_groups: Sequence[str], ends: Sequence[Mapping[str, Any]]
) -> str:
    if not moved:
        return "none" if states and all(state == "not_moved" for state in states) else "noise"
    if len(groups) == 1:
        return CAUSE_OF[groups[0]]
    if len(groups) > 1:
        causes = {factor["cause"] for end in ends for factor in end["factors"]}
        # A setting that the points show is told apart from the rest by the account, if there is no more than one other thing.
        told_apart = len(matched_groups) == 1 and causes and "not_identifiable" not in causes
        return "several" if told_apart else "not_identifiable"
    return "unexplained"


def _first(cause: str, moved: bool, groups: Sequence[str], found: Sequence[Difference]) -> str:
    names = [f"{GROUPS[group]} ({_facts(group, found)})" for group in groups]
    if cause == "none":
        beside = f" although {listed(names)} changed" if groups else ""
        return f"Nothing moved by more than the margin{beside}."
    if cause == "noise":
        beside = f" {upper_first(listed(names))} changed; whether that moved anything cannot be said." if groups else ""
        return f"What differs is not told from noise.{beside}"
    if cause == "unexplained":
        return "Something moved, and nothing that the runs record differs: repeat the run to see which of the two stands out."
    if cause == "several":
        return f"{upper_first(listed(names))} changed together; the points show which configurations are new, so the frontiers tell them apart."
    if cause == "not_identifiable":
        return (
            f"Not identifiable: {listed(names)} changed together, and no configuration ran with one of them changed alone. A run with only one of "
            "them changed would tell."
        )
    return f"The one thing that differs and can move the numbers is {names[0]}."


def _facts(group: str, found: Sequence[Difference]) -> str:
    chosen = [f"{one.fact} {one.original} → {one.new}" for one in found if one.group == group and one.likely_cause]
    return "; ".join(chosen[:3]) + (f"; {len(chosen) - 3} more" if len(chosen) > 3 else "")


def _probe_sentence(probes: Sequence[Mapping[str, Any]], margin: float, *, asked: bool) -> str:
    """What the machine's own speed says, as evidence; a factor it is not, because nobody knows how much of a request each probe stands for."""
    parts = [f"{one['title']} {one['ratio']:.3g} times as fast (spread {100 * one['spread']:.0f} %)" for one in probes]
    beyond = [one for one in probes if abs(math.log(one["ratio"])) > max(math.log1p(margin), one["spread"])]
    text = f"The machine's own speed probes: {listed(parts)}."
    if beyond:
        return f"{text} So the machine itself was not the same; how much of the change that makes, no probe says."
    return f"{text} That is within the margin or their own spread, which speaks against the machine as the cause." if asked else text
