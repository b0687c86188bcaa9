"""Lines of operations, and what libraries log."""

import logging
from collections.abc import Iterator

import orjson
import pytest
import structlog

from proxy.telemetry import logs
from proxy.telemetry.logs import configure, failure_fields, log_event, log_failure


class Kept:
    """Keeps the lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def write(self, line: bytes) -> None:
        self.lines.append(line)

    def lose(self, lines: int) -> None:
        raise AssertionError("nothing is lost here")

    @property
    def only(self) -> dict[str, object]:
        """The one line, as JSON."""
        assert len(self.lines) == 1
        line: dict[str, object] = orjson.loads(self.lines[0])
        return line


@pytest.fixture
def kept() -> Iterator[Kept]:
    """Configured logs; what was before is put back, for it is global to the process."""
    handlers, level = logging.root.handlers[:], logging.root.level
    gunicorn = logging.getLogger("gunicorn.error")
    before = (gunicorn.handlers[:], gunicorn.propagate, gunicorn.level)
    access = logging.getLogger("aiohttp.access").disabled
    kept = Kept()
    configure(kept, console=False)
    yield kept
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    gunicorn.handlers[:], gunicorn.propagate = before[:2]
    gunicorn.setLevel(before[2])
    logging.getLogger("aiohttp.access").disabled = access


def test_event_is_one_json_line(kept: Kept) -> None:
    """An event comes out with its time, level, name and fields, in this order."""
    log_event("config_loaded", config="abc", routes=3)

    assert list(kept.only) == ["ts", "level", "event", "config", "routes"]
    assert kept.only["level"] == "info"
    assert kept.only["routes"] == 3


def test_event_of_a_terminal_is_readable_and_harmless(kept: Kept) -> None:
    """For people a line is short, and control bytes in a field stay escaped."""
    configure(kept, console=True)

    log_event("redis_lost", level="warning", reason="\x1b[31m")
    log_event("started")

    assert kept.lines[0].decode()[8:] == '  WARNING  redis_lost  reason="\\u001b[31m"'
    assert kept.lines[1].decode()[8:] == "  started"


def test_field_that_is_not_plain_tells_its_class_only(kept: Kept) -> None:
    """An object's text could hold anything, so an object is told by its class."""
    log_event("odd", what=ValueError("secret"), where={1, 2})

    assert kept.only["what"] == "ValueError"
    assert b"secret" not in kept.lines[0]


def a_failure() -> BaseException:
    """An exception whose texts are secret, raised inside our own code and chained."""
    try:
        try:
            orjson.loads(b"secret-one")
        except ValueError as error:
            raise ExceptionGroup("secret-two", [KeyError("secret-three")]) from error
    except ExceptionGroup as group:
        return group


def test_failure_tells_classes_and_never_text(kept: Kept) -> None:
    """Of a failed background task the log tells its name and classes, nothing it says."""
    log_failure("refresh", a_failure())

    assert kept.only["task"] == "refresh"
    assert kept.only["level"] == "error"
    assert kept.only["exception"] == "ExceptionGroup"
    assert kept.only["causes"] == ["KeyError", "orjson.JSONDecodeError"]
    assert b"secret" not in kept.lines[0]


def test_failure_tells_our_own_frames_only() -> None:
    """The places told are of `proxy/`, with line and function, the innermost last."""
    try:
        logs._render_json(None, "info", {})
    except KeyError as error:
        fields = failure_fields(error)

    frames = fields["frames"]
    assert isinstance(frames, list)
    assert len(frames) == 1
    assert frames[0].startswith("proxy/telemetry/logs.py:")
    assert frames[0].endswith(" _render_json")


def test_failure_with_a_circle_of_causes_ends(kept: Kept) -> None:
    """Exceptions that name each other as their cause are each told once."""
    first, second = ValueError(), TypeError()
    first.__cause__, second.__cause__ = second, first

    assert failure_fields(first)["causes"] == ["TypeError"]


def test_library_line_has_a_place_and_no_text(kept: Kept) -> None:
    """What aiohttp or asyncio log comes out as the place of the call, without its message."""
    try:
        raise RuntimeError("secret body")
    except RuntimeError:
        logging.getLogger("aiohttp.server").exception("Error handling %s", "secret path")

    assert kept.only["event"] == "library_log"
    assert kept.only["logger"] == "aiohttp.server"
    assert kept.only["exception"] == "RuntimeError"
    assert str(kept.only["at"]).startswith("test_logs:")
    assert b"secret" not in kept.lines[0]


def test_client_garbage_is_not_logged(kept: Kept) -> None:
    """Bytes that are not HTTP cost no line: a flood of them must not fill the disk."""
    garbage = type("BadStatusLine", (Exception,), {"__module__": "aiohttp.http_exceptions"})

    logging.getLogger("aiohttp.server").error("Error handling request", exc_info=garbage("secret"))

    assert kept.lines == []


def test_access_lines_of_libraries_are_off(kept: Kept) -> None:
    """The record is the access log; aiohttp's own is silent."""
    logging.getLogger("aiohttp.access").error("GET /secret")

    assert kept.lines == []


def test_gunicorn_may_speak_of_its_workers(kept: Kept) -> None:
    """The messages of gunicorn's own log are about processes and are kept, from warnings up."""
    logging.getLogger("gunicorn.error").warning("Booting worker with pid: %s", 7)

    assert kept.only["message"] == "Booting worker with pid: 7"
    assert kept.only["level"] == "warning"


def test_quiet_levels_of_libraries_cost_nothing(kept: Kept) -> None:
    """Debug and info of libraries do not come out; warnings do."""
    logging.getLogger("aiohttp.client").info("secret")
    logging.getLogger("aiohttp.client").warning("secret")

    assert kept.only["level"] == "warning"
