"""What to measure next: the usual grid, the adaptive sweep, and the rules of MLPerf Endpoints. It decides; it starts nothing."""

from frontier.drive.adaptive import AdaptiveDriver
from frontier.drive.base import Driver, EndOfLaunch, Observation, Stop
from frontier.drive.curves import interpolated_hypervolume
from frontier.drive.endpoints import (
    ENDPOINTS_DRAFT,
    EndpointsProfile,
    EndpointsRegions,
    choose_concurrencies,
    interactivity_by_p90_tpot,
    step_curve,
)
from frontier.drive.endpoints_check import Deviation, PointFacts, RunFacts, deviations
from frontier.drive.grid import GridDriver, powers_of_two
from frontier.drive.knowledge import Estimate

__all__ = [
    "ENDPOINTS_DRAFT",
    "AdaptiveDriver",
    "Deviation",
    "Driver",
    "EndOfLaunch",
    "EndpointsProfile",
    "EndpointsRegions",
    "Estimate",
    "GridDriver",
    "Observation",
    "PointFacts",
    "RunFacts",
    "Stop",
    "choose_concurrencies",
    "deviations",
    "interactivity_by_p90_tpot",
    "interpolated_hypervolume",
    "powers_of_two",
    "step_curve",
]
