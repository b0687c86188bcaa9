"""What every part of a config file is checked by. Pure."""

from collections.abc import Iterator
from typing import get_args

from pydantic import BaseModel, ConfigDict


class Spec(BaseModel):
    """A mapping whose every key is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def keys_below(spec: type[Spec], path: tuple[str | int, ...]) -> list[str]:
    """The keys that the mapping at *path* below *spec* may have; a step that is a number enters
    a list, all of whose items are of one kind.
    """
    for step in path:
        if isinstance(step, str):
            spec = _below(spec, step)
    return [field.alias or name for name, field in spec.model_fields.items()]


def _below(spec: type[Spec], key: str) -> type[Spec]:
    named = (field for name, field in spec.model_fields.items() if key in {name, field.alias})
    return next(_specs_in(next(named).annotation))


def _specs_in(annotation: object) -> Iterator[type[Spec]]:
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation
    for inner in get_args(annotation):
        yield from _specs_in(inner)
