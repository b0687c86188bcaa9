"""What the operators' rules come to for one request. Pure values; the rules themselves, which speak
of targets and facts, are in `policies`.

How rules combine: require and forbid add up, whatever their order; redact, cap, log and the
bounds take the strictest; prefer, weights, strategy and degrade: the first rule that says one
counts. A refusal ends the matter. Hard rules (require, forbid, refuse, redact, log, cap, bounds)
bind every attempt, fallback, cached answer and log line of the request.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from proxy.domain.labels import Kind, Workload
from proxy.units import NanoUsd


class Strategy(StrEnum):
    """How the candidates that are left are ordered: presets and filters of one scoring function."""

    PRIORITY = "priority"
    WORKLOAD = "workload"
    CHEAPEST = "cheapest"
    FASTEST = "fastest"
    POLICY = "policy"
    SCORE = "score"


class Term(StrEnum):
    """The terms of a candidate's score, each from 0 (worst) to 1 (best)."""

    COST = "cost"
    LATENCY = "latency"
    RELIABILITY = "reliability"
    QUALITY = "quality"
    HEADROOM = "headroom"
    AFFINITY = "affinity"


class LogLevel(StrEnum):
    """What a record of the request may hold, from most to least. `none` leaves the counts only."""

    FULL = "full"
    METADATA = "metadata"
    NONE = "none"


class Attribute(StrEnum):
    """What a rule can ask of a target; the value is how it is written in a config."""

    PROVIDER = "provider"
    TARGET = "target"
    MODEL = "model"
    REGION = "region"
    CERTIFICATIONS = "certifications"
    TIER = "tier"
    CAPABILITIES = "capabilities"
    TAGS = "tags"


@dataclass(frozen=True, slots=True)
class Match:
    """A target's *attribute* is one of *values*, or, where it is a set, holds one of them."""

    attribute: Attribute
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Demand:
    """A hard rule's word on targets: what they must match, or with `forbidden` must not."""

    rule_id: str
    match: Match
    forbidden: bool


class DegradeStep(StrEnum):
    """A rung of the ladder for when nothing fits."""

    CHEAPER_TIER = "cheaper_tier"
    FEWER_TOKENS = "fewer_tokens"
    SHORTER_CONTEXT = "shorter_context"
    CACHED_ANSWER = "cached_answer"
    MESSAGE = "message"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Degrade:
    """The ladder, in order. `max_tokens`: what FEWER_TOKENS clamps to; `message`: what MESSAGE
    answers. A ladder that runs out refuses.
    """

    steps: tuple[DegradeStep, ...]
    max_tokens: int | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule refused the request; `message` is the operators' text for the caller."""

    rule_id: str
    message: str


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each term counts; at least 0, not all 0. A term that is not named counts 0."""

    of: tuple[tuple[Term, float], ...]


@dataclass(frozen=True, slots=True)
class PremiumCap:
    """At most *calls* requests that premium targets answer, or may charge for, for each value of
    the scope *scope*. Requests that name no such scope are not counted.
    """

    rule_id: str
    scope: str
    calls: int


@dataclass(frozen=True, slots=True)
class Ruling:
    """What all rules together say of one request. `applied` names those that matched, in the
    config's order. None: no rule said anything of it, so the route's or the default holds.

    `workload` is the request's, whose configured quality `min_quality` bounds. `premium_caps` are
    sorted by scope, one for each. `caching_allowed`: False, where a rule forbids it; None, where
    none allows it. `verdicts` are the demands and `min_quality` worked out: by target, the rule
    that bars it, or None; a target that is not there has to be judged by them.
    """

    applied: tuple[str, ...] = ()
    demands: tuple[Demand, ...] = ()
    refusal: Refusal | None = None
    prefer: tuple[Match, ...] = ()
    weights: Weights | None = None
    strategy: Strategy | None = None
    degrade: Degrade | None = None
    redact: frozenset[Kind] = frozenset()
    log: LogLevel = LogLevel.FULL
    max_cost_nanousd: NanoUsd | None = None
    max_cost_rule: str | None = None
    max_latency_ms: int | None = None
    max_latency_rule: str | None = None
    min_quality: float | None = None
    min_quality_rule: str | None = None
    workload: Workload | None = None
    max_attempts: int | None = None
    max_output_tokens: int | None = None
    premium_caps: tuple[PremiumCap, ...] = ()
    caching_allowed: bool | None = None
    verdicts: Mapping[str, str | None] = field(default_factory=dict, compare=False, repr=False)
