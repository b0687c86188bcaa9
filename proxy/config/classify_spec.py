"""What a config may say of classification, and the rules that it comes to. Pure.

A pattern is checked where it stands, so that one that RE2 refuses is reported with its line.
"""

from decimal import Decimal
from typing import Annotated, Final, Literal, TypeVar

from phonenumbers import SUPPORTED_REGIONS
from pydantic import AfterValidator, BeforeValidator, Field, Strict

from proxy.config.fields import Count, Id
from proxy.config.spec import Spec
from proxy.domain.classing import (
    DEFAULT_MAX_SCANNED_BYTES,
    DEFAULT_PHONE_REGIONS,
    ClassifyRules,
    Vote,
)
from proxy.domain.labels import Risk, Sensitivity, Workload
from proxy.domain.patterns import PatternSet, TermPattern, check_together, text_pattern

MAX_PATTERNS: Final = 500
MAX_WEIGHT: Final = 10


_Rule = TypeVar("_Rule", "WorkloadRuleSpec", "RiskRuleSpec")


def _pattern(written: str) -> str:
    text_pattern(written)
    return written


def _together(patterns: tuple[str, ...]) -> tuple[str, ...]:
    check_together(patterns)
    return patterns


def _rules_together(rules: tuple[_Rule, ...]) -> tuple[_Rule, ...]:
    check_together(rule.pattern for rule in rules)
    return rules


def _all_together(named: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    check_together(pattern for patterns in named.values() for pattern in patterns)
    return named


def _weight(value: object) -> float:
    is_number = isinstance(value, int | Decimal | float) and not isinstance(value, bool)
    if not is_number or not 0 < float(str(value)) <= MAX_WEIGHT:
        raise ValueError(f"must be a number above 0, at most {MAX_WEIGHT}")
    return float(str(value))


def _region(written: str) -> str:
    if written not in SUPPORTED_REGIONS:
        raise ValueError("must be a country's two letters in capitals, such as US or DE")
    return written


Pattern = Annotated[str, Strict(), AfterValidator(_pattern)]
Patterns = Annotated[tuple[Pattern, ...], Field(max_length=MAX_PATTERNS), AfterValidator(_together)]
_Region = Annotated[str, Strict(), AfterValidator(_region)]
_AskedFor = Literal[
    "classification", "extraction", "summarization", "synthesis", "code", "reasoning", "tool_use",
    "policy_review", "chat",
]  # fmt: skip


class WorkloadRuleSpec(Spec):
    """An item of `classify.workload_rules`."""

    pattern: Pattern
    workload: _AskedFor
    weight: Annotated[float, BeforeValidator(_weight)] = 3.0


class RiskRuleSpec(Spec):
    """An item of `classify.risk_rules`."""

    pattern: Pattern
    risk: Risk


class ClassifySpec(Spec):
    """`classify`: see `domain.classing.ClassifyRules`."""

    default_sensitivity: Literal["public", "internal", "regulated"] = "internal"
    max_scanned_bytes: Annotated[Count, Field(ge=1024, le=64 << 20)] = DEFAULT_MAX_SCANNED_BYTES
    phone_regions: Annotated[tuple[_Region, ...], Field(max_length=20)] = DEFAULT_PHONE_REGIONS
    workload_rules: Annotated[
        tuple[WorkloadRuleSpec, ...],
        Field(max_length=MAX_PATTERNS),
        AfterValidator(_rules_together),
    ] = ()
    risk_rules: Annotated[
        tuple[RiskRuleSpec, ...], Field(max_length=MAX_PATTERNS), AfterValidator(_rules_together)
    ] = ()
    disallowed: Annotated[
        dict[Id, Patterns], Field(max_length=100), AfterValidator(_all_together)
    ] = Field(default_factory=dict)
    sensitive_terms: Patterns = ()
    health_terms: Patterns = ()


def classify_rules_of(spec: ClassifySpec) -> ClassifyRules:
    """The rules that *spec* writes, compiled."""
    return ClassifyRules(
        default_sensitivity=Sensitivity(spec.default_sensitivity),
        max_scanned_bytes=spec.max_scanned_bytes,
        phone_regions=spec.phone_regions,
        workloads=PatternSet.of(
            (rule.pattern, Vote(Workload(rule.workload), rule.weight))
            for rule in spec.workload_rules
        ),
        risks=PatternSet.of((rule.pattern, rule.risk) for rule in spec.risk_rules),
        disallowed=PatternSet.of(
            (pattern, name) for name, patterns in spec.disallowed.items() for pattern in patterns
        ),
        terms=TermPattern.of(spec.sensitive_terms),
        health_terms=TermPattern.of(spec.health_terms),
    )
