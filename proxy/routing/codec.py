"""Values of the domain as JSON, and back, by their own types. Pure.

One walk over type annotations in place of a pair of functions for every value, so that a field
that is added is stored without anybody remembering it. What belongs to the config (targets,
routes) is stored by its id and looked up again. Fields that do not take part in comparing are
worked out from the others, and are not stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, NewType, TypeVar, Union, get_args, get_origin, get_type_hints

from proxy.domain.catalog import Route, Target

Json = None | bool | int | float | str | list[Any] | dict[str, Any]


@dataclass(frozen=True, slots=True)
class Known:
    """What ids stand for."""

    routes: Mapping[str, Route]
    targets: Mapping[str, Target]


def plain(value: object) -> Json:
    """*value* as JSON has it. Sets are sorted, so that equal values are written alike."""
    if isinstance(value, Route | Target):
        return value.id
    if isinstance(value, Enum):
        return str(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, frozenset):
        return sorted(map(plain, value), key=repr)
    names = _names(type(value))
    if names is not None:
        return {name: plain(getattr(value, name)) for name in names}
    assert isinstance(value, tuple)
    return [plain(each) for each in value]


def made(kind: Any, json: Any, known: Known) -> Any:
    """The value of type *kind* that was written as *json*."""
    origin, parts = get_origin(kind) or kind, get_args(kind)
    if isinstance(origin, NewType):
        return json
    if origin is Route or origin is Target:
        return (known.routes if origin is Route else known.targets)[json]
    if origin is Union or origin is UnionType:
        return _made_union(parts, json, known)
    if isinstance(origin, type) and issubclass(origin, Enum):
        return origin(json)
    if isinstance(origin, type) and _names(origin) is not None:
        return _made_fields(origin, parts, json, known)
    if origin is tuple:
        return _made_tuple(parts, json, known)
    if origin is frozenset:
        return frozenset(made(parts[0], each, known) for each in json)
    if origin is Mapping:
        key, each = parts
        return {made(key, name, known): made(each, one, known) for name, one in json.items()}
    return float(json) if origin is float else json


def _names(kind: type) -> list[str] | None:
    if is_dataclass(kind):
        return [field.name for field in fields(kind) if field.compare]
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return list(kind._fields)
    return None


def _made_union(parts: tuple[Any, ...], json: Any, known: Known) -> Any:
    # Every union of the domain is a type or None.
    if json is None:
        return None
    (kind,) = [part for part in parts if part is not NoneType]
    return made(kind, json, known)


def _made_fields(kind: Any, parts: tuple[Any, ...], json: Any, known: Known) -> Any:
    of_variables = dict(zip(getattr(kind, "__parameters__", ()), parts, strict=True))
    hints = get_type_hints(kind)
    return kind(
        **{
            name: made(_filled(hints[name], of_variables), each, known)
            for name, each in json.items()
        }
    )


def _filled(hint: Any, of_variables: Mapping[Any, Any]) -> Any:
    return of_variables[hint] if isinstance(hint, TypeVar) else hint


def _made_tuple(parts: tuple[Any, ...], json: Any, known: Known) -> Any:
    if parts[-1] is Ellipsis:
        return tuple(made(parts[0], each, known) for each in json)
    return tuple(made(part, each, known) for part, each in zip(parts, json, strict=True))
