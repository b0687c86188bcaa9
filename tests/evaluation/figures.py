"""What the evaluation sets give: a confusion matrix and scores for workloads, and recall and
precision for what is detected.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from proxy.domain.catalog import Endpoint
from proxy.domain.classing import BUILT_IN_ONLY
from proxy.domain.labels import Kind, Workload
from proxy.domain.reading import Passage, Reading, Role
from proxy.routing.scan import Scan
from proxy.routing.workload import hints_of, workload_of
from proxy.wire.passages import reading_of
from tests.evaluation.detections import Sample

PROMPTS = Path(__file__).with_name("workloads.jsonl")
STRUCTURED = frozenset(Kind) - {Kind.HEALTH, Kind.TERM}


def prompts(half: str) -> list[dict[str, Any]]:
    """The labelled requests of one half, `tuned` or `held_out`."""
    rows = [orjson.loads(line) for line in PROMPTS.read_bytes().splitlines()]
    return [row for row in rows if row["half"] == half]


def confusion(rows: Iterable[dict[str, Any]]) -> Counter[tuple[str, str]]:
    """How often a request of one workload (first) was taken for another (second)."""
    pairs: Counter[tuple[str, str]] = Counter()
    for row in rows:
        reading = reading_of(Endpoint.CHAT, row["request"])
        found = workload_of(reading, hints_of(reading, BUILT_IN_ONLY)).value
        pairs[row["workload"], found.value] += 1
    return pairs


def f1_of(workload: Workload, pairs: Counter[tuple[str, str]]) -> float:
    """The harmonic mean of precision and recall."""
    true = pairs[workload.value, workload.value]
    meant = sum(count for (of, _), count in pairs.items() if of == workload.value)
    found = sum(count for (_, taken), count in pairs.items() if taken == workload.value)
    return 2 * true / (meant + found)


def macro_f1(pairs: Counter[tuple[str, str]]) -> float:
    """The mean over all workloads that can be asked for, each counting the same."""
    asked = [each for each in Workload if each is not Workload.EMBEDDINGS]
    return sum(f1_of(each, pairs) for each in asked) / len(asked)


@dataclass
class Hits:
    """Of one kind: found rightly, found wrongly, missed."""

    right: int = 0
    wrong: int = 0
    missed: int = 0


@dataclass
class Detected:
    """Hits by kind, and their sums."""

    by_kind: dict[Kind, Hits] = field(default_factory=lambda: {each: Hits() for each in Kind})

    @property
    def recall(self) -> float:
        """Of what stands in the texts, how much was found, whole and as the right kind."""
        right, missed = self._sum("right"), self._sum("missed")
        return right / (right + missed)

    @property
    def precision(self) -> float:
        """Of what was found, how much stands there."""
        right, wrong = self._sum("right"), self._sum("wrong")
        return right / (right + wrong)

    def _sum(self, what: str) -> int:
        return sum(getattr(self.by_kind[kind], what) for kind in STRUCTURED)


def detected(samples: Iterable[Sample]) -> Detected:
    """What a scan makes of *samples*."""
    result = Detected()
    for sample in samples:
        scan = Scan(
            Reading(Endpoint.CHAT, (Passage(Role.USER, sample.text),)), BUILT_IN_ONLY, every=True
        )
        scan.step(1 << 30)
        text = sample.text.encode()
        found = [
            (each.kind, text[each.start : each.end].decode()) for each in scan.findings().spans
        ]
        for pair in found:
            hits = result.by_kind[pair[0]]
            if pair in sample.holds:
                hits.right += 1
            else:
                hits.wrong += 1
        for pair in sample.holds:
            result.by_kind[pair[0]].missed += pair not in found
    return result


def detected_in_disguise(samples: Iterable[Sample], disguise: Callable[[str], object]) -> Detected:
    """What the scan of a whole request makes of *samples*, each put in *disguise*; a kind counts
    once a text, for what is found is written otherwise than what it says.
    """
    result = Detected()
    for sample in samples:
        message = {"role": "user", "content": disguise(sample.text)}
        scan = Scan(reading_of(Endpoint.CHAT, {"messages": [message]}), BUILT_IN_ONLY)
        scan.step(1 << 30)
        found = set(scan.findings().kinds)
        held = {kind for kind, _ in sample.holds}
        for kind in found | held:
            hits = result.by_kind[kind]
            hits.right += kind in found and kind in held
            hits.wrong += kind not in held
            hits.missed += kind not in found
    return result
