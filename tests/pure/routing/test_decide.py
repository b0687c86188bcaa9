"""Which targets may answer, in the route's order, and why the others may not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.catalog import Capability, Endpoint
from proxy.domain.decision import Reason, Rejection
from proxy.domain.facts import Facts, facts_of
from proxy.domain.tenant import Tenant
from proxy.routing.decide import BYTES_PER_TOKEN_AT_MOST, decide, why_not
from tests.builders import a_request, a_route, a_snapshot, a_target, some_facts

TOOLS, VISION = Capability.TOOLS, Capability.VISION


def test_route_gives_the_order() -> None:
    """Targets that fit are ranked as the route lists them; the decision names its config."""
    route = a_route(a_target("b/m"), a_target("a/m"), a_target("c/m"))

    decision = decide(some_facts(), a_snapshot(route))

    assert decision.ranking == route.targets
    assert decision.rejected == ()
    assert (decision.route, decision.config_version) == (route, "v1")


def test_target_that_cannot_is_rejected_with_the_reason() -> None:
    """The rest keep their order."""
    able = frozenset({TOOLS, VISION})
    route = a_route(
        a_target("plain/m", capabilities=frozenset()),
        a_target("able/m", capabilities=able),
        a_target("unstated/m"),
        a_target("half/m", capabilities=frozenset({TOOLS})),
    )

    decision = decide(some_facts(needs=able), a_snapshot(route))

    assert [target.id for target in decision.ranking] == ["able/m", "unstated/m"]
    assert decision.rejected == (
        Rejection("plain/m", Reason.MISSING_CAPABILITY, "tools, vision"),
        Rejection("half/m", Reason.MISSING_CAPABILITY, "vision"),
    )


def test_nobody_left_is_an_answer() -> None:
    """An empty ranking is no error; the reasons travel with it."""
    route = a_route(a_target(embedding_space="s"))

    decision = decide(some_facts(), a_snapshot(route))

    assert decision.ranking == ()
    assert decision.rejected == (Rejection("first/m", Reason.WRONG_ENDPOINT, "chat/completions"),)


@pytest.mark.parametrize("endpoint", Endpoint)
@pytest.mark.parametrize("space", [None, "s"])
def test_embeddings_targets_serve_embeddings_only(endpoint: Endpoint, space: str | None) -> None:
    """A target with an embedding space serves embeddings, and no other does."""
    reason = why_not(a_target(embedding_space=space), some_facts(endpoint=endpoint))

    assert (reason is None) == ((endpoint is Endpoint.EMBEDDINGS) == (space is not None))


@pytest.mark.parametrize(("extra_bytes", "fits"), [(0, True), (BYTES_PER_TOKEN_AT_MOST, False)])
def test_prompt_that_cannot_fit_is_not_sent(extra_bytes: int, fits: bool) -> None:
    """Only what no tokenizer could pack into the window is ruled out."""
    target = a_target(context_window_tokens=100)
    size = 100 * BYTES_PER_TOKEN_AT_MOST + extra_bytes

    rejection = why_not(target, some_facts(prompt_bytes=size))

    assert (rejection is None) == fits
    if rejection is not None:
        assert rejection == Rejection("first/m", Reason.CONTEXT_TOO_LONG, "100 tokens")


def test_size_of_many_inputs_rules_nothing_out() -> None:
    """Each input of an embeddings request has a window of its own."""
    target = a_target(context_window_tokens=1, embedding_space="s")
    facts = some_facts(endpoint=Endpoint.EMBEDDINGS, prompt_bytes=10**9)

    assert why_not(target, facts) is None


def test_unstated_window_takes_any_prompt() -> None:
    """What the config does not say rules nothing out."""
    assert why_not(a_target(), some_facts(prompt_bytes=10**9)) is None


capabilities = st.none() | st.frozensets(st.sampled_from(Capability))
targets = st.builds(
    a_target,
    id_=st.uuids().map(lambda uuid: f"p/{uuid}"),
    capabilities=capabilities,
    context_window_tokens=st.none() | st.integers(1, 1000),
    embedding_space=st.none() | st.just("s"),
)
facts = st.builds(
    some_facts,
    endpoint=st.sampled_from(Endpoint),
    needs=st.frozensets(st.sampled_from(Capability), max_size=2),
    prompt_bytes=st.integers(0, 20_000),
)


@given(st.lists(targets, min_size=1, max_size=8), facts)
def test_every_target_is_ranked_or_rejected(chosen: list[object], asked: Facts) -> None:
    """None is lost, none stands twice, the order is kept, and the same pair decides alike."""
    route = a_route(*chosen)  # type: ignore[arg-type]  # hypothesis' builds is not typed
    snapshot = a_snapshot(route)

    decision = decide(asked, snapshot)

    ranked = [target.id for target in decision.ranking]
    rejected = [rejection.target_id for rejection in decision.rejected]
    order = [target.id for target in route.targets]
    assert sorted(ranked + rejected) == sorted(order)
    assert [id_ for id_ in order if id_ in ranked] == ranked
    assert [id_ for id_ in order if id_ in rejected] == rejected
    assert all(why_not(target, asked) is None for target in decision.ranking)
    assert all(rejection.detail for rejection in decision.rejected)
    assert decide(asked, snapshot) == decision


def test_facts_hold_no_text() -> None:
    """What a decision sees of a request are figures, flags and names from the config."""
    request = a_request(stream=True, max_tokens=9, user="someone")

    found = facts_of(request, Tenant("acme", "pro", frozenset({"auto"})))

    assert found == some_facts(stream=True, max_output_tokens=9, prompt_bytes=5)
    assert "someone" not in repr(found)
