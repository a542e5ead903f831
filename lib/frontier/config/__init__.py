"""Configuration: compose it from ``conf/``, refuse what is wrong with all problems at once, freeze it, give it a digest."""

from frontier.config.files import choices, conf_dir, experiments
from frontier.config.loader import compose
from frontier.config.record import digest, from_yaml, to_yaml
from frontier.config.rules import validate

__all__ = ["choices", "compose", "conf_dir", "digest", "experiments", "from_yaml", "to_yaml", "validate"]
