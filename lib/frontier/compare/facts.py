"""What else differs between two runs: machine, engine, image, kit, packages and settings, and which of it can move a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from frontier.compare.places import cores_of, drivers_of, gpus_of, limits_of, nodes_of, places_of, stated
from frontier.compare.sources import Source
from frontier.report.document import part
from frontier.shift.classes import PLATFORM_COLUMNS

# Groups of facts whose difference can be a cause, and what each is called in a sentence.
GROUPS = {"software": "the engine's version or image", "machine": "the machine", "configuration": "settings", "kit": "the kit"}
UNSTATED = "not stated"
_NAMED = 6  # packages named one by one
_COMPUTING = ("numpy", "scipy", "pandas", "moocore", "aiconfigurator-core")  # whose version decides what a computation gives
_MODEL = "the model that computes the points"
_COMPUTED = {"predicted": "a prediction", "simulated": "a simulation", "published": "what others published"}

# Settings that say how a thing is run, shown or called, and not what is measured.
_NO_SETTING = ("name", "title", "gpu_hours", "claim", "paths", "place", "report", "runtime", "hydra")
_LAUNCHES = ("engine.seed", "engine.noise_cv", "engine.delay_s", "sweep.replicates", "sweep.repetition", "sweep.order", "design")
_VERSIONS = ("engine.image", "engine.images", "engine.release", "engine.releases", "engine.database_version", "lever.version")


@dataclass(frozen=True)
class Difference:
    """One fact that the two runs do not share.

    Attributes
    ----------
    fact, original, new : str
    group : "software" | "machine" | "configuration" | "kit" | "environment" | "launches"
    likely_cause : bool
        Whether a difference of it can move the number at all, given how it was found.
    why : str
    """

    fact: str
    original: str
    new: str
    group: str
    likely_cause: bool
    why: str = ""

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def differences(original: Source, new: Source) -> list[Difference]:
    """Facts and settings that differ, likely causes first. What one side does not state is listed and is no likely cause."""
    kind = original.evidence if original.evidence == new.evidence else "mixed"
    found = [*_points(original, new, kind), *_environment(original, new, kind), *_settings(original, new)]
    return sorted(found, key=lambda one: not one.likely_cause)  # stable: the order of each list stays


def candidates(found: Sequence[Difference], *, visible: Sequence[str] = (), measured: bool = False) -> list[str]:
    """The groups of which something differs that can be a cause, in the order of ``GROUPS``.

    Of what was measured the kit is one only where nothing else differs: it sends the load and counts.

    Parameters
    ----------
    visible : sequence of str
        Settings whose difference shows in the columns of the points, to be left out: configurations that differ there are told apart by them.
    measured : bool
    """
    groups = {one.group for one in found if one.likely_cause and one.fact not in visible}
    if measured and any(one.likely_cause and one.group != "kit" for one in found):
        groups.discard("kit")
    return [group for group in GROUPS if group in groups]


def visible_settings(found: Sequence[Difference]) -> list[str]:
    """Settings whose difference the columns of the points show: levers and the loads that were swept."""
    return [one.fact for one in found if one.group == "configuration" and one.fact.startswith(("lever.", "sweep.concurrencies"))]


def unstated(original: Source, new: Source) -> list[str]:
    """Run ids of those that do not say on which machine they ran."""
    return [side.run_id for side in (original, new) if not machine_of(side) and not _values(side, "hostname") and not _values(side, "node")]


def machine_of(source: Source) -> str:
    """The cluster's nodes, the machine's fingerprint, or where there is none what is known of it in words; empty where nothing is."""
    environment = source.environment or {}
    if source.placements:
        return ", ".join(nodes_of(source.placements))
    if environment.get("machine"):
        return str(environment["machine"])
    cpu, gpus = _dig(environment, "cpu.model"), gpus_of(environment)
    return f"{cpu}, {_dig(environment, 'cpu.cores')} cores, {'no GPU' if gpus in ('', 'none') else gpus}" if cpu else ""


def _points(original: Source, new: Source, kind: str) -> list[Difference]:
    """What the rows themselves say: engine, version, image, GPU."""
    out = []
    software = "another version of the engine" if kind != "predicted" else "another database of operator latencies"
    columns = [("engine", "software", "another engine"), ("engine_version", "software", software), ("image", "software", "another image")]
    columns += [("hardware", "machine", "other hardware")]
    for column, group, why in columns:
        sides = [_values(side, column) for side in (original, new)]
        out += _differ(column.replace("_", " "), ", ".join(sides[0]), ", ".join(sides[1]), group, True, why)
    for column in PLATFORM_COLUMNS:
        sides = [_values(side, column) for side in (original, new)]
        apart = not set(sides[0]) & set(sides[1])
        why = "ran elsewhere" if apart else "ran elsewhere in part: what tells such places apart is in the noise between launches"
        out += _differ(column, ", ".join(sides[0]), ", ".join(sides[1]), "machine", apart and kind not in ("predicted", "simulated"), why)
    return out


def _environment(original: Source, new: Source, kind: str) -> list[Difference]:
    """What ``environment.json`` and the placements of trials say; nothing where neither run has one."""
    sides = [side.environment or {} for side in (original, new)]
    if not any(sides):
        return []
    computed = kind in _COMPUTED
    out = []
    wheels = sorted({name for side in sides for name in _names(side, "wheels")})
    for name in wheels:
        texts = [" ".join(filter(None, (_dig(s, f"wheels.{name}.version"), _dig(s, f"wheels.{name}.sha256")[:12]))) for s in sides]
        out += _differ(name, texts[0], texts[1], "software", computed, "the operator database that predictions are made from" if computed else "")
    images, runtimes = ([_container(side, key) for side in (original, new)] for key in ("image_id", "runtime"))
    out += _differ("image ID", images[0], images[1], "software", not computed, "" if computed else "other software around the engine")
    out += _differ("container runtime", runtimes[0], runtimes[1], "software", False)
    places = [places_of(side.environment, side.placements) for side in (original, new)]
    why = f"{_COMPUTED[kind]} does not depend on it" if computed else "another machine, or another state of it"
    machine = (
        ("machine", lambda p: _dig(p, "machine")), ("processor", lambda p: _dig(p, "cpu.model")), ("cores", cores_of), ("memory, GiB", _memory),
        ("GPUs", gpus_of), ("driver", drivers_of), ("GPU clocks and power limits", limits_of), ("kernel", lambda p: _dig(p, "kernel")),
    )  # fmt: skip
    for fact, of in machine:
        out += _differ(fact, stated(places[0], of), stated(places[1], of), "machine", not computed, why)
    client = "it sends the load and counts: it can move a number, but less often than what is under load"
    code = "the code that measures, predicts and attributes is another"
    for fact, of in (("kit version", _kit("version")), ("kit commit", _commit), ("kit source", lambda s: _dig(s, "kit.source_sha256")[:12])):
        source = fact == "kit source"
        out += _differ(fact, of(sides[0]), of(sides[1]), "kit", computed or source, code if source else _MODEL if computed else client)
    own = (("Python", "python.version"), ("C library", "platform.libc"), ("system", "platform.system"), ("architecture", "platform.machine"))
    for fact, key in own:
        out += _differ(fact, _dig(sides[0], key), _dig(sides[1], key), "environment", False, "of the kit's own environment")
    return [*out, *_packages(sides[0], sides[1], computed)]


def _container(side: Source, key: str) -> str:
    """What the trials, else the run, say of their container; ``none`` where they say that there is none."""
    inside = [one for one in side.placements if one.get("container")] or [side.environment or {}]
    return stated(inside, lambda place: _dig(place, f"container.{key}")[:19] or ("none" if "container" in place else ""))


def _packages(original: Mapping[str, Any], new: Mapping[str, Any], computed: bool) -> list[Difference]:
    """Packages of another version: those that compute by name where that matters, the others in one line."""
    tables = [part(side, "packages") for side in (original, new)]
    if not (tables[0] and tables[1]):
        return []
    changed = sorted(name for name in {*tables[0], *tables[1]} if tables[0].get(name) != tables[1].get(name))
    telling = [name for name in changed if computed and name in _COMPUTING]
    rest = [name for name in changed if name not in telling]
    out = [
        Difference(name, str(tables[0].get(name, "none")), str(tables[1].get(name, "none")), "kit", True, "results are computed with it")
        for name in telling
    ]
    if rest:
        texts = [", ".join(f"{name} {table.get(name, 'none')}" for name in rest[:_NAMED]) for table in tables]
        more = f" and {len(rest) - _NAMED} more" if len(rest) > _NAMED else ""
        why = "of the kit's own environment, not the engine's"
        out.append(Difference(f"{len(rest)} packages{more}", texts[0], texts[1], "environment", False, why))
    return out


def _settings(original: Source, new: Source) -> list[Difference]:
    """Keys of the resolved configurations that differ; nothing where a run has none."""
    if original.config is None or new.config is None:
        return []
    sides = [flat(side.config or {}) for side in (original, new)]
    out = []
    for key in dict.fromkeys([*sides[0], *sides[1]]):
        old, now = (side.get(key, UNSTATED) for side in sides)
        if old == now or _under(key, _NO_SETTING):
            continue
        if _under(key, _LAUNCHES):
            out.append(Difference(key, old, now, "launches", False, "other launches or other draws of the same thing"))
        elif UNSTATED in (old, now) and key.count(".") == 1 and not _under(key, ("lever",)):
            out.append(Difference(key, old, now, "configuration", False, "a key that one of the two kits did not have"))
        else:
            group = "software" if _under(key, _VERSIONS) else "configuration"
            out.append(Difference(key, old, now, group, True, "another version" if group == "software" else "another setting"))
    return out


def flat(document: Mapping[str, Any], path: str = "") -> dict[str, str]:
    """Dotted key -> value as text; lists and empty values are values.

    >>> flat({"a": {"b": [1, "x"]}, "c": None})
    {'a.b': '1, x', 'c': 'none'}
    """
    out: dict[str, str] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            out |= flat(value, f"{path}{key}.")
        elif isinstance(value, list):
            out[f"{path}{key}"] = ", ".join(map(str, value)) or "none"
        else:
            out[f"{path}{key}"] = "none" if value in (None, "") else str(value)
    return out


def _under(key: str, prefixes: Sequence[str]) -> bool:
    return any(key == prefix or key.startswith(f"{prefix}.") for prefix in prefixes)


def _differ(fact: str, old: str, now: str, group: str, likely: bool, why: str = "") -> list[Difference]:
    """The difference of a fact, where there is one and one side at least states it."""
    if old == now:
        return []
    if not old or not now:
        return [Difference(fact, old or UNSTATED, now or UNSTATED, group, False, "one of the two does not say")]
    return [Difference(fact, old, now, group, likely, why)]


def _values(source: Source, column: str) -> list[str]:
    """What the points state; of nodes also those that only their trials name, the further ones of a deployment over several."""
    found = set(map(str, source.points[column].dropna().unique())) if column in source.points else set()
    return sorted(found | set(nodes_of(source.placements) if column == "node" else ()))


def _dig(document: Mapping[str, Any], path: str) -> str:
    """The text under a dotted path; empty where there is none."""
    found: Any = document
    for step in path.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return "" if found is None or isinstance(found, (Mapping, list)) else str(found)


def _memory(document: Mapping[str, Any]) -> str:
    """Whole GiB: the system's own share of it is not the same on every day."""
    found = document.get("ram_gib")
    return f"{found:.0f}" if isinstance(found, (int, float)) else ""


def _names(document: Mapping[str, Any], key: str) -> list[str]:
    found = document.get(key)
    return list(map(str, found)) if isinstance(found, Mapping) else []


def _kit(key: str) -> Any:
    return lambda side: _dig(side, f"kit.{key}")


def _commit(side: Mapping[str, Any]) -> str:
    dirty = " with changes" if _dig(side, "kit.dirty") == "True" else ""
    return f"{_dig(side, 'kit.commit')[:12]}{dirty}" if _dig(side, "kit.commit") else ""
