"""Start a deployment, wait until it answers, look into it while it runs, and take all of it down."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from frontier.errors import RunError
from frontier.processes import Child, start
from frontier.serving.devices import DEVICES, held_devices
from frontier.serving.nodes import node_names
from frontier.serving.readiness import PortTakenError, ended, get, wait_until_ready
from frontier.serving.scraping import added, counters
from frontier.serving.spec import (
    BIN,
    FOLDER,
    HANDOVER,
    HERE,
    INSIDE,
    NODES,
    PORT,
    PYTHON,
    DeploymentSpec,
    fill,
    host_of,
    port_of,
)

PORT_TRIES = 4
# The starter's own environment reaches the servers, but not what would put the kit's packages or other settings of threads into them.
LEFT_OUT = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "OMP_NUM_THREADS", "KMP_AFFINITY", "VLLM_CPU_OMP_THREADS_BIND", "PYTEST_CURRENT_TEST")


@dataclass
class Running:
    """A deployment that answers.

    Attributes
    ----------
    spec : DeploymentSpec
    children : mapping of str to Child
        By the servers' names.
    ports : mapping of str to int
    ready_s : float, seconds
        From the first start of a process to the first answered request of the last front; starts that failed for a taken port included.
    versions : mapping of str to str
        What the engine says of itself.
    commands : mapping of str to tuple of str
        What was started, places filled in.
    addresses : tuple of str
        Of servers that were not started here.
    hosts : mapping of str to str
        Host of each server that runs on another node.
    """

    spec: DeploymentSpec
    children: Mapping[str, Child]
    ports: Mapping[str, int]
    ready_s: float
    versions: Mapping[str, str]
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    hosts: Mapping[str, str] = field(default_factory=dict)

    @property
    def urls(self) -> tuple[str, ...]:
        """Addresses for clients: the router's, or one per replica."""
        return self.addresses or tuple(map(self.url_of, self.spec.fronts))

    def url_of(self, name: str) -> str:
        """Address of a server."""
        return _url(self.ports[name], self.hosts.get(name, HERE))

    @property
    def url(self) -> str:
        """The first address; the only one, but for replicas without a router."""
        return self.urls[0]

    def pids(self) -> dict[str, list[int]]:
        """Process ids of every server's tree."""
        return {name: child.pids() for name, child in self.children.items()}

    def alive(self) -> bool:
        """Whether every process runs; asks no server, so it costs a measurement nothing."""
        return all(child.alive for child in self.children.values())

    def check(self) -> None:
        """Raise what happened if a process is gone.

        Raises
        ------
        RunError
            Naming the server and its log's reason.
        """
        for name, child in self.children.items():
            if not child.alive:
                raise ended(name, child)

    def scrape(self) -> dict[str, float]:
        """Counters of all servers added up, the router's among them; see ``scraping.COUNTERS``.

        Raises
        ------
        RunError
            If a server does not answer.
        """
        return added(self.scrape_each().values())

    def scrape_each(self) -> dict[str, dict[str, float]]:
        """Counters by server."""
        found = {}
        for name in self.ports:
            try:
                found[name] = counters(get(f"{self.url_of(name)}/metrics", 10.0))
            except OSError as error:
                self.check()
                raise RunError(f"{name} does not show its metrics: {error}", origin=str(self.children[name].log)) from error
        return found


@contextmanager
def launch(
    spec: DeploymentSpec,
    folder: Path,
    python: Path,
    *,
    ready_timeout_s: float = 300.0,
    on_wait: Callable[[str], None] | None = None,
    stop_wait_s: float = 5.0,
    pin: bool = True,
) -> Iterator[Running]:
    """Run a deployment for the length of a ``with`` block.

    Ports are chosen free; a port that another process takes before the server does leads to another try with other ports, a few times.
    A server is ready when ``/health`` says so and one request was really answered. While they start, servers may use all cores; then
    every process is bound to its own.

    Parameters
    ----------
    spec : DeploymentSpec
    folder : Path
        Gets ``<server>.log`` of each process and ``deployment.json``, what was started.
    python : Path
        Interpreter of the engine's environment.
    ready_timeout_s : float, seconds
        For all servers together.
    on_wait : callable, optional
        Gets a line of text now and then while they start.
    stop_wait_s : float, seconds
        Between asking a process to end and killing it.
    pin : bool
        Whether to bind processes to the cores of the specification.

    Yields
    ------
    Running

    Raises
    ------
    RunError
        If a server ends while it starts - out of memory, a wrong model directory and a taken port are named, the log's end is shown - or is
        not ready in time.
    MachineError
        If it needs more GPUs or nodes than the job has.
    """
    folder.mkdir(parents=True, exist_ok=True)
    nodes = node_names(spec.nodes) if spec.nodes else ()
    hosts = {server.name: nodes[server.nodes[0]] for server in spec.servers if server.nodes}
    say = on_wait or (lambda line: None)
    began_s = time.monotonic()
    with _handover_folder(spec) as handover:
        for turn in range(PORT_TRIES):
            ports = _free_ports([server.name for server in spec.processes])
            children: dict[str, Child] = {}
            try:
                urls = {name: _url(port, hosts.get(name, HERE)) for name, port in ports.items()}
                commands = _start(spec, folder, python, _Places(ports, hosts, nodes, handover), children)
                versions = wait_until_ready(spec, children, urls, began_s + ready_timeout_s, say)
            except PortTakenError as error:
                _stop(children, stop_wait_s)
                if turn == PORT_TRIES - 1:
                    raise RunError(f"{PORT_TRIES} times a port was taken between its choice and its use\n{error}") from error
                say(f"a port was taken meanwhile, trying others: {error.message.splitlines()[0]}")
                continue
            except BaseException:
                _stop(children, stop_wait_s)
                raise
            break
        try:
            if pin:
                for server in spec.processes:
                    if server.cores:
                        children[server.name].pin(server.cores)
            yield Running(spec, children, ports, time.monotonic() - began_s, versions, commands, hosts=hosts)
        finally:
            _stop(children, stop_wait_s)


@contextmanager
def _handover_folder(spec: DeploymentSpec) -> Iterator[str]:
    """A folder for KV caches, in memory where the system has such a place; nothing where no process asks for one."""
    if not any(HANDOVER in word for server in spec.processes for word in server.command):
        yield ""
        return
    memory = Path("/dev/shm")
    _remove_orphans(memory)
    path = Path(tempfile.mkdtemp(prefix=f"frontier-kv-{os.getpid()}-", dir=memory if os.access(memory, os.W_OK) else None))
    try:
        yield str(path)
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _remove_orphans(memory: Path) -> None:
    """Folders whose maker was killed hold memory; the maker's id stands in the name."""
    for path in memory.glob("frontier-kv-*-*") if memory.is_dir() else ():
        maker = path.name.split("-")[2]
        if maker.isdigit() and not Path("/proc", maker).exists():
            shutil.rmtree(path, ignore_errors=True)


@dataclass(frozen=True)
class _Places:
    """What is chosen at launch: ports and hosts by the servers' names, the job's nodes, a folder for KV caches."""

    ports: Mapping[str, int]
    hosts: Mapping[str, str]
    nodes: Sequence[str]
    handover: str


def _start(spec: DeploymentSpec, folder: Path, python: Path, places: _Places, children: dict[str, Child]) -> dict[str, tuple[str, ...]]:
    shared = {PYTHON: str(python), INSIDE: str(Path(__file__).parent / "inside"), HANDOVER: places.handover}
    shared |= {BIN: str(python.parent), FOLDER: str(folder.absolute())}
    shared |= {port_of(name): str(port) for name, port in places.ports.items()}
    shared |= {host_of(name): places.hosts.get(name, HERE) for name in places.ports}
    base = {name: value for name, value in os.environ.items() if name not in LEFT_OUT}
    commands, environments = {}, {}
    for server in spec.processes:
        nodes = ",".join(places.nodes[node] for node in server.nodes)
        values = {**shared, NODES: nodes, PORT: str(places.ports[server.name])}
        commands[server.name], environment = server.filled(values)
        environments[server.name] = environment | ({DEVICES: held_devices(environment[DEVICES])} if environment.get(DEVICES) else {})
        for name, text in server.files.items():
            (folder / name).write_text(fill(text, values), encoding="utf-8")
    record = {"spec": spec.to_dict(), "commands": commands, "environment": environments}
    (folder / "deployment.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
    for server in spec.processes:
        log = folder / f"{server.name}.log"
        log.unlink(missing_ok=True)  # a try before this one wrote it
        children[server.name] = start(commands[server.name], log=log, env={**base, **environments[server.name]})
    return commands


def _url(port: int, host: str) -> str:
    return f"http://{host}:{port}"


def _free_ports(names: list[str]) -> dict[str, int]:
    """A free port for each name, all different; held open together while they are chosen."""
    sockets = [socket.socket() for _ in names]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in zip(names, sockets, strict=True)}
    finally:
        for each in sockets:
            each.close()


def _stop(children: Mapping[str, Child], wait_s: float) -> None:
    """Ask all first, so that they end at the same time; then make sure, the router first."""
    for child in children.values():
        for pid in child.pids()[:1]:
            _ask(pid)
    for child in reversed(list(children.values())):
        try:
            child.stop(wait_s)
        except subprocess.SubprocessError as error:
            raise RunError(f"cannot stop {child.command[0]}: {error}", origin=str(child.log)) from error


def _ask(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
