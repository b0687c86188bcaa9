"""From a file to a checked config, or to everything that is wrong with it. I/O: one file read."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from proxy.config.blame import schema_faults
from proxy.config.compile import settings_of, snapshot_of
from proxy.config.document import START, Fault, Mapping, plain, written
from proxy.config.policy_check import policy_warnings
from proxy.config.policy_names import policy_faults
from proxy.config.problems import ConfigProblems, ConfigUnreadable, Problem
from proxy.config.references import reference_faults
from proxy.config.schema import ConfigSpec
from proxy.config.settings import Settings
from proxy.config.yaml12 import read_yaml
from proxy.domain.snapshot import Snapshot

MAX_FILE_BYTES: Final = 1024 * 1024
MAX_PROBLEMS: Final = 1000
"""More are not looked for: a config may be hostile, and nobody reads so far."""


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A config that may start: what the process needs, and what decisions need.

    `warnings` are what is odd about it all the same.
    """

    settings: Settings
    snapshot: Snapshot
    warnings: tuple[Problem, ...] = field(default=(), compare=False)


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
            _at(str(path), [Fault(START, (), f"cannot be read: {error.strerror}")])
        ) from error
    return parse(content, str(path))


def parse(content: bytes, file: str) -> LoadedConfig:
    """The config that *content* writes; *file* is named in problems. Pure.

    Raises:
        ConfigProblems: everything that is wrong with it, at once.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ConfigProblems(_at(file, [Fault(START, (), f"is over {MAX_FILE_BYTES} bytes")]))
    root, faults = read_yaml(content)
    config: ConfigSpec | None = None
    if isinstance(root, Mapping):
        try:
            config = ConfigSpec.model_validate(plain(root))
        except ValidationError as error:
            faults.extend(islice(schema_faults(root, error), MAX_PROBLEMS + 1))
        faults.extend(islice(reference_faults(root), MAX_PROBLEMS + 1))
        faults.extend(islice(policy_faults(root), MAX_PROBLEMS + 1))
    elif not faults:
        faults.append(
            Fault(START, (), "must be a mapping with providers, targets, routes, tenants")
        )
    if faults or config is None or root is None:
        raise ConfigProblems(_at(file, faults))
    snapshot = snapshot_of(config)
    warnings = _at(file, policy_warnings(root, snapshot))
    return LoadedConfig(settings_of(config.server), snapshot, warnings)


def _at(file: str, faults: Iterable[Fault]) -> tuple[Problem, ...]:
    """*faults* as problems of *file*, each once, in the file's order."""
    problems = sorted(
        {
            Problem(file, fault.mark.line, fault.mark.column, written(fault.path), fault.message)
            for fault in faults
        }
    )
    if len(problems) > MAX_PROBLEMS:
        more = f"has more problems than these {MAX_PROBLEMS}; mend them first"
        problems[MAX_PROBLEMS:] = [Problem(file, START.line, START.column, "", more)]
    return tuple(problems)
