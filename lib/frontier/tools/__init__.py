"""Programs the kit runs but never imports: their environments, made on demand, and what this machine has for them."""

from frontier.tools.environments import Tool, distribution_version, find, install
from frontier.tools.machine import Machine, look, processor_name
from frontier.tools.recipes import NAMES, Recipe, recipe

__all__ = ["NAMES", "Machine", "Recipe", "Tool", "distribution_version", "find", "install", "look", "processor_name", "recipe"]
