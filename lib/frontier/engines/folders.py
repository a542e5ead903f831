"""Where the files of a model lie on this machine."""

from __future__ import annotations

from pathlib import Path

from frontier.errors import MachineError


def model_folder(name: str, revision: str | None) -> Path:
    """Folder of a checkpoint: the one that is named, or that of an id which was downloaded before.

    Raises
    ------
    MachineError
        If it is neither; nothing is downloaded.
    """
    if Path(name).is_dir():
        return Path(name)
    try:
        from huggingface_hub import snapshot_download  # on use: an experiment on a folder needs no hub
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    except ImportError as error:
        raise MachineError(f"checkpoint {name} is no folder, and huggingface_hub is not installed", hint="model.checkpoint=FOLDER") from error
    try:
        return Path(snapshot_download(name, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError) as error:
        raise MachineError(f"checkpoint {name} is no folder here and has not been downloaded", hint=f"hf download {name}, or a folder") from error
