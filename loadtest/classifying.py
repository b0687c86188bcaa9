"""What classification costs: the time of one request's labels, by size and content.

python -m loadtest.classifying
"""

import statistics
import time

import orjson

from proxy.domain.catalog import Endpoint
from proxy.domain.classing import BUILT_IN_ONLY
from proxy.domain.said import SAID_NOTHING
from proxy.execution.scan import SLICE_BYTES
from proxy.routing.classify import classify
from proxy.routing.scan import Scan
from proxy.wire.passages import reading_of

PROSE = (
    "Please have a look at the following article and tell me what the main points are. The old "
    "drawbridge over the river reopened to traffic on Tuesday after nineteen months of repairs. "
)
LOG = "2024-05-02T10:12:01Z ERROR checkout E402 gateway timeout after 30000 ms id=550e8400-e29b\n"
PERSONAL = "Dear Bob, mail bob.smith@example.com or call +49 30 901820, card 4111 1111 1111 1111. "

CASES = {
    "1 KB of prose": (PROSE, 1024),
    "1 KB of personal data": (PERSONAL, 1024),
    "100 KB of prose": (PROSE, 100 * 1024),
    "100 KB of logs": (LOG, 100 * 1024),
    "100 KB of personal data": (PERSONAL, 100 * 1024),
}


def measure(rounds: int = 200) -> dict[str, tuple[float, float]]:
    """By case: the median CPU time of all labels, and the longest single step, in us."""
    return {name: _measured(text, size, rounds) for name, (text, size) in CASES.items()}


def labelled(content: str) -> object:
    """The labels of a chat that says *content*, all in one go."""
    body = {"messages": [{"role": "user", "content": content}]}
    reading = reading_of(Endpoint.CHAT, body, orjson.dumps(body))
    scan = Scan(reading, BUILT_IN_ONLY)
    while not scan.step(SLICE_BYTES):
        pass
    return classify(reading, SAID_NOTHING, BUILT_IN_ONLY, scan.findings())


def _measured(text: str, size: int, rounds: int) -> tuple[float, float]:
    content = (text * (size // len(text) + 1))[:size]
    body = {"model": "auto", "messages": [{"role": "user", "content": content}]}
    written = orjson.dumps(body)
    spent = [_stretches_of(body, written) for _ in range(max(10, rounds * 1024 // size))]
    return (
        statistics.median(sum(each) for each in spent) * 1e6,
        statistics.median(max(each) for each in spent) * 1e6,
    )


def _stretches_of(body: dict[str, object], written: bytes) -> list[float]:
    """The CPU time, in seconds, of each stretch for which the loop is held."""
    stretches: list[float] = []
    start = time.thread_time()
    reading = reading_of(Endpoint.CHAT, body, written)
    scan = Scan(reading, BUILT_IN_ONLY)
    while not scan.step(SLICE_BYTES):
        now = time.thread_time()
        stretches.append(now - start)
        start = now
    classify(reading, SAID_NOTHING, BUILT_IN_ONLY, scan.findings())
    stretches.append(time.thread_time() - start)
    return stretches


if __name__ == "__main__":
    for name, (median_us, longest_us) in measure().items():
        print(f"{name:28}{median_us:10.0f} us{longest_us:10.0f} us at a stretch")
