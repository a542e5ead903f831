"""pyxis: Slurm's srun starts the container through enroot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from frontier.errors import MachineError
from frontier.runtimes.base import Runtime, secret, with_variables
from frontier.runtimes.converted import recorded_image_id
from frontier.runtimes.job import ContainerJob

GPUS = "NVIDIA_VISIBLE_DEVICES"  # what enroot's hook reads; `void` shows none


@dataclass(frozen=True)
class Pyxis(Runtime):
    """Command lines of pyxis 0.20 and later; cutting the network off needs a version with ``--container-unshare``. Not run by the kit's authors.

    Only the variables named in ``--export`` leave this process, so nothing of the job's environment is inherited but Slurm's own variables.
    """

    name = "pyxis"
    program = "srun"
    refused = ' ,:"\\'  # entries are SRC:DST:FLAGS separated by commas, and become lines of an fstab
    dropped = ("PYXIS_",)  # defaults of pyxis's own options

    def command(self, job: ContainerJob) -> list[str]:
        """Argument list; see :meth:`Runtime.command`. One task in the allocation that this process runs in."""
        self.check_paths(job)
        names = ",".join([GPUS, *job.secrets])
        words = [self.program, "--nodes=1", "--ntasks=1", f"--export={names}"]
        words += [f"--mem={round(job.memory_gib * 1024)}M"] if job.memory_gib else []
        words += [f"--container-image={job.image}"]
        # In memory first: a mount may stand below one of them.
        entries = [f"tmpfs:{folder}:mode=1777" for folder in job.tmpfs]
        entries += [f"{mount.source}:{mount.target}:{'rw' if mount.writable else 'ro'}" for mount in job.mounts]
        words += [f"--container-mounts={','.join(entries)}"] if entries else []
        words += [f"--container-workdir={job.workdir}", "--container-readonly", "--no-container-mount-home", "--no-container-remap-root"]
        words += ["--no-container-entrypoint", f"--container-env={names}"]
        words += [] if job.network else ["--container-unshare=net"]
        return [*words, *with_variables(job)]

    def process_environment(self, job: ContainerJob) -> dict[str, str]:
        """Secrets, and which GPUs enroot shows."""
        return {GPUS: job.gpus or "void", **{name: secret(name) for name in job.secrets}}

    def image_id(self, image: str) -> str:
        """What the record beside a squashfs file states; a name in a registry is refused, because only enroot would know what it got."""
        if "/" not in image or not image.endswith((".sqsh", ".squashfs")):
            raise MachineError(
                f"pyxis does not say which image {image!r} is", hint="import it to a file (enroot import -o kit.sqsh ...), then frontier images note"
            )
        return recorded_image_id(Path(image))

    def unready(self) -> str:
        """Whether Slurm has the plugin."""
        done = self.ask("--help")
        return "" if "--container-image" in done.stdout else "this Slurm has no pyxis (srun knows no --container-image)"
