"""Typed reading of a decoded body's members, and their refusals. Pure.

Names that come from the client are shown in messages as capped, printable ASCII.
"""

from collections.abc import Mapping

from proxy.errors import GatewayError

SHOWN_CHARS = 64


def shown(name: str) -> str:
    """*name*, fit for a message: at most 64 characters, printable ASCII, `?` for the rest."""
    return "".join(char if " " <= char <= "~" else "?" for char in name[:SHOWN_CHARS])


def invalid(field: str, reason: str) -> GatewayError:
    """The refusal of a field that is there but wrong."""
    return GatewayError("invalid_field", param=field, field=field, reason=reason)


def unknown_field(name: str, reason: str, within: str | None = None) -> GatewayError:
    """The refusal of a field whose *name* is the client's own. It is told to the client alone:
    `param`, which the log has too, is what it stands *within*.
    """
    field = shown(name) if within is None else f"{within}.{shown(name)}"
    return GatewayError("invalid_field", param=within, field=field, reason=reason)


def missing(field: str) -> GatewayError:
    """The refusal of a body without a field that it needs."""
    return GatewayError("missing_field", param=field, field=field)


def flag(body: Mapping[str, object], name: str) -> bool:
    """A boolean member; absent and null are false.

    Raises:
        GatewayError: invalid_field.
    """
    value = body.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    raise invalid(name, "it must be true or false")


def whole_number(body: Mapping[str, object], name: str, low: int, high: int) -> int | None:
    """An integer member from *low* to *high*; None where it is absent or null.

    Raises:
        GatewayError: invalid_field, also for true, false and 1.0.
    """
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return value
    raise invalid(name, f"it must be a whole number from {low} to {high}")


def refuse_unless_number(body: Mapping[str, object], name: str) -> None:
    """Check a member whose range is the provider's business. JSON numbers are finite.

    Raises:
        GatewayError: invalid_field where it is neither a number nor null nor absent.
    """
    value = body.get(name)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return
    raise invalid(name, "it must be a number")


def optional_object(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    """An object member; empty where it is absent or null.

    Raises:
        GatewayError: invalid_field.
    """
    value = body.get(name)
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise invalid(name, "it must be an object")
