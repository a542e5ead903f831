"""What a file of ``conf/claim`` and of ``conf/tco`` holds: types and defaults of every key.

A claim is kept in the words of its source: what the source does not state stays empty here and is listed by the audit as unsaid.
"""

from __future__ import annotations

from dataclasses import dataclass, field

QUANTITIES = ("ratio", "level", "share", "saving", "projection")
DIRECTIONS = ("about", "at_least", "at_most", "up_to")
PLACES = ("curve", "peak", "reach")
# Denominators of a throughput; what each divides by stands in docs/claims.md.
DENOMINATORS = ("gpu", "die", "bit", "megawatt", "megawatt_bit", "usd", "usd_per_mtok", "user")
EVIDENCE_KINDS = ("points", "published", "predicted")
CONFIRMED = ("primary", "secondary", "unconfirmed")
COMBINE = ("first", "any", "every")
USD_KINDS = ("hyperscaler", "neocloud", "retail")


@dataclass(frozen=True)
class SideConfig:
    """One side of a claim: the system and the software that it names."""

    title: str = ""  # for people
    hardware: list[str] = field(default_factory=list)  # values of the column `hardware`; empty: not stated
    precision: list[str] = field(default_factory=list)  # values of the column `precision`
    engine: list[str] = field(default_factory=list)
    spec: list[str] = field(default_factory=list)  # none, mtp, eagle3, ...
    disagg: bool | None = None
    image: str = ""  # a text that the image's name holds
    date_from: str = ""  # ISO dates, both ends included
    date_until: str = ""
    concurrency: float | None = None  # requests in flight
    tp: int | None = None


@dataclass(frozen=True)
class ReadingConfig:
    """One way to put a claim to the test: which model, lengths and rows, or which experiment for predictions."""

    title: str = ""
    metric: str = ""  # total | output; empty: the claim's, or total where it states none
    model: list[str] = field(default_factory=list)  # values of the column `model`
    isl_tokens: float | None = None
    osl_tokens: float | None = None
    baseline_isl_tokens: float | None = None  # where the two sides differ in lengths; empty: as the target
    baseline_osl_tokens: float | None = None
    baseline: SideConfig = field(default_factory=SideConfig)  # what it adds to the claim's own baseline
    target: SideConfig = field(default_factory=SideConfig)
    experiment: str = ""  # a file of conf/experiment that predicts both sides; empty: no prediction
    overrides: list[str] = field(default_factory=list)
    other_than_claimed: list[str] = field(default_factory=list)  # what differs from the claim and no column says


@dataclass(frozen=True)
class ClaimConfig:
    """A published claim in the words of its source."""

    title: str
    statement: str
    source: str
    date: str  # ISO date of the claim
    url: str = ""
    confirmed: str = "unconfirmed"  # primary: the source's own page was read; secondary: pages that report it
    confirmed_by: list[str] = field(default_factory=list)  # addresses
    quantity: str = "ratio"
    metric: str = ""  # total | output; any other word names what is no serving throughput; empty: not stated
    per: str = "gpu"
    value: float | None = None
    direction: str = "about"
    tolerance: float = 0.1  # relative, half the last digit of the claim or more
    value_rule: str = ""  # how a claim without a number is read
    at: str = "curve"  # curve: equal interactivity; peak: largest throughput; reach: largest interactivity
    interactivity_tok_s_user: float | None = None
    interactivity_until_tok_s_user: float | None = None  # with the former: a range
    model: list[str] = field(default_factory=list)
    isl_tokens: float | None = None
    osl_tokens: float | None = None
    baseline: SideConfig = field(default_factory=SideConfig)
    target: SideConfig = field(default_factory=SideConfig)
    usd_kind: str = ""  # hyperscaler | neocloud | retail; empty: not stated
    combine: str = "first"  # which reading decides: the first with evidence, any one (the claim leaves it open), or every one
    share_of: list[str] = field(default_factory=list)  # share: levers that count as the claimed cause
    hardware_factor: list[float] = field(default_factory=list)  # share: range claimed for the hardware alone
    cost_fraction: float | None = None  # projection: claimed cost after over cost before
    settled_by: str = ""  # the evidence that would settle it
    unsaid: list[str] = field(default_factory=list)  # what else the source leaves open
    remarks: list[str] = field(default_factory=list)  # what a reader of the source should know
    readings: dict[str, ReadingConfig] = field(default_factory=dict)  # the closest first


@dataclass(frozen=True)
class TcoGpu:
    """Power and price of one GPU."""

    tdp_w: float | None = None
    all_in_kw_per_gpu: float | None = None  # with its share of everything else
    usd_per_gpu_hr: dict[str, float] = field(default_factory=dict)  # by kind of owner


@dataclass(frozen=True)
class TcoConfig:
    """A table of power and price, with its era."""

    title: str
    version: str
    source: str
    valid_from: str = ""  # ISO date, included; empty: from the beginning
    valid_until: str = ""  # ISO date, not included; empty: still valid
    what_if: bool = False  # not published as such: a change applied to a published table
    power: str = "all-in"  # what the power column means
    gpus: dict[str, TcoGpu] = field(default_factory=dict)
