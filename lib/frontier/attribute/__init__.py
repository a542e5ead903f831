"""Designed attribution: a points table that holds a plan over levers, split into the levers' shares."""

from frontier.attribute.designed import attribute
from frontier.attribute.levers import LeverSpec, parse_levers
from frontier.attribute.run import attribute_run

__all__ = ["LeverSpec", "attribute", "attribute_run", "parse_levers"]
