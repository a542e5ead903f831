"""Stand-in servers as deployments."""

from __future__ import annotations

import sys
from pathlib import Path

from frontier.serving.spec import PORT, DeploymentSpec, ServerSpec

STANDIN = Path(__file__).parents[1] / "standin" / "standin_server.py"


def standin_server(name: str = "server", *options: str, cores: tuple[int, ...] = ()) -> ServerSpec:
    """A stand-in as a server of a deployment, run by the tests' own Python."""
    return ServerSpec(name, (sys.executable, str(STANDIN), "--port", PORT, "--ttft-ms", "1", "--tpot-ms", "1", *options), cores=cores)


def standins(*servers: ServerSpec, router: ServerSpec | None = None) -> DeploymentSpec:
    """A deployment of stand-ins."""
    return DeploymentSpec(servers, router, len(servers), "cpu", "m")
