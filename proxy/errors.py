"""How a request can be refused: one catalogue of codes, one exception. Leaf, pure.

Trouble upstream is a value (`domain/outcome`); only the end of a request is an exception.
Nothing that came from a prompt, an answer or a credential may enter a message: the
placeholders below are filled with names from the config, numbers and field names only.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_RETRY_AFTER_S: Final = 120
"""Above this one SDK refuses to retry and another sleeps the whole time."""


class Side(StrEnum):
    """Who refused."""

    REQUEST = "request"
    GATEWAY = "gateway"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class ErrorKind:
    """A row of the catalogue: what a code means on the wire.

    `may_retry` says whether the same request, sent again, could fare better; where it is false
    the reply bears `x-should-retry: false`.
    """

    status: int
    type: str
    side: Side
    message: str
    may_retry: bool = False


def _request(status: int, message: str, kind: str = "invalid_request_error") -> ErrorKind:
    return ErrorKind(status, kind, Side.REQUEST, message)


def _gateway(status: int, message: str, *, may_retry: bool = True) -> ErrorKind:
    return ErrorKind(status, "gateway_error", Side.GATEWAY, message, may_retry)


def _provider(status: int, message: str, *, may_retry: bool = False) -> ErrorKind:
    return ErrorKind(status, "provider_error", Side.PROVIDER, message, may_retry)


CATALOGUE: Final[dict[str, ErrorKind]] = {
    # The request itself.
    "missing_api_key": _request(
        401,
        "No API key was given. Send your Pointsman key as 'Authorization: Bearer pm_...'.",
        "authentication_error",
    ),
    "invalid_api_key": _request(
        401,
        "Pointsman does not know this API key. Check that it was copied whole; "
        "an operator can make a new one with 'pointsman keys create'.",
        "authentication_error",
    ),
    "revoked_api_key": _request(
        401,
        "This Pointsman API key was revoked. Ask your operator for a new one.",
        "authentication_error",
    ),
    "expired_api_key": _request(
        401,
        "This Pointsman API key has expired. Ask your operator for a new one.",
        "authentication_error",
    ),
    "unknown_tenant": _request(
        403,
        "This API key belongs to a tenant that the gateway's config does not name. "
        "Ask your operator.",
        "permission_error",
    ),
    "model_not_found": _request(
        404,
        "The model '{model}' is not a route that this key may ask for. Available: {available}.",
    ),
    "unknown_path": _request(
        404,
        "Pointsman serves no such path. The SDK's base URL must end in /v1; served are "
        "/v1/chat/completions, /v1/completions, /v1/embeddings, /v1/models and /v1/route.",
    ),
    "method_not_allowed": _request(405, "This path does not take that method. Allowed: {allowed}."),
    "invalid_json": _request(400, "The request body is not valid JSON: {reason}."),
    "invalid_body": _request(400, "The request body must be a JSON object."),
    "missing_field": _request(400, "The field '{field}' is required."),
    "invalid_field": _request(400, "The field '{field}' is not valid: {reason}."),
    "duplicate_field": _request(
        400, "The field '{field}' stands twice in one object; send it once."
    ),
    "body_too_deep": _request(
        400, "The request body nests deeper than {limit} levels, the most that Pointsman reads."
    ),
    "too_many_fields": _request(
        400, "The request body has more than {limit} fields, the most that Pointsman reads."
    ),
    "body_too_complex": _request(
        400,
        "The request body holds more than {limit} lists and objects, or names and texts, the most "
        "that Pointsman reads.",
    ),
    "body_too_large": _request(
        413, "The request body is larger than the {limit} bytes that Pointsman accepts."
    ),
    "body_incomplete": _request(400, "The request body ended before it was complete."),
    "request_timeout": _request(
        408, "The request did not arrive within the {limit} seconds that Pointsman waits."
    ),
    "headers_too_large": _request(
        431, "The request's headers exceed what Pointsman accepts: {reason}."
    ),
    "malformed_request": _request(400, "The request is not well-formed HTTP/1.1."),
    "unsupported_content_type": _request(
        415, "Send the request body as 'Content-Type: application/json' in UTF-8."
    ),
    "unsupported_content_encoding": _request(
        415, "Send the request body uncompressed; Pointsman takes no Content-Encoding."
    ),
    "request_refused_by_provider": _request(400, "The provider refused the request as invalid."),
    # The gateway's own limits and state.
    "no_target": _gateway(
        422,
        "No target of the route '{route}' can serve this request: {reasons}.",
        may_retry=False,
    ),
    "policy_refused": _gateway(
        403, "The operators' rules refuse this request ({rule}): {sentence}", may_retry=False
    ),
    "not_redactable": _gateway(
        413,
        "The operators' rules take sensitive text out of this request, and Pointsman cannot: "
        "{reason}. Send less, or send it as plain text.",
        may_retry=False,
    ),
    "no_target_now": _gateway(
        503,
        "No target of the route '{route}' can serve this request right now: {reasons}. Try again.",
    ),
    "state_unavailable": _gateway(
        503, "Pointsman cannot verify API keys right now (its Redis does not answer). Try again."
    ),
    "draining": _gateway(503, "This replica is shutting down. Try again."),
    "overloaded": _gateway(503, "This replica is at its limit of {limit}. Try again."),
    "internal_error": _gateway(
        500, "Pointsman failed to handle this request. Quote the request id to your operator."
    ),
    # The providers.
    "provider_rate_limited": _provider(
        429,
        "Every provider of the route '{route}' that may answer this request is rate limited "
        "({attempts} tried). Wait before you retry.",
        may_retry=True,
    ),
    "provider_overloaded": _provider(
        503,
        "Every provider of the route '{route}' that may answer this request is overloaded "
        "({attempts} tried).",
    ),
    "provider_failed": _provider(
        502,
        "No provider of the route '{route}' that may answer this request did ({attempts} tried, "
        "the last: {kind}).",
    ),
    "provider_timeout": _provider(
        504,
        "No provider of the route '{route}' that may answer this request did so in time "
        "({attempts} tried, the last: {kind}).",
    ),
    "provider_interrupted": _provider(
        502,
        "The provider's answer broke off ({kind}). What came before is incomplete.",
    ),
}


class GatewayError(Exception):
    """Ends a request before its first byte, with a row of the catalogue.

    `details` fill the row's placeholders. `headers` go out with the answer. `message` overrides
    the row's text where a provider's own explanation of a client's mistake is passed on
    (`request_refused_by_provider`).
    """

    def __init__(
        self,
        code: str,
        *,
        param: str | None = None,
        retry_after_s: int | None = None,
        **details: object,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.headers: tuple[tuple[str, str], ...] = ()
        self.kind = CATALOGUE[code]
        self.status = self.kind.status
        self.param = param
        self.retry_after_s = (
            None if retry_after_s is None else max(1, min(retry_after_s, MAX_RETRY_AFTER_S))
        )
        self.message = self.kind.message.format(**details)
        self.allowed = str(details["allowed"]) if "allowed" in details else None
        """The methods that the path takes, where another was used."""


class UpstreamRefusal(GatewayError):  # noqa: N818 - the provider refused, not we
    """The client's own mistake, explained by the provider: passed on with its status."""

    def __init__(self, status: int, message: str | None, code: str | None, param: str | None):
        super().__init__("request_refused_by_provider", param=param)
        self.status = status
        self.upstream_code = code
        if message:
            self.message = message
