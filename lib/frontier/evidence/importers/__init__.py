"""Points from the files of other tools and of public records."""

from frontier.evidence.importers.base import FORMATS, Batch, Imported, Importer, import_batches, import_points, refusals, unlike
from frontier.evidence.importers.source import Source
from frontier.evidence.importers.writing import Written, import_to_file

__all__ = [
    "FORMATS",
    "Batch",
    "Imported",
    "Importer",
    "Source",
    "Written",
    "import_batches",
    "import_points",
    "import_to_file",
    "refusals",
    "unlike",
]
