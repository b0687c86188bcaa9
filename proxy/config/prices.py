"""From the text of a price catalogue to its value, or to all that is wrong with it.

I/O: `load_catalogue` reads one file. The rest is pure.

Two readers, one meaning. A catalogue as `catalogue.render` writes it, one model a line, is turned
into JSON, which costs a third of reading it as YAML (0.06 s of CPU for 861 models, not 0.2 s).
Whatever is not exactly of that form, and whatever has any problem, is read again by the config's
own YAML reader, which knows places and words for problems. So the fast one may refuse at will and
never has to explain.
"""

import json
import re
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from proxy.config.blame import schema_faults
from proxy.config.catalogue import Catalogue, catalogue_of
from proxy.config.document import START, Fault, Mapping, plain
from proxy.config.price_spec import CatalogueSpec, ModelSpec
from proxy.config.problems import MAX_PROBLEMS, ConfigProblems, ConfigUnreadable, problems_at
from proxy.config.spec import keys_below
from proxy.config.yaml12 import read_yaml

MAX_FILE_BYTES: Final = 8 * 1024 * 1024
MAX_NODES: Final = 1_000_000

_MODELS: Final = "\nmodels:\n"
_OF_HEAD: Final = ("#", "as_of: ", "source: ")
_LINE: Final = re.compile(r"  ([A-Za-z0-9][A-Za-z0-9._:/@+-]*): (\{[a-z0-9_., :\[\]{}-]*\})")
_LONG_NUMBER: Final = re.compile(r"[0-9.]{30}")
_WORD: Final = re.compile(r"\b([0-9]{4}-[0-9]{2}-[0-9]{2}|(?!true\b|false\b)[a-z][a-z0-9_]*)")
"""What JSON wants in quotes. All that is no such word, and no number of JSON, fails there."""


class _NotOfThatForm(Exception):  # noqa: N818 - not an error: the other reader's turn
    """This text is not, or not surely, as `catalogue.render` writes it."""


def load_catalogue(path: Path) -> Catalogue:
    """The catalogue in the file *path*.

    Raises:
        ConfigUnreadable: there is no such file, or it may not be read.
        ConfigProblems: everything that is wrong with it, at once.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        fault = Fault(START, (), f"cannot be read: {error.strerror}")
        raise ConfigUnreadable(problems_at(str(path), [fault])) from error
    return read_catalogue(content, str(path))


def read_catalogue(content: bytes, file: str) -> Catalogue:
    """The catalogue that *content* writes; *file* is named in problems.

    Raises:
        ConfigProblems: everything that is wrong with it, at once.
    """
    if len(content) > MAX_FILE_BYTES:
        fault = Fault(START, (), f"is over {MAX_FILE_BYTES} bytes")
        raise ConfigProblems(problems_at(file, [fault]))
    try:
        return catalogue_of(read_lines(content))
    except (_NotOfThatForm, ValueError):
        return catalogue_of(_read_document(content, file))


def is_one_model_a_line(content: bytes) -> bool:
    """Whether *content* is of the form that can be renewed line by line."""
    try:
        read_lines(content)
    except (_NotOfThatForm, ValueError):
        return False
    return True


def read_lines(content: bytes) -> CatalogueSpec:
    """What *content* writes, if each of its models has one line.

    Raises:
        ValueError, or a _NotOfThatForm: it is not of that form, or something is wrong with it.
    """
    head, found, rest = content.decode().partition(_MODELS)
    if not found or not all(line.startswith(_OF_HEAD) or not line for line in head.split("\n")):
        raise _NotOfThatForm
    root, faults = read_yaml(f"{head}\n".encode())
    written = plain(root) if root is not None else None
    if faults or not isinstance(written, dict):
        raise _NotOfThatForm
    names, bodies = _lines(rest)
    return CatalogueSpec.model_validate(
        {**written, "models": dict(zip(names, _values(bodies), strict=True))}
    )


def _lines(text: str) -> tuple[list[str], list[str]]:
    """The ids of the models, each once, and what each line says of its model."""
    found: dict[str, str] = {}
    count = 0
    for line in text.split("\n"):
        if (match := _LINE.fullmatch(line)) is not None:
            found[match[1]] = match[2]
            count += 1
        elif line and not (line.lstrip(" ").startswith("#") and line.isprintable()):
            raise _NotOfThatForm
    if len(found) < count:
        raise _NotOfThatForm
    return list(found), list(found.values())


def _values(bodies: list[str]) -> list[dict[str, Any]]:
    """The meaning of each line, all read at once.

    A line that closes what it opens is one value or several; that there are as many values as
    lines then says that each is one.
    """
    text = "\n".join(bodies)
    spaced = all(text.count(mark) == text.count(f"{mark} ") for mark in ":,")
    closed = all(
        body.count("{") == body.count("}") and body.count("[") == body.count("]") for body in bodies
    )
    if not spaced or not closed or "  " in text or "null" in text or _LONG_NUMBER.search(text):
        raise _NotOfThatForm  # what YAML and JSON would not take alike
    quoted = '"'.join(_WORD.split(text)).replace("\n", ",")
    values: list[dict[str, Any]] = json.loads(
        f"[{quoted}]", parse_float=Decimal, object_pairs_hook=_unique
    )
    if len(values) != len(bodies):
        raise _NotOfThatForm
    return values


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = dict(pairs)
    if len(keys) < len(pairs):
        raise _NotOfThatForm
    return keys


def _read_document(content: bytes, file: str) -> CatalogueSpec:
    root, faults = read_yaml(content, MAX_NODES)
    if isinstance(root, Mapping):
        try:
            spec = CatalogueSpec.model_validate(plain(root))
        except ValidationError as error:
            found = schema_faults(root, error, _keys_at)
            faults.extend(islice(found, MAX_PROBLEMS + 1))
        else:
            if not faults:
                return spec
    elif not faults:
        faults.append(Fault(START, (), "must be a mapping with as_of, source and models"))
    raise ConfigProblems(problems_at(file, faults))


def _keys_at(path: tuple[str | int, ...]) -> list[str]:
    if path[:1] != ("models",) or len(path) < 2:
        return keys_below(CatalogueSpec, path)
    return keys_below(ModelSpec, path[2:])
