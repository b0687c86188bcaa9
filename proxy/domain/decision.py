"""Which targets may answer, in which order, and why the others may not. Pure values."""

from dataclasses import dataclass
from enum import StrEnum

from proxy.domain.catalog import Route, Target


class Reason(StrEnum):
    """Why a target was left out."""

    WRONG_ENDPOINT = "wrong_endpoint"
    MISSING_CAPABILITY = "missing_capability"
    CONTEXT_TOO_LONG = "context_too_long"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A target that may not answer. `detail` names the capability or the bound at fault, `rule`
    the operators' rule that said so, None where none did.
    """

    target_id: str
    reason: Reason
    detail: str
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The targets to try, best first, and every other one with its reason."""

    route: Route
    ranking: tuple[Target, ...]
    rejected: tuple[Rejection, ...]
    config_version: str
