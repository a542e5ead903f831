"""What runs where: servers, a router in front of them, and the devices they hold; plain values that a plan can print."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

PYTHON = "{python}"  # the tool environment's interpreter
PORT = "{port}"  # the server's own port, chosen at launch
HANDOVER = "{handover}"  # a folder in memory for KV caches, made at launch
INSIDE = "{inside}"  # the folder of the files that run in the tool's environment
BIN = "{bin}"  # the folder of the tool environment's commands
NODES = "{nodes}"  # the nodes that it runs on, by name
HERE, ANYWHERE = "127.0.0.1", "0.0.0.0"  # addresses to listen on; the second only where others of the deployment are on other nodes
FOLDER = "{folder}"  # the launch's own folder, where the files of its servers are written


def port_of(name: str) -> str:
    """The place where another server's port is filled in."""
    return f"{{port:{name}}}"


def host_of(name: str) -> str:
    """The place where the host of another server is filled in."""
    return f"{{host:{name}}}"


@dataclass(frozen=True)
class ServerSpec:
    """One process to start.

    Attributes
    ----------
    name : str
        Unique in the deployment; the log is called after it.
    command : tuple of str
        With places such as ``{port}`` that the launch fills in.
    env : mapping of str to str
        Added to the starter's environment.
    cores : tuple of int
        Cores it is bound to once it is ready; empty for none in particular.
    role : str
        ``server`` (does all), ``prefill``, ``decode`` or ``router``.
    forbidden : mapping of str to str
        Text that must not stand in the log of a server that is ready, and what it means if it does.
    files : mapping of str to str
        Name -> text of files that are written into the launch's folder before it starts, places filled in.
    nodes : tuple of int
        Which nodes of the job it runs on, counted from 0; empty: this machine.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cores: tuple[int, ...] = ()
    role: str = "server"
    forbidden: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    nodes: tuple[int, ...] = ()

    def filled(self, values: Mapping[str, str]) -> tuple[tuple[str, ...], dict[str, str]]:
        """Command and environment with the places filled in."""
        return tuple(fill(word, values) for word in self.command), {name: fill(value, values) for name, value in self.env.items()}


@dataclass(frozen=True)
class DeploymentSpec:
    """Everything one variant runs.

    Attributes
    ----------
    servers : tuple of ServerSpec
    router : ServerSpec or None
        Started after the servers; where there is one, clients talk to it only.
    devices : int
        GPUs, or cores that stand for them, held in all; the denominator of per-GPU figures.
    platform : str
        ``cpu`` or ``cuda``.
    served_name : str
        Name of the model in requests.
    """

    servers: tuple[ServerSpec, ...]
    router: ServerSpec | None
    devices: int
    platform: str
    served_name: str

    @property
    def processes(self) -> tuple[ServerSpec, ...]:
        """All that is started, in order."""
        return (*self.servers, *([self.router] if self.router else []))

    @property
    def fronts(self) -> tuple[str, ...]:
        """Names of those that clients talk to."""
        return (self.router.name,) if self.router else tuple(server.name for server in self.servers)

    @property
    def nodes(self) -> int:
        """How many nodes it spans; 0: all of it runs on this machine."""
        return 1 + max((node for server in self.servers for node in server.nodes), default=-1)

    @property
    def cores(self) -> tuple[int, ...]:
        """Cores of all servers, ascending, each once."""
        return tuple(sorted({core for server in self.servers for core in server.cores}))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    def shell(self) -> list[str]:
        """One line per process as one would type it, the places left open."""
        return [command_line(server.env, server.command) for server in self.processes]


def fill(text: str, values: Mapping[str, str]) -> str:
    """A text with its places filled in; braces that are no place stay, as JSON has them."""
    for place, value in values.items():
        text = text.replace(place, value)
    return text


def command_line(env: Mapping[str, str], command: Sequence[str]) -> str:
    """A command with its environment as one would type it."""
    return " ".join([*(f"{name}={_quoted(value)}" for name, value in env.items()), *(_quoted(word) for word in command)])


def _quoted(word: str) -> str:
    return "'" + word + "'" if any(letter in word for letter in ' "|*?$') else word
