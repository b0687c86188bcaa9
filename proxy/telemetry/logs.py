"""Log lines for operations: what this process does, one JSON object a line. I/O: via Lines.

Requests have their own line (`recorder`). The rules for both: no prompt, answer, key, header or
upstream body, and no exception's text either, for it may quote any of these. Of an exception
only its class and the places in our own code are told. Lines of libraries that use Python's
`logging` come out in the same form, with the place of the call instead of a message.
"""

import logging
import traceback
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any, Final, Literal

import orjson
import structlog

from proxy.telemetry.lines import Lines

Level = Literal["info", "warning", "error"]

_ROOT: Final = Path(__file__).resolve().parents[2]
_CLIENT_GARBAGE: Final = "aiohttp.http_exceptions"
"""What aiohttp raises for bytes that are not HTTP: answered with 400, not worth a line each."""

_GUNICORN: Final = "gunicorn.error"
_MAX_FRAMES: Final = 12


def configure(lines: Lines, *, console: bool) -> None:
    """Send every log line of this process to *lines*; *console* for people at a terminal.

    Replaces what was configured before, also the handlers of Python's root logger and, where
    gunicorn has already set up its own, gunicorn's.
    """
    render = _render_for_people if console else _render_json
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _LineLogger(lines),
        # Operations log rarely and requests do not pass here; a logger that remembers its
        # first writer would outlive it.
        cache_logger_on_first_use=False,
    )
    logging.root.handlers[:] = [_LibraryHandler()]
    logging.root.setLevel(logging.WARNING)
    gunicorn = logging.getLogger(_GUNICORN)
    gunicorn.handlers.clear()
    gunicorn.propagate = True
    # Below a warning it tells what our own lines tell: started, told to stop, stopped.
    gunicorn.setLevel(logging.WARNING)
    # The record is the access log.
    logging.getLogger("aiohttp.access").disabled = True


def log_event(event: str, *, level: Level = "info", **fields: object) -> None:
    """Log that *event* happened. *fields* are names from the config, numbers and closed words."""
    getattr(structlog.get_logger(), level)(event, **fields)


def log_failure(task: str, error: BaseException) -> None:
    """Log that the background *task* ended by *error*; fits `Supervisor.on_failure`."""
    log_event("task_failed", level="error", task=task, **failure_fields(error))


def failure_fields(error: BaseException) -> dict[str, object]:
    """What may be told of *error*: its class, those of its causes, and our own frames.

    Frames read `proxy/state/keyring.py:88 identify`, the innermost last. Never its text.
    """
    return {"exception": _class_name(error), "causes": _causes(error), "frames": _frames(error)}


def _class_name(error: BaseException) -> str:
    kind = type(error)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else (f"{kind.__module__}.{kind.__qualname__}")
    )


def _causes(error: BaseException) -> list[str]:
    causes: list[str] = []
    seen = {id(error)}
    waiting = _below(error)
    while waiting:
        cause = waiting.pop(0)
        if id(cause) not in seen:
            seen.add(id(cause))
            causes.append(_class_name(cause))
            waiting.extend(_below(cause))
    return causes


def _below(error: BaseException) -> list[BaseException]:
    members = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    cause = error.__cause__ or error.__context__
    return members if cause is None else [*members, cause]


def _frames(error: BaseException) -> list[str]:
    frames = []
    for frame, line in traceback.walk_tb(error.__traceback__):
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_ROOT / "proxy"):
            frames.append(f"{path.relative_to(_ROOT)}:{line} {frame.f_code.co_name}")
    return frames[-_MAX_FRAMES:]


class _LineLogger:
    """The end of structlog's chain: takes a rendered line."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines

    def msg(self, line: bytes) -> None:
        self._lines.write(line)

    info = warning = error = msg


class _LibraryHandler(logging.Handler):
    """Turns a library's log record into one of our lines, without its text.

    A library's message may quote a request (aiohttp) or an address; the place in its source
    where it was logged says the same to whoever looks it up. gunicorn's own messages are about
    its workers only and are kept.
    """

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and type(error).__module__ == _CLIENT_GARBAGE:
            return
        fields: dict[str, object] = {
            "logger": record.name,
            "at": f"{record.module}:{record.lineno} {record.funcName}",
        }
        if record.name == _GUNICORN and error is None:
            fields["message"] = record.getMessage()
        if error is not None:
            fields |= failure_fields(error)
        log_event("library_log", level=_level_of(record.levelno), **fields)


def _level_of(number: int) -> Level:
    if number >= logging.ERROR:
        return "error"
    return "warning" if number >= logging.WARNING else "info"


def _render_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> bytes:
    first = {"ts": event.pop("ts"), "level": event.pop("level"), "event": event.pop("event")}
    return orjson.dumps({**first, **event}, default=_class_only, option=orjson.OPT_NON_STR_KEYS)


def _class_only(value: object) -> str:
    """What stands for a value that is not plain: its text could hold anything."""
    return type(value).__name__


def _render_for_people(_logger: object, _method: str, event: MutableMapping[str, Any]) -> bytes:
    clock = str(event.pop("ts"))[11:19]
    level = "" if event.pop("level") == "info" else f"{_method.upper()}  "
    return f"{clock}  {level}{event.pop('event')}  {_fields_for_people(event)}".rstrip().encode()


def _fields_for_people(fields: Mapping[str, Any]) -> str:
    # JSON escapes control bytes, which a terminal would obey.
    return "  ".join(
        f"{name}={orjson.dumps(value, default=_class_only).decode()}"
        for name, value in fields.items()
    )
