"""From files of policy tests to values, or to everything that is wrong with them. I/O: reads the
files, and the configs that they are for.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from proxy.config.blame import schema_faults
from proxy.config.document import START, Fault, Mapping, Mark, Node, locate, plain, shown
from proxy.config.document import Path as Place
from proxy.config.load import MAX_FILE_BYTES, LoadedConfig, load
from proxy.config.near import did_you_mean
from proxy.config.problems import (
    MAX_PROBLEMS,
    ConfigProblems,
    ConfigUnreadable,
    Problem,
    problems_at,
)
from proxy.config.spec import keys_below
from proxy.config.yaml12 import read_yaml
from proxy.domain.policies import TOOL_LOOP
from proxy.domain.snapshot import Snapshot
from proxy.policytests.spec import DefaultsSpec, ExpectSpec, FileSpec, TestSpec

DEFAULT_PATH: Final = Path("config/tests")
ENDINGS: Final = (".yaml", ".yml")
MAX_NODES: Final = 1_000_000

Named = tuple[Place, str, str]
"""Where an id stands below a test, the section that must have it, and the id."""


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """One test, the place where it stands, what its file says of all, and the config it is for."""

    file: str
    line: int
    spec: TestSpec
    defaults: DefaultsSpec
    snapshot: Snapshot

    @property
    def tenant_id(self) -> str:
        """Who asks."""
        return self.spec.tenant or self.defaults.tenant or ""


def load_tests(path: Path, config: Path | None = None) -> tuple[PolicyTest, ...]:
    """The tests in the file *path*, or in all such files below the directory *path*, by name.

    *config* is what they are for, in place of what they say.

    Raises:
        ConfigUnreadable: there is no such file, or none in that directory.
        ConfigProblems: everything that is wrong with the files and their configs.
    """
    files = [path]
    if path.is_dir():
        files = sorted(each for each in path.rglob("*") if each.suffix in ENDINGS)
        if not files:
            raise _unreadable(path, "holds no test: no file below it ends in .yaml")
    configs: dict[Path, LoadedConfig] = {}
    tests: list[PolicyTest] = []
    problems: list[Problem] = []
    for file in files:
        try:
            tests += _tests_in(file, config, configs)
        except ConfigUnreadable:
            raise
        except ConfigProblems as found:
            problems += found.problems
    if problems:
        raise ConfigProblems(tuple(dict.fromkeys(problems)))
    return tuple(tests)


def _tests_in(
    path: Path, config: Path | None, configs: dict[Path, LoadedConfig]
) -> list[PolicyTest]:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from error
    root, spec = read_tests(content, str(path))
    if config is None:
        if spec.config is None:
            message = "names no config; add 'config:', relative to this file, or use --config"
            raise ConfigProblems(problems_at(str(path), [Fault(START, (), message)]))
        config = path.parent / spec.config
    known_as = config.resolve()
    if known_as not in configs:
        configs[known_as] = load(config)
    snapshot = configs[known_as].snapshot
    faults = list(islice(name_faults(root, spec, snapshot), MAX_PROBLEMS + 1))
    if faults:
        raise ConfigProblems(problems_at(str(path), faults))
    return [
        PolicyTest(str(path), _place(root, ("tests", at)).line, test, spec.defaults, snapshot)
        for at, test in enumerate(spec.tests)
    ]


def read_tests(content: bytes, file: str) -> tuple[Node, FileSpec]:
    """What *content* writes, and its tree; *file* is named in problems. Pure.

    Raises:
        ConfigProblems: everything that is wrong with it by itself.
    """
    if len(content) > MAX_FILE_BYTES:
        fault = Fault(START, (), f"is over {MAX_FILE_BYTES} bytes")
        raise ConfigProblems(problems_at(file, [fault]))
    root, faults = read_yaml(content, MAX_NODES)
    spec: FileSpec | None = None
    if isinstance(root, Mapping):
        try:
            spec = FileSpec.model_validate(plain(root))
        except ValidationError as error:
            found = schema_faults(root, error, _keys_at)
            faults.extend(islice(found, MAX_PROBLEMS + 1))
    elif not faults:
        faults.append(Fault(START, (), "must be a mapping with config and tests"))
    if faults or spec is None or root is None:
        raise ConfigProblems(problems_at(file, faults))
    return root, spec


def name_faults(root: Node, spec: FileSpec, snapshot: Snapshot) -> Iterator[Fault]:
    """Every id that a test names and *snapshot* lacks, and every name that two tests have. Pure.

    A pattern that matches no target is one too: it would forbid nothing.
    """
    known = {
        "tenants": set(snapshot.tenants),
        "targets": set(snapshot.targets),
        "providers": set(snapshot.providers),
        "routes": set(snapshot.routes),
        "policies": {rule.id for rule in snapshot.policies.rules} | {TOOL_LOOP},
    }
    if spec.defaults.tenant is not None and spec.defaults.tenant not in known["tenants"]:
        path: Place = ("defaults", "tenant")
        yield _unknown(root, path, "tenants", spec.defaults.tenant, known["tenants"])
    lines: dict[str, int] = {}
    for at, test in enumerate(spec.tests):
        here: Place = ("tests", at)
        line = lines.setdefault(test.name, _place(root, (*here, "name")).line)
        if line != (mark := _place(root, (*here, "name"))).line:
            message = f"is the name of another test (in line {line}); rename one of the two"
            yield Fault(mark, (*here, "name"), message)
        if test.tenant is None and spec.defaults.tenant is None:
            yield Fault(_place(root, here), (*here, "tenant"), "is missing; add it")
        for below, section, id_ in _named(test):
            if not _is_known(id_, known[section], pattern="*" in id_):
                yield _unknown(root, (*here, *below), section, id_, known[section])


def _named(test: TestSpec) -> Iterator[Named]:
    if test.tenant is not None:
        yield ("tenant",), "tenants", test.tenant
    world = test.world
    for id_ in world.targets:
        yield ("world", "targets", id_), "targets", id_
    if world.tool_calls_from is not None:
        yield ("world", "tool_calls_from"), "providers", world.tool_calls_from
    if world.cached_answer_from is not None:
        yield ("world", "cached_answer_from"), "targets", world.cached_answer_from
    for path, section, name in _expected(test.expect):
        yield ("expect", *path), section, name


def _expected(expect: ExpectSpec) -> Iterator[Named]:
    for key, section in _IDS.items():
        if (id_ := getattr(expect, key)) is not None:
            yield (key,), section, id_
    for key, section in _LISTS.items():
        for at, id_ in enumerate(getattr(expect, key) or ()):
            # Sets are sorted when they are read, so that only their key is known for sure.
            yield ((key, at) if key == "ranked" else (key,)), section, id_
    for target, why in (expect.rejected or {}).items():
        yield ("rejected", target), "targets", target
        if why.rule is not None:
            yield ("rejected", target, "rule"), "policies", why.rule
    if expect.refused is not None and expect.refused.rule is not None:
        yield ("refused", "rule"), "policies", expect.refused.rule


_IDS: Final = {
    "route": "routes",
    "selected": "targets",
    "fallback": "targets",
    "from_cache": "targets",
    "admitted": "targets",
}
_LISTS: Final = {
    "ranked": "targets",
    "never": "targets",
    "rules": "policies",
    "not_rules": "policies",
}


def _is_known(id_: str, known: set[str], *, pattern: bool) -> bool:
    return any(fnmatchcase(each, id_) for each in known) if pattern else id_ in known


def _unknown(root: Node, path: Place, section: str, id_: str, known: set[str]) -> Fault:
    near = did_you_mean(id_, known) or "; known are " + ", ".join(sorted(known)[:20])
    message = f"there is no {shown(id_)} among the {section} of the config{near}"
    return Fault(_place(root, path), path, message)


def _place(root: Node, path: Place) -> Mark:
    # What is broken was reported, and nobody comes here with it.
    return locate(root, path) or START


def _keys_at(path: Place) -> list[str]:
    """The keys of the mapping at *path*; those of ids and labels are not steps of the schema."""
    steps: list[str | int] = []
    for step in path:
        if len(steps) >= 2 and steps[-1] in _OF_IDS and steps[-2] in {"world", "expect"}:
            steps.append(0)
        else:
            steps.append(step)
    return keys_below(FileSpec, tuple(steps))


_OF_IDS: Final = frozenset({"targets", "rejected"})


def _unreadable(path: Path, message: str) -> ConfigUnreadable:
    return ConfigUnreadable(problems_at(str(path), [Fault(START, (), message)]))
