"""The world that a policy test describes is the one that decisions see."""

from pathlib import Path

import pytest
from suites import CONFIG, loaded, result_of, written

from proxy.domain.labels import Workload
from proxy.domain.standing import Breaker, Standing
from proxy.policytests.load import load_tests
from proxy.policytests.run import run_test, sent_by
from proxy.policytests.world import SAMPLES, moment_of, world_of


def test_figures_are_what_decisions_read(tmp_path: Path) -> None:
    """Every figure, by the names of the domain; figures without samples rest on many."""
    test = loaded(
        tmp_path,
        """\
        - name: it
          prompt: Hello
          world:
            targets:
              a/small:
                breaker: half_open
                error_rate: 0.5
                first_token_p50_ms: 100
                first_token_p95_ms: 200.5
                tokens_per_s: 50
                headroom: 0.1
                bytes_per_token: 3.5
                attempts_per_success: 1.5
                quality: {code: -0.2}
              b/big: {samples: 5}
          expect: {selected: a/small}
        """,
    )

    world = world_of(test.spec, "acme", test.snapshot)

    assert world.standings == {
        "a/small": Standing(
            Breaker.HALF_OPEN, SAMPLES, 0.5, 100.0, 200.5, 50.0, 0.1, 3.5, 1.5,
            {Workload.CODE: -0.2},
        ),
        "b/big": Standing(samples=5),
    }  # fmt: skip
    assert world.targets == test.snapshot.targets
    assert not world.tenants["acme"].budgeted


@pytest.mark.parametrize(
    ("policy", "expect"),
    [
        ("refuse", "{rejected: {a/plain: unpriced}, ranked: [], refused: no_target}"),
        ("flag", "{selected: a/plain, rejected: {}, refused: false}"),
    ],
)
def test_tenant_with_a_budget_has_one_in_every_world(
    tmp_path: Path, policy: str, expect: str
) -> None:
    """Without a limit of the test's own too; what follows is as the config says."""
    path = written(tmp_path, f"- {{name: it, tenant: acme, route: plain, prompt: Hello, "
                             f"expect: {expect}}}")  # fmt: skip
    (tmp_path / "config.yaml").write_text(
        f"prices: {{unpriced: {policy}}}\n"
        + CONFIG.replace("acme: {tier: pro,", "acme: {tier: pro, budgeted: true,")
    )
    (test,) = load_tests(path)

    assert run_test(test).differences == ()


def test_prices_are_those_of_the_test_everywhere(tmp_path: Path) -> None:
    """In routes and rules too; a target may have none at all."""
    test = loaded(
        tmp_path,
        """\
        - name: it
          prompt: Hello
          world:
            budget: {limit_usd: 5}
            targets:
              a/small: {price: {input_usd_per_million: 7, output_usd_per_million: 8}}
              b/big: {unpriced: true}
          expect: {selected: a/small}
        """,
    )

    world = world_of(test.spec, "acme", test.snapshot)

    price = world.targets["a/small"].price
    assert price is not None
    assert price.input_nanousd == 7_000_000_000
    assert world.targets["b/big"].price is None
    assert world.routes["auto"].targets == (world.targets["a/small"], world.targets["b/big"])
    assert world.policies.targets[0] == world.targets["a/small"]
    assert world.tenants["acme"].budgeted
    assert test.snapshot.targets["b/big"].price is not None


def test_moment_is_the_one_that_is_written(tmp_path: Path) -> None:
    """With its zone, and the draw as the request's id has it."""
    test = loaded(
        tmp_path,
        """\
        - name: it
          prompt: Hello
          time: "2026-01-06T13:00:00+01:00"
          draw: 0.25
          world: {tool_calls_from: b, cached_answer_from: b/big}
          expect: {selected: a/small}
        """,
    )

    moment = moment_of(test.spec, test.spec.time or "")

    assert moment.unix_s == 1_767_700_800
    assert moment.request_id == "req_400000000000"
    assert (moment.tool_origin, moment.kept_from) == ("b", "b/big")


TICKET = """\
prompt: Think
route: dear
request: {max_tokens: 10}
headers: {x-pointsman-workload: reasoning, x-pointsman-scope: "ticket=1"}
"""


@pytest.mark.parametrize(
    ("expect", "given"),
    [
        ("{admitted: b/big}", TICKET),
        ("{rejected: {b/big: {rule: one-a-ticket}}, never: b/*, degraded: cheaper_tier}",
         f"{TICKET}world: {{premium_calls: {{ticket: 1}}}}"),
        ("{admitted: b/big}", f"{TICKET}world: {{premium_calls: {{case: 1}}}}"),
        ("{admitted: b/big}", TICKET.replace("ticket=1", "case=1")
         + "world: {premium_calls: {ticket: 1}}"),
        ("{admitted: b/big}", f"{TICKET}world: {{budget: {{limit_usd: 1, spent_usd: 0.5}}}}"),
        ("{limit_met: budget}", f"{TICKET}world: {{budget: {{limit_usd: 1, spent_usd: 1}}}}"),
        ("{limit_met: budget}", TICKET.replace("10}", "7000}")
         + "world: {budget: {limit_usd: 1, spent_usd: 0.99}}"),
        ("{admitted: b/big}", TICKET.replace("10}", "7000}")
         + "world: {budget: {limit_usd: 1, spent_usd: 0.98, soft: true}}"),
    ],
)  # fmt: skip
def test_budgets_and_caps_let_through_what_is_left(tmp_path: Path, expect: str, given: str) -> None:
    """By the model of admission: hard budgets by the bound, soft ones by what is expected."""
    assert result_of(tmp_path, expect, given).differences == ()


@pytest.mark.parametrize(
    ("given", "body"),
    [
        ("prompt: ab\nprompt_times: 2",
         b'{"model":"auto","messages":[{"role":"user","content":"abab"}]}'),
        ("prompt: ab\nendpoint: completions\nroute: plain", b'{"model":"plain","prompt":"ab"}'),
        ("prompt: ab\nendpoint: embeddings\nroute: vectors", b'{"model":"vectors","input":"ab"}'),
        ("request: {model: dear, prompt: ab, temperature: 0.5}\nendpoint: completions",
         b'{"model":"dear","prompt":"ab","temperature":0.5}'),
    ],
)  # fmt: skip
def test_request_is_what_a_client_sends(tmp_path: Path, given: str, body: bytes) -> None:
    """Made of a prompt, or as it is written."""
    result = result_of(tmp_path, "{refused: false}", given)

    assert sent_by(result.test).body == body
    assert result.differences == ()


def test_headers_of_a_test_come_before_those_of_its_file(tmp_path: Path) -> None:
    """Names of headers are the same in upper and lower case."""
    test = loaded(
        tmp_path,
        "- {name: it, prompt: Hi, headers: {X-Pointsman-Feature: a}, expect: {route: auto}}",
    )

    assert sent_by(test).headers == {"x-pointsman-feature": "a"}
