"""fairshrink measures how differently an image classifier treats groups of people and narrows the gap by shrinking it."""

from fairshrink.audit import Comparison, audit, compare
from fairshrink.compress.frozen import Frozen
from fairshrink.compress.methods import fairprune, fairprune_channels, fairquantize, obd, retrain, scp
from fairshrink.compress.recipe import Recipe, compress
from fairshrink.maths.curvature import ggn_diagonal
from fairshrink.maths.tasks import Task, classify, multi_exit
from fairshrink.metrics.tradeoff import fate
from fairshrink.types import GroupBatch, Splits

__all__ = [
    # data
    "GroupBatch",
    "Splits",
    # what outputs mean
    "Task",
    "classify",
    "multi_exit",
    # measuring
    "Comparison",
    "audit",
    "compare",
    "fate",
    # shrinking
    "Frozen",
    "Recipe",
    "compress",
    "fairprune",
    "fairprune_channels",
    "ggn_diagonal",
    "obd",
    "fairquantize",
    "retrain",
    "scp",
]
