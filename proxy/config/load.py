"""From a file to a checked config, or to everything that is wrong with it. I/O: reads the file
and the price catalogue that it names.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from proxy.config.blame import schema_faults
from proxy.config.catalogue import Catalogue, joined
from proxy.config.compile import settings_of, snapshot_of
from proxy.config.document import START, Fault, Mapping, Node, plain
from proxy.config.policy_check import policy_warnings
from proxy.config.policy_names import policy_faults
from proxy.config.prices import load_catalogue
from proxy.config.pricing import catalogue_faults, named_catalogue, price_warnings
from proxy.config.problems import (
    MAX_PROBLEMS,
    ConfigProblems,
    ConfigUnreadable,
    Problem,
    problems_at,
)
from proxy.config.references import reference_faults
from proxy.config.schema import ConfigSpec
from proxy.config.settings import Settings
from proxy.config.yaml12 import read_yaml
from proxy.domain.policies import rebound
from proxy.domain.snapshot import Snapshot

MAX_FILE_BYTES: Final = 1024 * 1024
_SECONDS_OF_DAY: Final = 86_400

CatalogueReader = Callable[[str], Catalogue]
"""Reads the catalogue that a config names; raises ConfigProblems."""


@dataclass(frozen=True, slots=True)
class Pricing:
    """How to price the targets of a config anew: what it wrote, and its catalogue."""

    config: ConfigSpec
    catalogue: Catalogue

    def repriced(self, current: Snapshot, fetched: Catalogue | None, day: int) -> Snapshot:
        """*current* at the prices of *day*, by the file's catalogue and the one *fetched* since.

        The very same snapshot where nothing changes.
        """
        known = self.catalogue if fetched is None else joined(self.catalogue, fetched)
        priced = snapshot_of(self.config, known, day)
        if priced.targets == current.targets:
            return current
        return replace(
            current,
            version=priced.version,
            targets=priced.targets,
            routes=priced.routes,
            policies=rebound(current.policies, tuple(priced.routes.values())),
        )


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A config that may start: what the process needs, and what decisions need.

    `pricing` None: it names no catalogue. `warnings` are what is odd about it all the same.
    """

    settings: Settings
    snapshot: Snapshot
    pricing: Pricing | None = None
    warnings: tuple[Problem, ...] = field(default=(), compare=False)


def today() -> int:
    """The day in UTC, as days since 1970."""
    return int(time.time()) // _SECONDS_OF_DAY


def load(path: Path) -> LoadedConfig:
    """The config in the file *path*. Credentials stay references and are not looked at.

    Raises:
        ConfigUnreadable: there is no such file, or it may not be read.
        ConfigProblems: everything that is wrong with it, at once.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigUnreadable(
            problems_at(str(path), [Fault(START, (), f"cannot be read: {error.strerror}")])
        ) from error
    return parse(content, str(path), lambda name: load_catalogue(path.parent / name), today())


def parse(
    content: bytes, file: str, catalogue_in: CatalogueReader | None = None, day: int = 0
) -> LoadedConfig:
    """The config that *content* writes; *file* is named in problems. Pure but for *catalogue_in*.

    Targets that are priced by the catalogue are so at the prices of *day*.

    Raises:
        ConfigProblems: everything that is wrong with it, at once.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ConfigProblems(
            problems_at(file, [Fault(START, (), f"is over {MAX_FILE_BYTES} bytes")])
        )
    root, faults = read_yaml(content)
    config: ConfigSpec | None = None
    catalogue: Catalogue | None = None
    elsewhere: tuple[Problem, ...] = ()
    if isinstance(root, Mapping):
        try:
            config = ConfigSpec.model_validate(plain(root))
        except ValidationError as error:
            faults.extend(islice(schema_faults(root, error), MAX_PROBLEMS + 1))
        faults.extend(islice(reference_faults(root), MAX_PROBLEMS + 1))
        faults.extend(islice(policy_faults(root), MAX_PROBLEMS + 1))
        catalogue, elsewhere = _catalogue(root, catalogue_in)
        if not elsewhere:
            faults.extend(islice(catalogue_faults(root, catalogue), MAX_PROBLEMS + 1))
    elif not faults:
        faults.append(
            Fault(START, (), "must be a mapping with providers, targets, routes, tenants")
        )
    if faults or elsewhere or config is None or root is None:
        raise ConfigProblems((*problems_at(file, faults), *elsewhere))
    pricing = None if catalogue is None else Pricing(config, catalogue)
    snapshot = snapshot_of(config, catalogue, day)
    odd = [*policy_warnings(root, snapshot), *price_warnings(root, snapshot)]
    warnings = problems_at(file, odd)
    return LoadedConfig(settings_of(config.server), snapshot, pricing, warnings)


def _catalogue(
    root: Node, read: CatalogueReader | None
) -> tuple[Catalogue | None, tuple[Problem, ...]]:
    named = named_catalogue(root)
    if named is None or not isinstance(named.value, str) or read is None:
        return None, ()
    try:
        return read(named.value), ()
    except ConfigProblems as found:
        return None, found.problems
