"""Keys and types: one value, or a whole mapping, against the dataclasses of the schema."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from omegaconf import BooleanNode, FloatNode, IntegerNode, StringNode
from omegaconf.errors import ValidationError

from frontier.config.files import suggest
from frontier.errors import ConfigError
from frontier.schema import Config

_RESOLVER = re.compile(r"\$\{[^}]*:")  # ${oc.env:HOME}: environment variables and code stay out of the configuration
_NODES: dict[type, Callable[..., object]] = {int: IntegerNode, float: FloatNode, str: StringNode, bool: BooleanNode}
_TYPE_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_EXAMPLES = {int: "1", float: "1.5", str: "a", bool: "true"}


def field_types(schema: type) -> dict[str, Any]:
    """Field -> type of a schema's dataclass, in order."""
    hints = get_type_hints(schema)
    return {item.name: hints[item.name] for item in fields(cast(Any, schema))}


def check_value(path: tuple[str, ...], value: object, origin: str, schema: Any = Config) -> list[ConfigError]:
    """Problems of one value, or of a mapping of values, at a path below a schema.

    Parameters
    ----------
    path : tuple of str
        Keys from the schema down to the value; empty for the schema itself.
    value : object
        Plain Python value, as parsed from YAML or from an override.
    origin : str
        File or override that the value came from.
    schema : type
        A dataclass of the schema, or the type of a field.

    Returns
    -------
    list of ConfigError
        Empty if every key exists and every value has its type. ``???`` is taken as "not given".
    """
    return list(_problems(tuple(path), (), value, origin, schema))


def flatten(value: object, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Paths of all leaves of a mapping; an empty mapping and everything else is a leaf itself."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flatten(inner, (*prefix, str(key)))
    else:
        yield prefix


def _problems(path: tuple[str, ...], done: tuple[str, ...], value: object, origin: str, schema: Any) -> Iterator[ConfigError]:
    if path:
        step, rest = path[0], path[1:]
        inner = _inner_type(schema, step)
        if inner is None:
            yield _unknown(done, step, origin, schema)
        elif not rest and not _is_node(inner):
            yield from _leaf(done, step, value, origin, schema)
        else:
            yield from _problems(rest, (*done, step), value, origin, inner)
    elif not _is_node(schema):
        raise TypeError(f"not a node of the schema: {schema!r}")
    elif value is None or value == "???":
        if value is None:
            yield _wrong(done, value, "a group of keys", origin, "leave it out")
    elif not isinstance(value, Mapping):
        yield _wrong(done, value, "a group of keys", origin, f"set one of its keys: {', '.join(_names(schema))}")
    else:
        for key, item in value.items():
            yield from _problems((str(key),), done, item, origin, schema)


def _is_node(kind: Any) -> bool:
    return is_dataclass(kind) or get_origin(kind) is dict


def _names(schema: Any) -> list[str]:
    return list(field_types(cast(type, schema))) if is_dataclass(schema) else ["<name>"]


def _inner_type(schema: Any, key: str) -> Any:
    """Type of a key below a dataclass or a dict; None if there is no such key, or nothing can stand below."""
    if is_dataclass(schema):
        return field_types(cast(type, schema)).get(key)
    if get_origin(schema) is dict:
        return get_args(schema)[1]
    return None


def _unknown(done: tuple[str, ...], key: str, origin: str, schema: Any) -> ConfigError:
    name = ".".join((*done, key))
    if not _is_node(schema):
        return ConfigError(f"{'.'.join(done)} is a value and has no keys, got {name}", origin=origin, hint=f"{'.'.join(done)}=...")
    where = f" below {'.'.join(done)}" if done else ""
    return ConfigError(f"there is no key {name}", origin=origin, hint=f"keys{where}: {suggest(key, _names(schema))}")


def _wrong(path: tuple[str, ...], value: object, rule: str, origin: str, hint: str) -> ConfigError:
    return ConfigError(f"{'.'.join(path)} must be {rule}, got {value!r}", origin=origin, hint=hint)


def _leaf(done: tuple[str, ...], key: str, value: object, origin: str, schema: Any) -> Iterator[ConfigError]:
    kind = _inner_type(schema, key)
    name = ".".join((*done, key))
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and _RESOLVER.search(text):
            yield _wrong((*done, key), text, "a value or a reference to a key", origin, "${group.key}; resolvers run code, and are refused")
            return
    if isinstance(value, str) and (value == "???" or (value.startswith("${") and value.endswith("}"))):
        return
    if get_origin(schema) is dict and get_args(schema)[0] is int and not key.isdigit():
        yield ConfigError(f"keys below {'.'.join(done)} are whole numbers, got {key!r}", origin=origin, hint=f"{'.'.join(done)}.1=...")
        return
    if not _fits(value, kind):
        hint = f"{name}={_example(kind)}"
        if get_origin(kind) is list and isinstance(value, str | int | float):
            hint = f"{name}=[{value}]"
        yield _wrong((*done, key), value, _words(kind), origin, hint)


def _fits(value: object, kind: Any) -> bool:
    """Whether OmegaConf converts the value to the type without loss."""
    if get_origin(kind) is list:
        item = get_args(kind)[0]
        return isinstance(value, list) and all(_fits(part, item) for part in value)
    if get_origin(kind) in (types.UnionType, Union):
        inner = next(part for part in get_args(kind) if part is not type(None))
        return value is None or _fits(value, inner)
    if value is None or isinstance(value, dict | list) or (isinstance(value, bool) and kind is not bool):
        return False
    if kind is int and isinstance(value, float) and not value.is_integer():
        return False  # OmegaConf would cut the fraction off
    try:
        _NODES[kind](value=value, is_optional=False)
    except ValidationError:
        return False
    return True


def _words(kind: Any) -> str:
    if get_origin(kind) is list:
        item = get_args(kind)[0]
        return {int: "a list of whole numbers", float: "a list of numbers", str: "a list of texts"}[item]
    if get_origin(kind) in (types.UnionType, Union):
        return f"{_words(next(part for part in get_args(kind) if part is not type(None)))} or null"
    return _TYPE_WORDS[kind]


def _example(kind: Any) -> str:
    if get_origin(kind) is list:
        return f"[{_EXAMPLES[get_args(kind)[0]]}]"
    if get_origin(kind) in (types.UnionType, Union):
        return "null"
    return _EXAMPLES[kind]
