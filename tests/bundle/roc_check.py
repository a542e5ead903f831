"""Runs in roc-validator's environment: the validation of crates against a profile, offline; prints one JSON document.

The one thing a validation wants from the network is the JSON-LD context of RO-Crate 1.1. The library rocrate 0.14.0 ships that file as published;
it is put into the validator's own HTTP cache under its address, and the validator runs in its offline mode, which reads nothing but that cache.
"""

from __future__ import annotations

import importlib.metadata
import io
import json
import sys

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


def warm(cache: str) -> None:
    """Put the context into the cache."""
    # What the kit's own environment lacks is imported here: pytest looks into every module for doctests.
    import requests
    import requests_cache
    from urllib3.response import HTTPResponse

    data = importlib.metadata.distribution("rocrate").locate_file("rocrate/data/ro-crate.jsonld").read_bytes()
    if json.loads(data)["@id"] != CONTEXT:
        raise SystemExit(f"rocrate {importlib.metadata.version('rocrate')} ships another context than {CONTEXT}")
    response = requests.Response()
    response.status_code, response.url, response.reason = 200, CONTEXT, "OK"
    response.headers["Content-Type"] = "application/ld+json"
    response.request = requests.Request("GET", CONTEXT).prepare()
    response.raw = HTTPResponse(body=io.BytesIO(data), status=200, headers=response.headers, preload_content=False, request_url=CONTEXT)
    requests_cache.CachedSession(cache, backend="sqlite", expire_after=-1).cache.save_response(response)


def validate(crate: str, profile: str, severity: str, cache: str) -> dict[str, object]:
    """What the validator finds."""
    from rocrate_validator import services
    from rocrate_validator.models import ValidationSettings

    settings = ValidationSettings(rocrate_uri=crate, profile_identifier=profile, requirement_severity=severity, offline=True, cache_path=cache)
    result = services.validate(settings)
    issues = [[issue.severity.name, issue.check.identifier, issue.message, str(issue.violatingEntity)] for issue in result.get_issues()]
    return {"crate": crate, "profile": profile, "passed": result.passed(), "checks": len(result.executed_checks), "issues": sorted(issues)}


if __name__ == "__main__":
    cache, severity, profile, *crates = sys.argv[1:]
    warm(cache)
    print("\n" + json.dumps([validate(crate, profile, severity, cache) for crate in crates]))
