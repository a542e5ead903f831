"""A thousand trials on a Slurm of this machine's own: how long planning, submitting, status and cancelling take, and in how many arrays.

    python benchmarks/slurm_thousand.py

Needs root and Debian's Slurm (installed where that is possible, see tests/slurm/one_box_slurm.py). Every command is a fresh process, as typed;
the jobs wait for a begin time that never comes, and half of the trials get the records that jobs would leave. Asked for: planning under 5 s,
status under 2 s, one array. Beside each time stands its ratio to ``frontier --help``, which loads no library.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "slurm"))
import one_box_slurm as box

from frontier.files import write_json
from frontier.places.jobs import Jobs
from frontier.store import Store

WORDS = ["experiment=smoke", "place=slurm", "lever=[hardware]", "sweep.replicates=500", "design.resamples=100"]


def timed(cluster: box.Cluster, *words: str) -> tuple[float, str]:
    """Seconds of a command, and what it printed."""
    started = time.perf_counter()
    said = cluster.ask(sys.executable, "-m", "frontier.cli", *words)
    return time.perf_counter() - started, said


def main() -> None:
    """Print one line per command."""
    reason = box.install()
    if reason:
        sys.exit(f"no Slurm on this machine: {reason}")
    with tempfile.TemporaryDirectory() as folder, box.running() as cluster:
        measure(cluster, Path(folder))


def measure(cluster: box.Cluster, artifacts: Path) -> None:
    """The commands in the order in which a user needs them."""
    base, _ = timed(cluster, "--help")
    there = ["--artifacts", str(artifacts)]
    words = [*WORDS, f"paths.artifacts_dir={artifacts}"]
    results = [("plan", timed(cluster, "plan", *words)[0])]
    results.append(("run (submit)", timed(cluster, "run", *words, "place.sbatch={begin: now+2hours}", "--quiet")[0]))
    (run,) = Store(artifacts).list_runs()
    (submission,) = Jobs(run.path).all()
    results.append(("status, all waiting", timed(cluster, "status", run.run_id, *there)[0]))
    job_of = submission.job_of()
    for digest in sorted(job_of)[:500]:
        start = submission.note_start(digest, job_of[digest], 0, box.NODES[0])
        record = {"status": "done", "reason": "", "evaluated": 9, "points": 9, "seconds": 1.0}
        write_json(run.trial_folder(digest) / "trial.json", record)
        submission.note_end(start, "record")
    results.append(("status, half done", timed(cluster, "status", run.run_id, *there)[0]))
    results.append(("cancel", timed(cluster, "cancel", run.run_id, *there)[0]))
    print(f"{len(job_of)} trials in {len(submission.arrays)} array; frontier --help takes {base:.2f} s")
    for name, seconds in results:
        print(f"{name:20} {seconds:6.2f} s  {seconds / base:5.1f} times --help")


if __name__ == "__main__":
    main()
