"""apptainer: containers of clusters without Slurm's plugin; the caller's own user, no daemon."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from frontier.errors import MachineError
from frontier.runtimes.archive import archive_image_id
from frontier.runtimes.base import Runtime, last_line, secret, with_variables
from frontier.runtimes.converted import recorded_image_id
from frontier.runtimes.job import ContainerJob

ARCHIVES = ("oci-archive:", "docker-archive:")
CONTAINED = ("/tmp", "/var/tmp")  # what --contain puts in memory anyway


@dataclass(frozen=True)
class Apptainer(Runtime):
    """Command lines of Apptainer 1.1 and later. Not run by the kit's authors: the package is not in Debian stable.

    ``/tmp`` and ``/var/tmp`` are in memory and as large as the site's ``sessiondir max size`` (64 MiB as delivered). The other folders of
    ``job.tmpfs`` are scratch folders. GPUs are all shown and narrowed by CUDA_VISIBLE_DEVICES.
    """

    name = "apptainer"
    program = "apptainer"
    refused = ',"'  # --mount is a comma-separated list
    dropped = ("APPTAINER", "SINGULARITY")  # binds and variables that a site or a user has set would come along
    kept = tuple(f"{each}_{name}" for each in ("APPTAINER", "SINGULARITY") for name in ("CACHEDIR", "TMPDIR", "CONFIGDIR"))

    def command(self, job: ContainerJob) -> list[str]:
        """Argument list; see :meth:`Runtime.command`. The root is read-only as it comes."""
        self.check_paths(job)
        words = [self.program, "exec", "--containall", "--no-home", "--no-eval", "--no-privs", f"--pwd={job.workdir}"]
        words += [] if job.network else ["--net", "--network=none"]
        words += [f"--memory={round(job.memory_gib * 2**30)}"] if job.memory_gib else []
        words += ["--nv"] if job.gpus else []
        words += [f"--scratch={folder}" for folder in job.tmpfs if folder not in CONTAINED]
        for mount in job.mounts:
            words.append(f"--mount=type=bind,source={mount.source},destination={mount.target}" + ("" if mount.writable else ",ro"))
        narrowed = [("CUDA_VISIBLE_DEVICES", job.gpus)] if job.gpus not in ("", "all") else []
        return [*words, job.image, *with_variables(job, narrowed)]

    def process_environment(self, job: ContainerJob) -> dict[str, str]:
        """Secrets under the name that Apptainer takes over."""
        return {f"APPTAINERENV_{name}": secret(name) for name in job.secrets}

    def image_id(self, image: str) -> str:
        """Of an archive, what stands in it; of a SIF file, what the record beside it states."""
        for prefix in ARCHIVES:
            if image.startswith(prefix):
                file = Path(image.removeprefix(prefix))
                if not file.is_file():
                    raise MachineError(f"no image archive {file}", hint="frontier images save kit -o kit.tar")
                return archive_image_id(file)
        return recorded_image_id(Path(image))

    def unready(self) -> str:
        """What ``apptainer version`` complains about."""
        done = self.ask("version")
        return "" if done.returncode == 0 else last_line(done)
