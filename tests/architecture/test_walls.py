"""The walls of the house: who may import whom, and what a module may do."""

import ast
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from tests.architecture.trees import (
    ROOT,
    called_name,
    dotted,
    functions_of,
    imports_of,
    name_of,
    python_files,
    tree_of,
    without_docstring,
)

PROXY = python_files("proxy")
PURE = [
    *python_files("proxy/domain"),
    *python_files("proxy/wire"),
    *python_files("proxy/routing"),
    ROOT / "proxy/execution/next_step.py",
]

IMPURE_MODULES = {
    "asyncio", "time", "random", "secrets", "uuid", "os", "io", "pathlib", "tempfile", "socket",
    "ssl", "http", "threading", "subprocess", "signal", "logging", "structlog",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "eval", "exec"}
CLOCK_CALLS = re.compile(r"(?:datetime|date)\.(?:now|utcnow|today)")

MAX_FILE_LINES = 500
MAX_BODY_LINES = 50
BANNED_NAMES = {
    "manager", "helper", "util", "utils", "common", "base", "misc", "data", "info", "process",
}  # fmt: skip

CATCHES_EVERYTHING = {
    ("proxy/server/app.py", "handle"): "the outermost frame: what nobody expected becomes a 500",
    ("proxy/execution/settle.py", "_safely"): "an answer that was served stays served",
}
"""Where `except Exception` may swallow: the outermost frame of a request, and background loops
that must go on. Handlers that raise again after cleaning up need no entry.
"""

ACTS_ON_IMPORT = {
    "proxy/__main__.py": "it is the program",
    "proxy/cli/main.py": "lists the verbs",
    "proxy/cli/keys.py": "lists the verbs below keys",
}
"""Modules with a bare call at their top level, and why."""

MUTATING_METHODS = {
    "append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "clear",
    "remove", "discard", "appendleft", "popleft", "move_to_end",
}  # fmt: skip
SILENCED = re.compile(r"#\s*(?:type:\s*ignore|noqa)")
REASONED = re.compile(r"# (?:type: ignore\[[a-z, -]+\]  #\s*\S|noqa: [A-Z])")
CONSTANT = re.compile(r"_{0,2}[A-Z][A-Z0-9_]*|__all__")


def test_layers_and_edges_hold() -> None:
    """import-linter's contracts are kept: inner code imports no outer code, aiohttp and redis
    stay where they belong.
    """
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("path", PURE, ids=name_of)
def test_pure_module_knows_neither_time_nor_chance_nor_the_world(path: Path) -> None:
    """Domain, wire, routing and next_step get time, draws and state as arguments."""
    tree = tree_of(path)
    calls = [called_name(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]

    assert IMPURE_MODULES & {name.partition(".")[0] for name in imports_of(tree)} == set()
    assert IMPURE_CALLS & set(calls) == set()
    assert [name for name in calls if CLOCK_CALLS.search(name)] == []


@pytest.mark.parametrize("path", PROXY, ids=name_of)
def test_module_acts_on_nothing_when_imported(path: Path) -> None:
    """The top level of a module defines; it calls nothing for its effect, but for the listed."""
    bare = [f"{name_of(path)}:{node.lineno}" for node in tree_of(path).body if _acts(node)]

    assert bare == [] or name_of(path) in ACTS_ON_IMPORT


def _acts(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.For | ast.While | ast.With | ast.Delete | ast.AugAssign)


IMPORT_EVERYTHING = """
import importlib, os, pkgutil, sys, threading
import aiohttp, gunicorn.app.base, prometheus_client, pydantic, redis.asyncio, rich, structlog
import typer, uvloop  # what others do on import is not ours
seen = []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        seen.append((event, str(arguments[0])))
    if event.split(".")[0] in ("socket", "subprocess") or event in ("os.putenv", "os.system"):
        seen.append((event, str(arguments[:1])))
sys.dont_write_bytecode = True
before = dict(os.environ)
sys.addaudithook(watch)
import proxy
for module in pkgutil.walk_packages(proxy.__path__, "proxy."):
    if module.name != "proxy.__main__":
        importlib.import_module(module.name)
assert not seen, seen
assert dict(os.environ) == before
assert threading.active_count() == 1
"""


@pytest.mark.slow
def test_importing_everything_touches_nothing() -> None:
    """Importing every module opens no socket, writes no file, starts nothing, sets nothing."""
    imported = subprocess.run(
        [sys.executable, "-c", IMPORT_EVERYTHING],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert imported.returncode == 0, imported.stderr


@pytest.mark.parametrize("path", PROXY, ids=name_of)
def test_module_keeps_no_mutable_state(path: Path) -> None:
    """Containers at the top level are constants by name, and nothing in their module changes
    them; no function rebinds a name of its module.
    """
    tree = tree_of(path)
    containers = {
        dotted(target)
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign) and _is_container(node.value)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }
    local = {name for function in functions_of(tree) for name in _bound_in(function)}

    assert [name for name in containers if not CONSTANT.fullmatch(name)] == []
    assert (containers - local) & _changed_in(tree) == set()
    assert [node.names for node in ast.walk(tree) if isinstance(node, ast.Global)] == []


def _is_container(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return called_name(value).rpartition(".")[2] in {
            "dict", "list", "set", "defaultdict", "OrderedDict", "deque", "Counter", "bytearray",
            "WeakValueDictionary", "WeakKeyDictionary", "WeakSet", "ContextVar", "local",
        }  # fmt: skip
    kinds = ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp
    return isinstance(value, kinds)


def _bound_in(function: ast.AST) -> set[str]:
    return {
        node.id
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


def _changed_in(tree: ast.AST) -> set[str]:
    changed = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            changed.add(dotted(node.value))
        elif isinstance(node, ast.Call):
            owner, _, method = called_name(node).rpartition(".")
            if method in MUTATING_METHODS:
                changed.add(owner)
    return changed


@pytest.mark.parametrize("path", PROXY, ids=name_of)
def test_file_and_its_functions_are_short(path: Path) -> None:
    """A file has at most 500 lines; a function at most 50 of code."""
    lines = path.read_text("utf-8").splitlines()
    long = [
        f"{function.name}: {_body_lines(function, lines)} lines"
        for function in functions_of(tree_of(path))
        if _body_lines(function, lines) > MAX_BODY_LINES
    ]

    assert len(lines) <= MAX_FILE_LINES
    assert long == []


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, lines: list[str]) -> int:
    body = without_docstring(function)
    if not body:
        return 0
    written = lines[body[0].lineno - 1 : body[-1].end_lineno]
    return sum(1 for line in written if line.strip() and not _is_comment(line))


@pytest.mark.parametrize("path", PROXY, ids=name_of)
def test_name_of_a_module_says_what_it_owns(path: Path) -> None:
    """No module or package is called by a word that would fit any."""
    words = {word for part in path.relative_to(ROOT).with_suffix("").parts
             for word in part.split("_")}  # fmt: skip

    assert BANNED_NAMES & words == set()


@pytest.mark.parametrize("path", PROXY, ids=name_of)
def test_every_error_is_caught_in_the_listed_places_only(path: Path) -> None:
    """`except Exception` swallows nowhere but in the outermost frame and in background loops."""
    swallowing = {
        (name_of(path), function.name)
        for function in functions_of(tree_of(path))
        for handler in ast.walk(function)
        if isinstance(handler, ast.ExceptHandler)
        and _catches_everything(handler)
        and not _raises_again(handler)
    }

    assert swallowing <= set(CATCHES_EVERYTHING)


def test_list_of_places_that_catch_everything_is_up_to_date() -> None:
    """A listed place that no longer exists is taken out of the list."""
    there = {(name_of(path), function.name) for path in PROXY
             for function in functions_of(tree_of(path))}  # fmt: skip

    assert set(CATCHES_EVERYTHING) <= there


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or dotted(kind) in {"Exception", "BaseException"} for kind in kinds)


def _raises_again(handler: ast.ExceptHandler) -> bool:
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


@pytest.mark.parametrize("path", PROXY, ids=name_of)
def test_exception_to_the_type_check_has_a_code_and_a_reason(path: Path) -> None:
    """`type: ignore` names what it silences, and why (behind it or above); `noqa` names what;
    nothing is left to do later.
    """
    lines = path.read_text("utf-8").splitlines()
    bare = [
        line.strip()
        for above, line in pairwise(["", *lines])
        if SILENCED.search(line) and not REASONED.search(line) and not _is_comment(above)
    ]
    later = [line.strip() for line in lines if re.search(r"\b(?:TODO|FIXME|XXX)\b", line)]

    assert later == []
    assert bare == []


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


@pytest.mark.parametrize("path", python_files("tests"), ids=name_of)
def test_test_states_its_rule_without_mocks_or_naps(path: Path) -> None:
    """Every test has a docstring; none imports a mock or sleeps for a time."""
    tree = tree_of(path)
    silent = [
        function.name
        for function in functions_of(tree)
        if function.name.startswith("test_") and ast.get_docstring(function) is None
    ]
    naps = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and called_name(node) in {"time.sleep", "asyncio.sleep"}
        and not (isinstance(node.args[0], ast.Constant) and node.args[0].value == 0)
    ]

    assert silent == []
    assert naps == []
    assert [name for name in imports_of(tree) if name.startswith("unittest.mock")] == []
