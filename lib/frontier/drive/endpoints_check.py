"""What a run did otherwise than MLPerf Endpoints asks; the rules and their source stand in :mod:`frontier.drive.endpoints`."""

from __future__ import annotations

import math
from dataclasses import dataclass

from frontier.drive.endpoints import ENDPOINTS_DRAFT, REGIONS, EndpointsProfile, EndpointsRegions
from frontier.errors import UsageError


@dataclass(frozen=True)
class PointFacts:
    """What a run knows of one of its points; None is not known, which counts as not done.

    Parameters
    ----------
    concurrency : int
    steady_s : float, seconds of detected steady state (by issue time), not of the whole window
    completed_requests, dataset_requests : int or None
        Requests completed in the window; requests of one pass over the data set.
    load_pattern : str, ``concurrency`` for a fixed number in flight
    streaming : bool
    drafter : str, empty without speculative decoding
    quality_passed : bool or None
        Result of an accuracy check on the same server instance right after the point, None if there was none.
    warmup_s : float
    """

    concurrency: int
    steady_s: float
    completed_requests: int | None = None
    dataset_requests: int | None = None
    load_pattern: str = "concurrency"
    streaming: bool = True
    drafter: str = ""
    quality_passed: bool | None = None
    warmup_s: float = 0.0


@dataclass(frozen=True)
class RunFacts:
    """What a run knows of itself.

    Parameters
    ----------
    points : tuple of PointFacts
    tpot_percentile, ttft_percentile : float
        The percentiles its interactivity and TTFT are taken at; 50 is the median.
    salt_bits : int, entropy of the salt of every prompt; 0 without
    curve : str, ``step`` or ``interpolated``: how the headline reads between points
    offline : str, ``dedicated``, ``elected`` or empty
    offline_ratio : float, throughput of a dedicated Offline run over that of the highest concurrency; NaN where there is none
    one_configuration : bool
        Same model, server settings and software at every point.
    reference_client, benchmark_dataset : bool
        Whether the load came from MLCommons' client, and the prompts from one of its benchmarks.
    seed_set : str, published seed set; empty without
    """

    points: tuple[PointFacts, ...]
    tpot_percentile: float
    ttft_percentile: float
    salt_bits: int
    curve: str
    offline: str = ""
    offline_ratio: float = math.nan
    one_configuration: bool = True
    reference_client: bool = False
    benchmark_dataset: bool = False
    seed_set: str = ""


@dataclass(frozen=True)
class Deviation:
    """A rule that a run did not keep: its name and section, what it wants, and what was found."""

    rule: str
    wanted: str
    found: str


def deviations(run: RunFacts, profile: EndpointsProfile = ENDPOINTS_DRAFT) -> list[Deviation]:
    """What a run did otherwise than the rules ask, in their order; an empty list means that none of the rules known here is broken.

    Raises
    ------
    UsageError
        If the run has no point.
    """
    if not run.points:
        raise UsageError("a run without points cannot be compared with the rules")
    found = [*_prompts_and_metrics(run, profile), *_curve(run, profile), *_points(run, profile)]
    return [Deviation(rule, wanted, got) for rule, wanted, got, kept in found if not kept]


Check = tuple[str, str, str, bool]


def _prompts_and_metrics(run: RunFacts, profile: EndpointsProfile) -> list[Check]:
    tpot, ttft = run.tpot_percentile, run.ttft_percentile
    drafters = sorted({p.drafter for p in run.points if p.drafter})
    client = "MLCommons' reference client" if run.reference_client else "another client"
    data = "a benchmark's data set" if run.benchmark_dataset else "other prompts"
    return [
        ("reference client (2.1.1)", "MLCommons' reference client, unmodified", client, run.reference_client),
        ("one drafter (2.9.4)", "the same drafter, or none, at every point", ", ".join(drafters) or "none", len(drafters) <= 1),
        ("salt (2.9.5.1)", f"at least {profile.salt_bits} bits in every prompt", f"{run.salt_bits} bits", run.salt_bits >= profile.salt_bits),
        ("benchmark (3)", "model and data set of a benchmark", data, run.benchmark_dataset),
        ("interactivity (4.1)", f"1 / p{profile.tpot_percentile:g} TPOT", f"1 / p{tpot:g} TPOT", tpot == profile.tpot_percentile),
        ("TTFT (4.1)", f"p{profile.ttft_percentile:g}", f"p{ttft:g}", ttft == profile.ttft_percentile),
    ]


def _curve(run: RunFacts, profile: EndpointsProfile) -> list[Check]:
    levels = sorted({p.concurrency for p in run.points})
    count = len(levels) + (run.offline == "dedicated")
    least = profile.least_points + (run.offline != "elected")
    checks: list[Check] = [
        ("step curve (5.2)", "step", run.curve, run.curve == "step"),
        ("least points (5.3)", f"{least}, the Offline run included" if run.offline != "elected" else f"{least}", f"{count}", count >= least),
        ("most points (5.6)", f"{profile.most_points}", f"{count}", count <= profile.most_points),
        ("highest concurrency (5.4)", f"above {profile.ultra_low_highest}", f"{levels[-1]}", levels[-1] > profile.ultra_low_highest),
        ("offline (5.7)", "a dedicated run, or the highest concurrency elected", run.offline or "none", run.offline in ("dedicated", "elected")),
        ("one configuration (9.1)", "the same stack at every point", "it changed", run.one_configuration),
        ("seed set (2.1.1)", "a published seed set", run.seed_set or "none", bool(run.seed_set)),
    ]
    if run.offline == "dedicated":
        # A ratio that is not known is not above the limit either.
        enough = run.offline_ratio >= profile.offline_ratio
        wanted = f"at least {profile.offline_ratio:g} of the highest concurrency's"
        checks.append(("offline throughput (5.7.2)", wanted, f"{run.offline_ratio:g}", enough))
    if not 1 <= levels[0] <= profile.ultra_low_highest:
        return [*checks, ("ultra_low region (5.3)", f"a point at 1 to {profile.ultra_low_highest}", f"lowest is {levels[0]}", False)]
    if len(levels) == 1:
        return [*checks, ("regions (5.3)", f"a point in each of {', '.join(REGIONS)}", f"one concurrency, {levels[0]}", False)]
    regions = EndpointsRegions.between(levels[0], levels[-1], profile)
    for name in REGIONS:
        first, last = getattr(regions, name)
        inside = [c for c in levels if regions.of(c) == name]
        # Rounding can leave a region without any integer; nothing can be asked of it then.
        checks.append((f"{name} region (5.3)", f"a point at {first} to {last}", ", ".join(map(str, inside)) or "none", bool(inside) or last < first))
        passed = any(p.quality_passed for p in run.points if p.concurrency in inside)
        failed = [p.concurrency for p in run.points if p.concurrency in inside and p.quality_passed is False]
        got = f"failed at {failed}" if failed else ("checked" if passed else "not checked")
        wanted = f"a passed check in the {name} region, same instance, right after the point"
        checks.append(("accuracy (4.3)", wanted, got, (passed and not failed) or last < first))
    return checks


def _points(run: RunFacts, profile: EndpointsProfile) -> list[Check]:
    levels = sorted({p.concurrency for p in run.points})
    regions = EndpointsRegions.between(levels[0], levels[-1], profile) if 1 <= levels[0] <= profile.ultra_low_highest and len(levels) > 1 else None
    checks: list[Check] = []
    for p in sorted(run.points, key=lambda point: point.concurrency):
        at = f"at concurrency {p.concurrency}"
        steady = profile.least_steady_s(p.concurrency, regions) if regions else profile.steady_s
        completed, passes = p.completed_requests, p.dataset_requests
        one_pass = completed is not None and passes is not None and completed >= passes
        got = "not known" if completed is None or passes is None else f"{completed} of {passes}"
        checks += [
            (f"load pattern {at} (6.1)", "concurrency", p.load_pattern, p.load_pattern == "concurrency"),
            (f"steady state {at} (6.2)", f"at least {steady:g} s", f"{p.steady_s:g} s", p.steady_s >= steady),
            (f"warm-up {at} (6.3)", f"at most {profile.warmup_most_s:g} s", f"{p.warmup_s:g} s", p.warmup_s <= profile.warmup_most_s),
            (f"queries {at} (6.4)", "one pass over the data set", got, one_pass),
            (f"streaming {at} (6.5)", "streamed", "streamed" if p.streaming else "not streamed", p.streaming),
        ]
    return checks
