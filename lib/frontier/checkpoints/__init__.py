"""Small models made on this machine, and published shapes with random weights: something real to serve without a download."""

from frontier.checkpoints.folder import Checkpoint
from frontier.checkpoints.load import load_spec, spec_names
from frontier.checkpoints.making import find, find_spec, make
from frontier.checkpoints.post_training import PostTraining, post_training
from frontier.checkpoints.quantized import quantized
from frontier.checkpoints.spec import CheckpointSpec, Shape, Stage, Training

__all__ = [
    "Checkpoint", "CheckpointSpec", "PostTraining", "Shape", "Stage", "Training", "find", "find_spec", "load_spec", "make", "post_training",
    "quantized", "spec_names",
]  # fmt: skip
