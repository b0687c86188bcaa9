"""Makes the patterns build what they build on first use, before a request would wait for it.

RE2 builds its automata as texts need them, and phone plans are read country by country: the
first requests would hold the loop for 2 to 5 ms. Pure: what is built is a cache.
"""

from typing import Final

from proxy.domain.catalog import Endpoint
from proxy.domain.classing import ClassifyRules
from proxy.domain.reading import Passage, Reading, Role
from proxy.domain.said import SAID_NOTHING
from proxy.routing.classify import classify
from proxy.routing.scan import Scan

SAMPLES: Final = (
    "Please summarize the following report in three sentences, then classify the sentiment of each "
    "review as positive or negative. Which policy applies, and why? Explain step by step: 12 + 7.",
    "Write a Python function.\n\n```python\ndef f(x):\n    return x['a'] / 2\n```\n\nFix the bug!",
    "Bitte fasse den Bericht für mich zusammen. Résume ce texte en deux phrases. ¿Qué es esto?",
    'Mail bob@example.com or call +49 30 901820, +1 202 555 0143 or (212) 555-0123, {"to": "x"}.',
    "Card 4111 1111 1111 1111, DE89 3704 0044 0532 0130 00, from 192.0.2.1 on 2026-11-26 10:12:01.",
    "SSN 536-22-1234; AB 12 34 56 C; password: none; token = 550e8400-e29b-41d4-a716-446655440000",
    "The patient was diagnosed with diabetes and takes insulin; 請寫函數 Привет 要約して",
)


def warm(rules: ClassifyRules) -> None:
    """Classify a few texts by *rules*, as a request would be; for start and each new config."""
    for sample in SAMPLES:
        for role in (Role.USER, Role.SYSTEM):
            reading = Reading(Endpoint.CHAT, (Passage(role, sample),), turns=1)
            scan = Scan(reading, rules, every=True)
            scan.step(rules.max_scanned_bytes)
            classify(reading, SAID_NOTHING, rules, scan.findings())
