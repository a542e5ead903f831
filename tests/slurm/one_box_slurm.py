"""A real Slurm on this machine: a controller and two node daemons on loopback, with fake GPUs, in a folder of its own; stopped by their pids.

The nodes are called 127.0.0.2 and 127.0.0.3, which are their addresses too: whatever listens there answers under the node's name.
No cgroups: it works in a plain container.

``python tests/slurm/one_box_slurm.py`` installs Debian's packages where that is possible (root, apt-get), or says why not.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "munged", "squeue", "sbatch")
PACKAGES = ("slurm-wlm", "slurm-client", "munge")
NODES = ("127.0.0.2", "127.0.0.3")
GPUS = 4  # of each node
CONF = """\
ClusterName=onebox
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.socket,cred_expire=5
CredType=cred/munge
SlurmctldPort={port}
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ReturnToService=1
MpiDefault=none
MailProg=/bin/true
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
PropagateResourceLimits=NONE
SwitchType=switch/none
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
JobRequeue=1
KillWait=2
MinJobAge=3600
InactiveLimit=0
Waittime=0
MaxArraySize=1001
GresTypes=gpu
{nodes}
PartitionName=low Nodes=ALL Default=YES MaxTime=01:00:00 State=UP PriorityTier=1 PreemptMode=REQUEUE GraceTime=10
PartitionName=high Nodes=ALL MaxTime=01:00:00 State=UP PriorityTier=10 PreemptMode=OFF
"""
NODE = (
    "NodeName={node} NodeHostname={host} NodeAddr={node} Port={port} CPUs=8 Boards=1 SocketsPerBoard=1 CoresPerSocket=8 ThreadsPerCore=1 "
    "RealMemory=1000 Gres=gpu:h200:{gpus} State=UNKNOWN\n"
)


@dataclass
class Cluster:
    """A running Slurm.

    Parameters
    ----------
    folder : Path
    """

    folder: Path

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    def ask(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env={**os.environ, "SLURM_CONF": str(self.conf)})
        return done.stdout

    def wait_for(self, what: str, ready, limit_s: float = 90.0) -> None:  # type: ignore[no-untyped-def]
        """Wait until something is so; the state of all jobs stands in the failure."""
        deadline = time.monotonic() + limit_s
        while not ready():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not come within {limit_s:.0f} s\n{self.ask('squeue', '--states=all')}\n{self.ask('sinfo', '-N')}")
            time.sleep(0.5)


def install() -> str:
    """Install Debian's packages where they are missing; why that cannot be, or nothing."""
    if sys.platform != "linux":
        return "Slurm runs on Linux"
    if os.geteuid() != 0:
        return "the daemons and their device files need root"
    if all(shutil.which(program) for program in PROGRAMS):
        return ""
    if shutil.which("apt-get") is None:
        return f"none of {', '.join(PROGRAMS)} is here, and no apt-get to install them"
    command = ["apt-get", "install", "-y", "--no-install-recommends", *PACKAGES]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    if done.returncode != 0:  # the list of packages may never have been read here
        subprocess.run(["apt-get", "update"], capture_output=True, check=False, timeout=300)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    if done.returncode != 0 or not all(shutil.which(program) for program in PROGRAMS):
        return f"apt-get cannot install {', '.join(PACKAGES)}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}"
    return ""


@contextmanager
def running() -> Iterator[Cluster]:
    """A Slurm in a folder of its own, which the commands of this process talk to.

    The folder's name is short: that of a job's socket in it may have 107 bytes, and the folders of tests are deep.
    """
    before = os.environ.get("SLURM_CONF")
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        cluster = start(Path(folder))
        os.environ["SLURM_CONF"] = str(cluster.conf)
        try:
            yield cluster
        finally:
            stop(cluster)
            os.environ.pop("SLURM_CONF")
            if before is not None:
                os.environ["SLURM_CONF"] = before


def start(folder: Path) -> Cluster:
    """Start the daemons in a folder of their own."""
    for name in ("run", "state", "log"):
        (folder / name).mkdir(parents=True)
    folder.chmod(0o700)
    host = socket.gethostname().split(".")[0]
    gres = []
    for number, node in enumerate(NODES):
        for gpu in range(GPUS):
            os.mknod(folder / "run" / f"fakegpu{number * GPUS + gpu}", 0o020666, os.makedev(1, 3))
        gres.append(f"NodeName={node} Name=gpu Type=h200 File={folder}/run/fakegpu[{number * GPUS}-{number * GPUS + GPUS - 1}]\n")
    ports = free_ports(3)
    nodes = "".join(NODE.format(node=node, host=host, port=port, gpus=GPUS) for node, port in zip(NODES, ports[1:], strict=True))
    (folder / "slurm.conf").write_text(CONF.format(host=host, folder=folder, port=ports[0], nodes=nodes))
    (folder / "gres.conf").write_text("".join(gres))
    (folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nConstrainCores=no\nConstrainRAMSpace=no\nConstrainDevices=no\n")
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    cluster = Cluster(folder)
    try:
        run, log = folder / "run", folder / "log"
        cluster.ask(
            "munged", "--key-file", str(key), "--socket", f"{run}/munge.socket", "--pid-file", f"{run}/munged.pid", "--log-file",
            f"{log}/munged.log", "--seed-file", f"{run}/munged.seed", "--num-threads=2", "--force",
        )  # fmt: skip
        cluster.ask("slurmctld", "-c")
        for node in NODES:
            cluster.ask("slurmd", "-N", node)
        cluster.wait_for("an idle node", lambda: cluster.ask("sinfo", "-h", "-N", "-p", "low", "-o", "%T").split() == ["idle"] * len(NODES), 30.0)
    except BaseException:
        stop(cluster)
        raise
    return cluster


def stop(cluster: Cluster) -> None:
    """End all jobs, then the daemons by their pid files, the controller last."""
    if (cluster.folder / "run" / "slurmctld.pid").exists():
        subprocess.run(["scancel", "--user=root"], env={**os.environ, "SLURM_CONF": str(cluster.conf)}, check=False, timeout=30)
        deadline = time.monotonic() + 20
        while cluster.ask("squeue", "-h", "-t", "running,completing").strip() and time.monotonic() < deadline:
            time.sleep(0.5)
    for together in ([f"slurmd-{node}" for node in NODES], ["slurmctld"], ["munged"]):
        files = [cluster.folder / "run" / f"{name}.pid" for name in together]
        end([int(file.read_text()) for file in files if file.exists()])


def end(pids: list[int], limit_s: float = 10.0) -> None:
    """End processes together: each is told, and killed if it is still there after the limit."""
    for sent, until in ((signal.SIGTERM, time.monotonic() + limit_s), (signal.SIGKILL, 0.0)):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, sent)
        while any(map(alive, pids)) and time.monotonic() < until:
            time.sleep(0.1)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


if __name__ == "__main__":
    print(install() or "Slurm is here")
