"""What this machine can do, and the bound that sets on serving: products, memory, copies and all-reduce, measured with torch on use."""

from frontier.calibration.bound import Deployment, bound_document, bound_frontier, highest
from frontier.calibration.compare import Difference, compare
from frontier.calibration.document import Calibration, Measurement, read_calibration
from frontier.calibration.machine import Bounds, Machine, keep, kept, open_machine
from frontier.calibration.measure import calibrate
from frontier.calibration.shapes import KNOWN, REFERENCE, ModelShape, read_shape, shape_of

__all__ = [
    "KNOWN",
    "REFERENCE",
    "Bounds",
    "Calibration",
    "Deployment",
    "Difference",
    "Machine",
    "Measurement",
    "ModelShape",
    "bound_document",
    "bound_frontier",
    "calibrate",
    "compare",
    "highest",
    "keep",
    "kept",
    "open_machine",
    "read_calibration",
    "read_shape",
    "shape_of",
]
