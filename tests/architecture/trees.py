"""Reads the syntax trees of this repository, for the tests of its walls."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(folder: str) -> list[Path]:
    """Every Python file below *folder*, in order."""
    return sorted((ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    """*path* as it reads in messages and lists: from the repository's root."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of the file at *path*."""
    return ast.parse(path.read_text("utf-8"), str(path))


def imports_of(tree: ast.AST) -> Iterator[str]:
    """The whole name of every module that *tree* imports, wherever the statement stands."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def functions_of(tree: ast.AST) -> Iterator[Function]:
    """Every function and method of *tree*, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def called_name(call: ast.Call) -> str:
    """What *call* calls, as written: `open`, `datetime.now`; empty where it is no plain name."""
    return dotted(call.func)


def dotted(node: ast.expr) -> str:
    """*node* as a dotted name; empty where it is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (owner := dotted(node.value)):
        return f"{owner}.{node.attr}"
    return ""


def without_docstring(function: Function) -> list[ast.stmt]:
    """The statements of *function* after its docstring."""
    return function.body[1:] if ast.get_docstring(function) is not None else function.body
