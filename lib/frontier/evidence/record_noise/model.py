"""The noise model of a public record: draws of the errors of points that were run once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from frontier.errors import PointsError
from frontier.evidence.record_noise.calibrate import needed_widening, night_pairs, widening
from frontier.evidence.record_noise.fit import Spread, fit_spread, refit_groups, shared_part
from frontier.evidence.record_noise.repeats import NIGHTS, Repeats, configuration_numbers, idle_share, repeats
from frontier.evidence.record_noise.stalls import FloatArray, stalled

SCHEMA = "frontier.record_noise/1"
SHIPPED = "record_noise.json"
_NIGHT = ("hardware", "engine", "date", "image", "engine_version")


def group_name(hardware: Any, engine: Any) -> str:
    """The group whose spread a point has: ``hardware/engine``."""
    return f"{hardware}/{engine}"


@dataclass(frozen=True)
class RecordNoise:
    """How far two runs of one unchanged configuration lie apart, from the repeated nights of a record.

    Attributes
    ----------
    speed : Spread
        Of log interactivity; throughput moves with it one for one.
    own : Spread
        Of what throughput does beside that (start-up, prefill, idle time).
    night_share : float
        Correlation of the errors of different configurations of one hardware, engine and night.
    widening : float, at least 1
        Factor on all drawn errors, found on nights without change that the fit had not seen (see :func:`RecordNoise.fit`).
    about : mapping
        Source, counts and nights of the fit.
    """

    speed: Spread
    own: Spread
    night_share: float
    widening: float = 1.0
    about: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def fit(cls, points: pd.DataFrame, nights: tuple[str, str] = NIGHTS) -> RecordNoise:
        """The model of a record's repeated runs.

        Parameters
        ----------
        points : DataFrame
            A normalized points table with several nights of the same configurations.
        nights : (first, last), ISO dates
            Nights on which runs that name no image are known to be of one image.

        Raises
        ------
        PointsError
            If nothing was run twice.

        Notes
        -----
        The spread is fitted first (:func:`~frontier.evidence.record_noise.fit.fit_spread`). Then each series is left out in turn, the centres of the
        groups are taken from the others, and the shifts between its consecutive nights are judged with that. The errors are widened until
        97 % of these shifts are within their 95 % interval.
        """
        found = repeats(points, nights)
        model = cls.of(found)
        without: dict[str, RecordNoise] = {}
        needed = []
        for number, (series, before, after, held) in enumerate(night_pairs(points, nights)):
            if held:
                continue
            if series not in without:
                without[series] = model._without(found, series)
            needed.append(needed_widening(before, after, without[series].draw, np.random.default_rng(number)))
        about = {**model.about, "pairs_of_nights": len(needed)}
        return replace(model, widening=widening(np.array(needed)), about=about)

    @classmethod
    def of(cls, found: Repeats) -> RecordNoise:
        """The model of repeated runs that were gathered before, not widened."""
        cells, rows = found.cells, found.rows
        speed, own = (fit_spread(*part) for part in _coordinates(cells))
        group, runs = _groups(cells), cells["runs"].to_numpy(dtype=np.int64)
        # The rows' own centres, not the configurations' scales: a scale from few runs caps the deviations it is taken from.
        scale = np.exp([speed.groups[group_name(h, e)][0] for h, e in zip(rows["hardware"], rows["engine"], strict=True)])
        night = np.asarray(rows.groupby(["hardware", "engine", "date"], dropna=False).ngroup())
        counted = pd.DataFrame({"group": group, "runs": runs}).groupby("group")["runs"].agg(["size", "sum"])
        about = {
            "nights": list(found.nights), "runs": int(runs.sum()), "configurations": len(cells), "series": int(cells["series"].nunique()),
            "runs_left_out_as_stalled": found.stalled_rows,
            "groups": {str(name): {"configurations": int(row["size"]), "runs": int(row["sum"])} for name, row in counted.iterrows()},
        }  # fmt: skip
        return cls(speed, own, shared_part(rows["speed"].to_numpy(float), scale, night), 1.0, about)

    def _without(self, found: Repeats, series: str) -> RecordNoise:
        """The same distributions with the groups' centres from all other series."""
        speed, own = (
            refit_groups(spread, *part)
            for spread, part in zip((self.speed, self.own), _coordinates(found.cells[found.cells["series"] != series]), strict=True)
        )
        return replace(self, speed=speed, own=own)

    @classmethod
    def shipped(cls) -> RecordNoise:
        """The model that ships with the package."""
        return _shipped()

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> RecordNoise:
        """The model in a ``frontier.record_noise/1`` document.

        Raises
        ------
        PointsError
            If the document is of another schema.
        """
        if document.get("schema") != SCHEMA:
            raise PointsError(
                f"a noise model has schema {SCHEMA}, got {document.get('schema')!r}", hint="python -m frontier.evidence.record_noise POINTS"
            )
        parts = [
            Spread(**{**document[name], "groups": {group: (pair[0], pair[1]) for group, pair in document[name]["groups"].items()}})
            for name in ("speed", "own")
        ]
        return cls(parts[0], parts[1], float(document["night_share"]), float(document["widening"]), dict(document["about"]))

    def document(self) -> dict[str, Any]:
        """The model as JSON values, rounded to four decimals."""
        return {
            "schema": SCHEMA, "about": dict(self.about), "night_share": round(self.night_share, 4), "widening": round(self.widening, 4),
            "speed": _rounded(self.speed), "own": _rounded(self.own),
        }  # fmt: skip

    def knows(self, hardware: Any, engine: Any) -> bool:
        """Whether the record holds repeated runs of this hardware with this engine."""
        return group_name(hardware, engine) in self.speed.groups

    def scale(self, hardware: Any, engine: Any, *, coordinate: str = "speed", idle: float = 0.0) -> float:
        """Root mean square relative error of one run, as a fraction, averaged over what is not known of its configuration; not widened.

        Parameters
        ----------
        hardware, engine : str
            One the record does not hold gets the spread over all groups, which is wider.
        coordinate : "speed" | "own"
        idle : float, at least 0
            The run's idle share.
        """
        spread = {"speed": self.speed, "own": self.own}[coordinate]
        mean, sd = _centre(spread, group_name(hardware, engine))
        return float(np.sqrt(np.exp(2 * mean + 2 * (sd**2 + spread.within_groups**2)) + (spread.idle_gain * idle) ** 2))

    def draw(self, frame: pd.DataFrame, resamples: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Log offsets of interactivity and of throughput for each row, two arrays of shape (resamples, len(frame)).

        Parameters
        ----------
        frame : DataFrame
            Rows of a normalized points table. Rows of one configuration that stand in it several times are separate runs.
        resamples : int
        rng : Generator

        Notes
        -----
        Each draw takes a spread for every group and every configuration (all runs of a configuration have one spread), then an error for every
        run, of which ``night_share`` is common to the runs of one hardware, engine and night. Runs that a machine held up get a further error of
        the size of their stalls, common to all of them: two runs cannot say how much of that was the machine's.
        """
        rows = len(frame)
        code = configuration_numbers(frame, software=False)
        turn = np.asarray(pd.Series(code).groupby(code).cumcount(), dtype=np.int64)
        night = _numbers(frame, _NIGHT) * (int(turn.max(initial=0)) + 1) + turn  # runs of one configuration are never of one night
        night = np.asarray(pd.factorize(night)[0], dtype=np.int64)
        group = _groups(frame)
        speed_sd = _draw_sd(self.speed, group, code, np.zeros(rows), resamples, rng)
        own_sd = _draw_sd(self.own, group, code, idle_share(frame), resamples, rng)
        common = rng.standard_normal((resamples, int(night.max(initial=-1)) + 1))[:, night]
        error = np.sqrt(self.night_share) * common + np.sqrt(1.0 - self.night_share) * rng.standard_normal((resamples, rows))
        x = speed_sd * error
        held = stalled(frame, code)
        if held.any():
            x = x + held / self.widening * rng.standard_normal((resamples, 1))
        return self.widening * x, self.widening * (x + own_sd * rng.standard_normal((resamples, rows)))


def _groups(frame: pd.DataFrame) -> NDArray[np.object_]:
    return np.array([group_name(h, e) for h, e in zip(frame["hardware"], frame["engine"], strict=True)], dtype=object)


_Coordinate = tuple[NDArray[np.object_], NDArray[np.int64], FloatArray, FloatArray | None]


def _coordinates(cells: pd.DataFrame) -> tuple[_Coordinate, _Coordinate]:
    """What the spreads of speed and of throughput's own part are fitted on."""
    group, runs = _groups(cells), cells["runs"].to_numpy(dtype=np.int64)
    return (
        (group, runs, cells["speed_ss"].to_numpy(float), None),
        (group, runs, cells["own_ss"].to_numpy(float), cells["idle"].to_numpy(float)),
    )


def _draw_sd(
    spread: Spread, group: NDArray[np.object_], code: NDArray[np.int64], idle: FloatArray, resamples: int, rng: np.random.Generator
) -> FloatArray:
    """Standard deviations of the rows' errors, shape (resamples, rows)."""
    names, of_row = np.unique(group.astype(str), return_inverse=True)
    centres = np.array([_centre(spread, name) for name in names])
    of_group = centres[:, 0] + centres[:, 1] * rng.standard_normal((resamples, len(names)))
    of_configuration = spread.within_groups * rng.standard_normal((resamples, int(code.max(initial=-1)) + 1))
    sd = np.exp(of_group[:, of_row] + of_configuration[:, code])
    return np.sqrt(sd**2 + (spread.idle_gain * idle) ** 2) if idle.any() else sd


def _centre(spread: Spread, group: str) -> tuple[float, float]:
    """Mean and standard deviation of a group's centre; of a group the record does not hold, those over all groups."""
    if group in spread.groups:
        return spread.groups[group]
    return spread.centre, float(spread.between_groups * np.sqrt(1 + 1 / max(1, len(spread.groups))))


def _numbers(frame: pd.DataFrame, columns: tuple[str, ...]) -> NDArray[np.int64]:
    code = np.zeros(len(frame), dtype=np.int64)
    for column in columns:
        found = np.asarray(pd.factorize(frame[column])[0], dtype=np.int64)
        code = np.asarray(pd.factorize(code * (int(found.max(initial=0)) + 2) + found + 1)[0], dtype=np.int64)
    return code


def _rounded(spread: Spread) -> dict[str, Any]:
    values = asdict(spread)
    groups = {name: [round(mean, 4), round(sd, 4)] for name, (mean, sd) in spread.groups.items()}
    return {**{name: round(value, 4) for name, value in values.items() if name != "groups"}, "groups": groups}


@lru_cache(maxsize=1)
def _shipped() -> RecordNoise:
    text = (files("frontier.evidence.record_noise") / SHIPPED).read_text(encoding="utf-8")
    return RecordNoise.from_document(json.loads(text))
