"""Engines as manifests: what is served, from which files, in which configuration and image."""

from frontier.builds.engine import Built, build_engine, identity, refuse_serialized, serialize_command
from frontier.builds.weights import Weights, read_weights

__all__ = ["Built", "Weights", "build_engine", "identity", "read_weights", "refuse_serialized", "serialize_command"]
