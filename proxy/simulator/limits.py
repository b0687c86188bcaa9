"""What a simulated provider can take: requests and tokens a minute, calls at once. Pure.

Time arrives as an argument (any monotonic seconds). Both rates are buckets that start full and
refill evenly. A call takes its prompt's tokens when it is admitted and its completion's when it
ends, so a bucket may go below zero and then has to recover first.
"""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")
    rpm: Annotated[int, Field(ge=1)] | None = None
    tpm: Annotated[int, Field(ge=1)] | None = None
    max_concurrency: Annotated[int, Field(ge=1)] | None = None


class Bucket:
    """A level that refills to *per_minute* within a minute."""

    def __init__(self, per_minute: int, now_s: float) -> None:
        self.size = per_minute
        self._level = float(per_minute)
        self._seen_s = now_s

    def level(self, now_s: float) -> float:
        """What is left, after the refill up to *now_s*."""
        refill = (now_s - self._seen_s) * self.size / 60
        self._level = min(self.size, self._level + refill)
        self._seen_s = now_s
        return self._level

    def take(self, amount: float, now_s: float) -> None:
        """Take *amount*, whatever the level."""
        self._level = self.level(now_s) - amount

    def wait_s(self, amount: float, now_s: float) -> float:
        """Seconds until *amount* can be taken; more than the bucket holds passes when full."""
        missing = min(amount, self.size) - self.level(now_s)
        return max(0.0, missing * 60 / self.size)

    def full_in_s(self, now_s: float) -> float:
        """Seconds until it is full again."""
        return (self.size - self.level(now_s)) * 60 / self.size


@dataclass(frozen=True, slots=True)
class OverLimit:
    """A call that was not admitted: by which limit, and when to come back."""

    limit: str
    retry_after_s: float


class Limiter:
    """The limits of one provider, and what is used of them."""

    def __init__(self, limits: Limits, now_s: float) -> None:
        self._limits = limits
        self._requests = Bucket(limits.rpm, now_s) if limits.rpm else None
        self._tokens = Bucket(limits.tpm, now_s) if limits.tpm else None
        self._running = 0

    def admit(self, prompt_tokens: int, now_s: float) -> OverLimit | None:
        """Take a request with *prompt_tokens*, or say what stands against it and take nothing."""
        most = self._limits.max_concurrency
        if most is not None and self._running >= most:
            return OverLimit("concurrency", 1.0)
        if self._requests and (wait_s := self._requests.wait_s(1, now_s)) > 0:
            return OverLimit("requests per minute", wait_s)
        if self._tokens and (wait_s := self._tokens.wait_s(prompt_tokens, now_s)) > 0:
            return OverLimit("tokens per minute", wait_s)
        self._running += 1
        if self._requests:
            self._requests.take(1, now_s)
        if self._tokens:
            self._tokens.take(prompt_tokens, now_s)
        return None

    def release(self, completion_tokens: int, now_s: float) -> None:
        """An admitted call ended, after *completion_tokens*."""
        self._running -= 1
        if self._tokens:
            self._tokens.take(completion_tokens, now_s)

    def headers(self, now_s: float) -> list[tuple[str, str]]:
        """OpenAI's x-ratelimit headers, for the rates that are limited."""
        lines: list[tuple[str, str]] = []
        for name, bucket in (("requests", self._requests), ("tokens", self._tokens)):
            if bucket is not None:
                left = max(0, math.floor(bucket.level(now_s)))
                lines += [
                    (f"x-ratelimit-limit-{name}", str(bucket.size)),
                    (f"x-ratelimit-remaining-{name}", str(left)),
                    (f"x-ratelimit-reset-{name}", duration_text(bucket.full_in_s(now_s))),
                ]
        return lines


def duration_text(seconds: float) -> str:
    """*seconds* as OpenAI writes them: 12ms, 1.5s, 6m0s."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    if seconds < 60:
        return f"{math.ceil(seconds * 10) / 10:g}s"
    minutes, rest = divmod(math.ceil(seconds), 60)
    return f"{minutes}m{rest}s"
