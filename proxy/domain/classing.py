"""What a config says of classification, compiled. Pure values."""

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from proxy.domain.labels import Risk, Sensitivity, Workload
from proxy.domain.patterns import PatternSet, TermPattern

DEFAULT_MAX_SCANNED_BYTES: Final = 1 << 20
DEFAULT_PHONE_REGIONS: Final = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "IN")


class Vote(NamedTuple):
    """What a pattern in the instructions of a request speaks for, and how strongly."""

    workload: Workload
    weight: float


@dataclass(frozen=True, slots=True)
class ClassifyRules:
    """How requests are classified, beyond what is built in.

    `workloads`, `risks` and `disallowed` are patterns on the text; `terms` are what counts as
    Kind.TERM, `health_terms` what adds to Kind.HEALTH. `phone_regions`: where a number without
    a country code may be from.
    """

    default_sensitivity: Sensitivity = Sensitivity.INTERNAL
    max_scanned_bytes: int = DEFAULT_MAX_SCANNED_BYTES
    phone_regions: tuple[str, ...] = DEFAULT_PHONE_REGIONS
    workloads: PatternSet[Vote] = field(default_factory=PatternSet)
    risks: PatternSet[Risk] = field(default_factory=PatternSet)
    disallowed: PatternSet[str] = field(default_factory=PatternSet)
    terms: TermPattern = field(default_factory=TermPattern)
    health_terms: TermPattern = field(default_factory=TermPattern)

    @property
    def only_built_in(self) -> bool:
        """Whether a scan looks for nothing but what is built in."""
        return not (
            self.risks.entries
            or self.disallowed.entries
            or self.terms.written
            or self.health_terms.written
        )


BUILT_IN_ONLY: Final = ClassifyRules()
