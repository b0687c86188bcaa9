"""How an attempt ended: one classification that all else reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.outcome import TIMEOUTS, Failure, FailureKind, kind_of_status

STATUSES = {
    101: FailureKind.BAD_REPLY,
    301: FailureKind.BAD_REPLY,
    302: FailureKind.BAD_REPLY,
    304: FailureKind.BAD_REPLY,
    400: FailureKind.CLIENT_MISTAKE,
    401: FailureKind.UNAUTHORIZED,
    402: FailureKind.OUT_OF_CREDIT,
    403: FailureKind.UNAUTHORIZED,
    404: FailureKind.MISCONFIGURED,
    405: FailureKind.MISCONFIGURED,
    407: FailureKind.UNAUTHORIZED,
    408: FailureKind.FIRST_BYTE_TIMEOUT,
    409: FailureKind.SERVER_ERROR,
    410: FailureKind.MISCONFIGURED,
    411: FailureKind.MISCONFIGURED,
    413: FailureKind.CLIENT_MISTAKE,
    415: FailureKind.MISCONFIGURED,
    418: FailureKind.CLIENT_MISTAKE,
    421: FailureKind.MISCONFIGURED,
    422: FailureKind.CLIENT_MISTAKE,
    425: FailureKind.OVERLOADED,
    426: FailureKind.MISCONFIGURED,
    429: FailureKind.RATE_LIMITED,
    498: FailureKind.RATE_LIMITED,
    500: FailureKind.SERVER_ERROR,
    501: FailureKind.SERVER_ERROR,
    502: FailureKind.SERVER_ERROR,
    503: FailureKind.OVERLOADED,
    504: FailureKind.SERVER_ERROR,
    520: FailureKind.SERVER_ERROR,
    529: FailureKind.OVERLOADED,
    599: FailureKind.SERVER_ERROR,
    999: FailureKind.SERVER_ERROR,
}


@pytest.mark.parametrize("status", STATUSES)
def test_status_has_its_meaning(status: int) -> None:
    """What providers really send, and what it says of whom."""
    assert kind_of_status(status) is STATUSES[status]


@given(st.integers(100, 999))
def test_only_success_is_no_failure(status: int) -> None:
    """2xx answers; everything else is a failure of some kind."""
    assert (kind_of_status(status) is None) == (200 <= status < 300)


@given(st.integers(100, 999))
def test_upstreams_refusal_of_our_key_is_never_the_clients(status: int) -> None:
    """What is about our credential, our URL or our framing is not told as the client's mistake."""
    if status in {401, 402, 403, 404, 405, 407, 410, 411, 415, 421, 426}:
        assert kind_of_status(status) is not FailureKind.CLIENT_MISTAKE


@pytest.mark.parametrize("kind", FailureKind)
def test_only_the_clients_own_mistake_ends_the_search(kind: FailureKind) -> None:
    """Any other failure leaves the next target a chance."""
    assert Failure("t", kind).may_try_another == (kind is not FailureKind.CLIENT_MISTAKE)


@pytest.mark.parametrize("kind", FailureKind)
def test_refusal_before_work_is_not_billed(kind: FailureKind) -> None:
    """Where the provider may have begun it may charge; a refusal costs nothing."""
    begun = {
        FailureKind.FIRST_BYTE_TIMEOUT,
        FailureKind.STALE_CONNECTION,
        FailureKind.DISCONNECTED,
        FailureKind.BAD_REPLY,
        FailureKind.EMPTY_REPLY,
        FailureKind.ERROR_EVENT,
    }
    assert Failure("t", kind).maybe_billed == (kind in begun)


def test_timeouts_are_those_that_a_longer_wait_could_mend() -> None:
    """Connecting and the first byte."""
    assert {FailureKind.CONNECT_TIMEOUT, FailureKind.FIRST_BYTE_TIMEOUT} == TIMEOUTS
