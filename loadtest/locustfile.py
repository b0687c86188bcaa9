"""Users of several tenants for locust: plain chat, and streamed chat timed by token.

I/O: HTTP to the host that `locust_run` was given. Keys come from LOADTEST_KEYS (separated by
blanks or commas), the route from LOADTEST_MODEL. A stream reports two figures of its own beside
its total: `first token`, and `token gap` for the time between two events.
"""

import itertools
import json
import os
import time
from collections.abc import Iterator
from typing import Final

from locust import HttpUser, between, task
from locust.clients import ResponseContextManager

_PATH: Final = "/v1/chat/completions"
_TIMEOUT_S: Final = 120
_READ_BYTES: Final = 65_536
"""More than any event holds, so that each HTTP chunk is handed over as it comes."""
_QUESTIONS: Final = (
    "Where is my order, and when will it come?",
    "Summarize in one sentence: the parcel was delivered to a neighbour on Tuesday.",
    "Classify as praise, complaint or question: your app logs me out every day.",
)
_keys = itertools.cycle(os.environ.get("LOADTEST_KEYS", "").replace(",", " ").split() or ["none"])
_questions = itertools.cycle(_QUESTIONS)


class _Tenant(HttpUser):
    """One caller with one key; keys are dealt out in turn, so that tenants mix evenly."""

    abstract = True
    wait_time = between(0.1, 0.5)

    def on_start(self) -> None:
        self.client.headers["authorization"] = f"Bearer {next(_keys)}"

    def ask(self, *, stream: bool) -> dict[str, object]:
        """The body of a chat request."""
        return {
            "model": os.environ.get("LOADTEST_MODEL", "auto"),
            "messages": [{"role": "user", "content": next(_questions)}],
            "max_tokens": 64,
            "stream": stream,
        }


class PlainChat(_Tenant):
    """Asks and waits for the whole answer."""

    weight = 3

    @task
    def chat(self) -> None:
        with self.client.post(
            _PATH,
            json=self.ask(stream=False),
            name="chat",
            timeout=_TIMEOUT_S,
            catch_response=True,
        ) as response:
            if response.status_code != 200:
                response.failure(_refusal(response))
            elif not response.json().get("choices"):
                response.failure("an answer without choices")


class StreamedChat(_Tenant):
    """Reads the answer event by event."""

    weight = 2

    @task
    def chat(self) -> None:
        began = time.perf_counter()
        with self.client.post(
            _PATH,
            json=self.ask(stream=True),
            name="chat streamed",
            timeout=_TIMEOUT_S,
            catch_response=True,
            stream=True,
        ) as response:
            if response.status_code != 200:
                response.failure(_refusal(response))
            elif trouble := self._read(response, began):
                response.failure(trouble)
            # Locust would count the time to the head only.
            response.request_meta["response_time"] = (time.perf_counter() - began) * 1e3

    def _read(self, response: ResponseContextManager, began: float) -> str | None:
        """Time the events of a stream; returns what was wrong with it, None if nothing."""
        last, name, size = began, "first token", 0
        for event in _events(response):
            if event == b"[DONE]":
                return None
            if event.startswith(b'{"error"'):
                return "an error event within the stream"
            now = time.perf_counter()
            self._report(name, (now - last) * 1e3, len(event))
            last, name, size = now, "token gap", size + len(event)
        return f"the stream ended without [DONE] after {size} bytes"

    def _report(self, name: str, elapsed_ms: float, size: int) -> None:
        self.environment.events.request.fire(
            request_type="SSE",
            name=name,
            response_time=elapsed_ms,
            response_length=size,
            exception=None,
            context={},
        )


def _events(response: ResponseContextManager) -> Iterator[bytes]:
    for line in response.iter_lines(chunk_size=_READ_BYTES):
        if line.startswith(b"data: "):
            yield line[6:]


def _refusal(response: ResponseContextManager) -> str:
    """Status and error code, which group well in locust's table of failures."""
    try:
        code = response.json()["error"]["code"]
    except (json.JSONDecodeError, KeyError, TypeError, ValueError):
        code = "no error object"
    return f"{response.status_code} {code}"
