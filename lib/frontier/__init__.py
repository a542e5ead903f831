"""frontier-kit: which change moved a serving frontier, how far, and how surely."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("frontier-kit")
except PackageNotFoundError:  # imported from a clone that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
