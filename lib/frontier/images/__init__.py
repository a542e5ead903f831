"""Images of the kit: bases locked by digest, builds that come out the same twice, archives that carry them.

An image's identity is its ID, the digest of its configuration. It survives ``save`` and ``load``. Digests of manifests and archives depend on
compression; they are recorded beside it and compared with nothing but themselves.
"""

from frontier.images.build import Wish, build, read_record, record_path
from frontier.images.check import Finding, exit_code, verify
from frontier.images.lock import Base, Bootstrap, Lock, read_lock, write_lock
from frontier.images.registry import ask_registry
from frontier.images.transport import Carried, load, note, save

__all__ = [
    "Base", "Bootstrap", "Carried", "Finding", "Lock", "Wish", "ask_registry", "build", "exit_code", "load", "note", "read_lock", "read_record",
    "record_path", "save", "verify", "write_lock",
]  # fmt: skip
