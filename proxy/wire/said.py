"""Step 3: what the caller says of its request, in `x-pointsman-` headers or `routing`. Pure.

Both may speak; where they speak of the same thing they must agree. What is not known is refused
by name, so that a slip of the pen does not pass for silence.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, TypeVar

from proxy.domain.labels import LatencyClass, Risk, Sensitivity, Workload
from proxy.domain.request import Headers
from proxy.domain.said import SAID_NOTHING, Said
from proxy.errors import GatewayError
from proxy.wire.fields import invalid, shown, unknown_field

MAX_LATENCY_MS: Final = 3_600_000
MAX_WORD_CHARS: Final = 64
MAX_VALUE_CHARS: Final = 200
MAX_SCOPES: Final = 8

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")
_VALUE = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")
_DIGITS = re.compile(r"[0-9]{1,7}")

_PREFIX = "x-pointsman-"
_MISSPELT = "x_pointsman_"
_HEADERS = {
    "x-pointsman-workload": "workload",
    "x-pointsman-sensitivity": "sensitivity",
    "x-pointsman-max-latency-ms": "max_latency_ms",
    "x-pointsman-feature": "feature",
    "x-pointsman-scope": "scope",
    "x-pointsman-session": "session",
    "x-pointsman-user-type": "user_type",
    "x-pointsman-risk": "risk",
    "x-pointsman-latency": "latency",
}

_Enum = TypeVar("_Enum", bound=StrEnum)


def said_of(headers: Headers, body: Mapping[str, object]) -> Said:
    """What *headers* (lower-case names; repeated ones joined by commas) and `routing` say.

    Raises:
        GatewayError: invalid_field; `param` is the header's name or `routing.…`.
    """
    routing = body.get("routing")
    # One look at all the names at once: nearly no request has one of ours.
    names = "\n".join(headers.keys()).lower()
    speaks = _PREFIX in names or _MISSPELT in names
    if routing is None and not speaks:
        return SAID_NOTHING
    words = _in_headers(headers, names.split("\n")) if speaks else {}
    if routing is None:
        return _said(words)
    if not isinstance(routing, dict):
        raise invalid("routing", "it must be an object")
    for key, value in routing.items():
        if key not in _READ:
            raise _unknown(key)
        if value is None:
            continue
        read = _READ[key](f"routing.{key}", value)
        if words.setdefault(key, read) != read:
            header = next(name for name, of in _HEADERS.items() if of == key)
            raise invalid(f"routing.{key}", f"the header {header} says otherwise")
    return _said(words)


def _in_headers(headers: Headers, names: Iterable[str]) -> dict[str, object]:
    """What the *headers* of these *names* say, by their keys in `routing`."""
    for name in names:
        if name.startswith((_PREFIX, _MISSPELT)) and name not in _HEADERS:
            raise _unknown_header(name)
    return {
        key: _READ[key](name, _of_header(name, key, written))
        for name, key in _HEADERS.items()
        if (written := headers.get(name)) is not None
    }


def _unknown_header(name: str) -> GatewayError:
    words = [known.removeprefix(_PREFIX) for known in _HEADERS]
    word = name[len(_PREFIX) : MAX_WORD_CHARS].replace("_", "-")
    near = get_close_matches(word, words, n=1)
    known = f"did you mean '{_PREFIX}{near[0]}'?" if near else f"known are {', '.join(_HEADERS)}"
    return invalid(shown(name), f"it is not known; {known}")


def _said(words: dict[str, object]) -> Said:
    if not words:
        return SAID_NOTHING
    renamed = {_FIELD_OF.get(key, key): value for key, value in words.items()}
    return Said(**renamed)  # type: ignore[arg-type]  # each reader returns its field's type


def _unknown(key: str) -> GatewayError:
    near = get_close_matches(key[:MAX_WORD_CHARS].lower(), _READ, n=1)
    known = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(_READ)}"
    return unknown_field(key, f"it is not known; {known}", within="routing")


def _of_header(name: str, key: str, written: str) -> object:
    """A header's text as the value that the same word has in `routing`."""
    text = written.strip()
    if key == "max_latency_ms":
        return int(text) if _DIGITS.fullmatch(text) else None
    if key != "scope":
        return text
    scopes: dict[str, str] = {}
    for pair in text.split(","):
        scope, equals, value = pair.strip().partition("=")
        if not equals:
            raise invalid(name, "it must be name=value, or several of them with commas between")
        if scopes.setdefault(scope, value) != value:
            raise invalid(name, "it names a scope twice, with different values")
    return scopes


def _choice(kind: type[_Enum], *, but: frozenset[str] = frozenset()) -> Callable[..., _Enum]:
    known = {str(word): word for word in kind if word not in but}

    def read(field: str, value: object) -> _Enum:
        if not isinstance(value, str) or value not in known:
            raise invalid(field, f"it must be one of {', '.join(known)}")
        return known[value]

    return read


def _word(field: str, value: object) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise invalid(
            field, f"it must be up to {MAX_WORD_CHARS} letters, digits and . _ : / - in one word"
        )
    return value


def _value(field: str, value: object) -> str:
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise invalid(field, f"it must be up to {MAX_VALUE_CHARS} printable ASCII characters")
    return value


def _bound(field: str, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_LATENCY_MS:
        raise invalid(field, f"it must be a whole number from 1 to {MAX_LATENCY_MS}")
    return value


def _scopes(field: str, value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, dict):
        raise invalid(field, "it must be an object of names and texts")
    if len(value) > MAX_SCOPES:
        raise invalid(field, f"it may name at most {MAX_SCOPES} scopes")
    pairs = [(_word(field, name), _value(field, text)) for name, text in value.items()]
    return tuple(sorted(pairs))


_READ: Final[dict[str, Callable[..., object]]] = {
    "workload": _choice(Workload, but=frozenset({Workload.EMBEDDINGS})),
    "sensitivity": _choice(Sensitivity, but=frozenset({Sensitivity.UNKNOWN})),
    "max_latency_ms": _bound,
    "feature": _word,
    "scope": _scopes,
    "session": _value,
    "user_type": _word,
    "risk": _choice(Risk),
    "latency": _choice(LatencyClass),
}
"""The words that a caller may use, and how each is read."""

_FIELD_OF = {"scope": "scopes", "latency": "latency_class"}
