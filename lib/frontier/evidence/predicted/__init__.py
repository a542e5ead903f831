"""Predicted points: frontiers computed from NVIDIA's silicon-measured operator database, for GPUs that are not here."""

from frontier.evidence.predicted.cell import PredictedCell, check_cell
from frontier.evidence.predicted.point import PointPrediction, WorkerChoice, predict_disagg_point, predict_point
from frontier.evidence.predicted.precisions import KV_PRECISIONS, PRECISIONS, Modes
from frontier.evidence.predicted.predict import predict_cell, predict_many
from frontier.evidence.predicted.silicon import CORE_VERSION, known_models
from frontier.evidence.predicted.spaces import SEARCH_SPACES

__all__ = [
    "CORE_VERSION",
    "KV_PRECISIONS",
    "PRECISIONS",
    "SEARCH_SPACES",
    "Modes",
    "PointPrediction",
    "PredictedCell",
    "WorkerChoice",
    "check_cell",
    "known_models",
    "predict_cell",
    "predict_disagg_point",
    "predict_many",
    "predict_point",
]
