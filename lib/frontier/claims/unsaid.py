"""What a claim leaves unsaid: every quantity one needs to repeat it and that its source does not state."""

from __future__ import annotations

from frontier.claim_schema import ClaimConfig

SYSTEM_QUANTITIES = ("ratio", "level", "share")


def unsaid(claim: ClaimConfig) -> list[str]:
    """Sentences on what is missing, in the order in which a reader would ask; the claim's own list last."""
    out: list[str] = []
    if claim.quantity in SYSTEM_QUANTITIES:
        out += _workload(claim)
        out += _systems(claim)
    if claim.value is None:
        out.append("The number: the claim states none.")
    if claim.per in ("megawatt", "megawatt_bit"):
        out.append("Which power: the GPU's own, the server's, or all-in with network and cooling; and of which table.")
    if claim.per in ("usd", "usd_per_mtok") and not claim.usd_kind:
        out.append("Whose price: what an owner pays per hour, what a tenant pays, and of which month.")
    if claim.quantity in ("ratio", "level"):
        out.append("How often it was measured, and the spread.")
    return [*out, *claim.unsaid]


def _workload(claim: ClaimConfig) -> list[str]:
    out = []
    if not claim.model:
        out.append("Which model.")
    if claim.isl_tokens is None or claim.osl_tokens is None:
        out.append("Input and output lengths.")
    if not claim.metric:
        out.append("Which tokens are counted: output alone, or input and output together.")
    if claim.at == "curve" and claim.interactivity_tok_s_user is None and claim.quantity == "ratio":
        out.append("At which interactivity (tokens/s/user).")
    if claim.at == "peak":
        out.append("The interactivity that goes with the number.")
    if claim.at == "reach":
        out.append("The throughput that goes with the number.")
    return out


def _systems(claim: ClaimConfig) -> list[str]:
    out = []
    sides = (("target", claim.target),) if claim.quantity == "level" else (("baseline", claim.baseline), ("target", claim.target))
    words = {
        "hardware": "system", "precision": "precision", "engine": "engine and version", "spec": "speculative decoding", "disagg": "disaggregation",
    }  # fmt: skip
    for name, side in sides:
        missing = [word for key, word in words.items() if getattr(side, key) in ("", None, [])]
        if missing:
            out.append(f"Of the {name}: {', '.join(missing)}.")
    if claim.quantity != "level" and set(claim.baseline.precision) != set(claim.target.precision):
        out.append("Whether the answers stay as good at the lower precision.")
    return out
