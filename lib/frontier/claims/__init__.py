"""Published claims against evidence: verdict, interval, parts, and what the claim leaves unsaid."""

from frontier.claims.audit import Auditor
from frontier.claims.keep import evidence_folder, keep_audit
from frontier.claims.load import claim_names, load_claim, load_tco, tco_names
from frontier.claims.notebook import audit_run

__all__ = ["Auditor", "audit_run", "claim_names", "evidence_folder", "keep_audit", "load_claim", "load_tco", "tco_names"]
