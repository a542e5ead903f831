"""Published points: what others measured and made public, with what their records do not say left empty or flagged."""

from frontier.evidence.published.dataset import DATASETS, LEFT_OUT, published_points
from frontier.evidence.published.silicon_sample import FLAGS, silicon_sample_points

__all__ = ["DATASETS", "FLAGS", "LEFT_OUT", "published_points", "silicon_sample_points"]
