"""A plan as recipes of srt-slurm (``srtctl``), for sites that launch deployments with it; results come back by ``frontier import srtctl``."""

from frontier.srtctl.recipes import recipe_documents, write_recipes

__all__ = ["recipe_documents", "write_recipes"]
