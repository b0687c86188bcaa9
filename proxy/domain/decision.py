"""Which targets may answer, in which order, and why the others may not. Pure values."""

from enum import StrEnum

from proxy.domain.catalog import Route, Target
from proxy.values import value


class Reason(StrEnum):
    """Why a target was left out."""

    WRONG_ENDPOINT = "wrong_endpoint"
    MISSING_CAPABILITY = "missing_capability"
    CONTEXT_TOO_LONG = "context_too_long"
    POLICY = "policy"


@value
class Rejection:
    """A target that may not answer; `detail` names what is at fault: capability, bound, rule."""

    target_id: str
    reason: Reason
    detail: str


@value
class Decision:
    """The targets to try, best first, and every other one with its reason."""

    route: Route
    ranking: tuple[Target, ...]
    rejected: tuple[Rejection, ...]
    config_version: str
