"""Claims and tables of power and price as ``conf/claim`` and ``conf/tco`` hold them, checked against their schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin

from frontier.claim_schema import (
    COMBINE,
    CONFIRMED,
    DENOMINATORS,
    DIRECTIONS,
    PLACES,
    QUANTITIES,
    USD_KINDS,
    ClaimConfig,
    TcoConfig,
)
from frontier.config.files import conf_dir, read_option, shown, suggest
from frontier.config.keys import check_value, field_types
from frontier.errors import ConfigError, ConfigErrors

T = TypeVar("T")


def claim_names(conf: Path | None = None) -> list[str]:
    """Names of the claims in ``conf/claim``, sorted."""
    return _names("claim", conf)


def tco_names(conf: Path | None = None) -> list[str]:
    """Names of the tables in ``conf/tco``, in the order of their eras; those without an era last."""
    tables = {name: load_tco(name, conf) for name in _names("tco", conf)}
    return sorted(tables, key=lambda name: (tables[name].what_if, not _dated(tables[name]), tables[name].valid_from, name))


def load_claim(name: str, conf: Path | None = None) -> ClaimConfig:
    """A claim by its file's name.

    Raises
    ------
    ConfigError
        If there is no such claim; the message lists all.
    ConfigErrors
        With every unknown key, wrong type and unknown word of the file.
    """
    claim = _load("claim", name, ClaimConfig, conf)
    _check_words(name, claim)
    return claim


def load_tco(name: str, conf: Path | None = None) -> TcoConfig:
    """A table of power and price by its file's name.

    Raises
    ------
    ConfigError
        If there is no such table; the message lists all.
    ConfigErrors
        With every unknown key and wrong type of the file, or an unknown kind of price.
    """
    table = _load("tco", name, TcoConfig, conf)
    wrong = sorted({kind for gpu in table.gpus.values() for kind in gpu.usd_per_gpu_hr if kind not in USD_KINDS})
    if wrong:
        raise ConfigError(f"unknown kind of price: {', '.join(wrong)}", origin=f"conf/tco/{name}.yaml", hint=f"one of: {', '.join(USD_KINDS)}")
    return table


def _dated(table: TcoConfig) -> bool:
    return bool(table.valid_from or table.valid_until)


def _names(folder: str, conf: Path | None) -> list[str]:
    return sorted(file.stem for file in ((conf or conf_dir()) / folder).glob("*.yaml"))


def _load(folder: str, name: str, schema: Callable[..., T], conf: Path | None) -> T:
    base = conf or conf_dir()
    file = base / folder / f"{name}.yaml"
    if not file.is_file():
        what = "claim" if folder == "claim" else "table of power and price"
        raise ConfigError(f"there is no {what} {name!r}", origin=f"conf/{folder}", hint=suggest(name, _names(folder, conf)))
    data = read_option(base, file)
    origin = shown(base, file)
    problems = check_value((), data, origin, schema)
    problems += [ConfigError(f"{key} is missing", origin=origin, hint=f"{key}: ...") for key in _required(cast(type, schema)) if key not in data]
    if problems:
        raise ConfigErrors(problems)
    return cast(T, build(cast(type, schema), data))


def _required(schema: type) -> list[str]:
    return [item.name for item in fields(cast(Any, schema)) if item.default is MISSING and item.default_factory is MISSING]


def build(schema: Any, data: Any) -> Any:
    """Plain values as an object of a checked schema; what is absent takes its default.

    Parameters
    ----------
    schema : type
        A dataclass, or the type of one of its fields.
    data : object
        Values that :func:`frontier.config.keys.check_value` found no fault with.
    """
    if is_dataclass(schema):
        kinds = field_types(cast(type, schema))
        return cast(Any, schema)(**{name: build(kinds[name], value) for name, value in cast(Mapping[str, Any], data).items()})
    if get_origin(schema) is dict:
        return {str(key): build(get_args(schema)[1], value) for key, value in cast(Mapping[str, Any], data).items()}
    if get_origin(schema) is list:
        item = get_args(schema)[0]
        return [build(item, value) for value in data]
    if data is None:
        return None
    if float in (schema, *get_args(schema)):
        return float(data)
    return str(data) if schema is str else data


def _check_words(name: str, claim: ClaimConfig) -> None:
    """Refuse words outside the closed lists, and combinations that mean nothing."""
    origin = f"conf/claim/{name}.yaml"
    closed = {"quantity": QUANTITIES, "direction": DIRECTIONS, "per": DENOMINATORS, "at": PLACES, "confirmed": CONFIRMED, "combine": COMBINE}
    problems = [
        ConfigError(f"{key} must be one of {', '.join(words)}, got {getattr(claim, key)!r}", origin=origin, hint=f"{key}: {words[0]}")
        for key, words in closed.items()
        if getattr(claim, key) not in words
    ]
    if claim.usd_kind and claim.usd_kind not in USD_KINDS:
        problems.append(ConfigError(f"usd_kind must be one of {', '.join(USD_KINDS)} or empty, got {claim.usd_kind!r}", origin=origin))
    if claim.value is not None and claim.value <= 0:
        problems.append(ConfigError(f"value must be positive, got {claim.value:g}", origin=origin))
    if not 0 < claim.tolerance < 1:
        problems.append(ConfigError(f"tolerance must lie between 0 and 1, got {claim.tolerance:g}", origin=origin, hint="tolerance: 0.1"))
    if claim.confirmed != "unconfirmed" and not (claim.confirmed_by or claim.url):
        problems.append(ConfigError(f"confirmed is {claim.confirmed!r}, but no page is named", origin=origin, hint="confirmed_by: [https://...]"))
    if claim.interactivity_until_tok_s_user is not None and claim.interactivity_tok_s_user is None:
        problems.append(ConfigError("interactivity_until_tok_s_user needs interactivity_tok_s_user", origin=origin))
    if problems:
        raise ConfigErrors(problems)
