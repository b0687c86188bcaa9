"""The Authorization header. Pure."""

from proxy.errors import GatewayError

_SCHEME = "bearer "


def bearer_of(authorization: str | None) -> str:
    """The token of an `Authorization: Bearer …` header; the scheme's case is free.

    Raises:
        GatewayError: missing_api_key when there is none, or another scheme.
    """
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        raise GatewayError("missing_api_key")
    token = authorization[len(_SCHEME) :].strip()
    if not token:
        raise GatewayError("missing_api_key")
    return token
