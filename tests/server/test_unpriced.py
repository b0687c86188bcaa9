"""What an answer costs that nobody has a price for: kept from who has a budget, or flagged."""

import orjson
import pytest

from tests.gateway import running_gateway
from tests.server.raw import a_chat, a_get, a_post, connected

CONFIG = """
    prices: {{unpriced: UNPRICED}}
    providers:
      first: {{dialect: openai, base_url: "{first}", allow_private: true}}
    targets:
      first/free: {{provider: first, model: sim-small}}
      first/priced:
        provider: first
        model: sim-medium
        price: {{input_usd_per_million: 0.5, output_usd_per_million: 1.5}}
    routes:
      auto: {{targets: [first/free, first/priced]}}
      free: {{targets: [first/free]}}
    tenants:
      acme: {{tier: pro, routes: [auto, free], budgeted: BUDGETED}}
"""


@pytest.mark.parametrize(
    ("policy", "budgeted", "flagged"),
    [("flag", "true", True), ("refuse", "false", True), ("refuse", "true", False)],
)
async def test_answer_without_a_price_is_refused_or_flagged(
    redis_url: str, policy: str, budgeted: str, flagged: bool
) -> None:
    """In the decision, the line and the metrics, so that nobody takes it for free."""
    text = CONFIG.replace("UNPRICED", policy).replace("BUDGETED", budgeted)
    async with running_gateway(redis_url, config_text=text) as gateway, connected(gateway) as it:
        answer = await it.ask(a_post(gateway, a_chat()))
        decided = await it.ask(a_post(gateway, a_chat(), path="/v1/route"))
        alone = await it.ask(a_post(gateway, a_chat(model="free")))
        page = await it.ask(a_get(gateway, "/metrics"))
        rows = await gateway.lines.requests(3)

    told = orjson.loads(decided.body)
    assert answer.header("x-pointsman-target") == ("first/free" if flagged else "first/priced")
    assert [each["priced"] for each in told["ranked"]] == ([False, True] if flagged else [True])
    assert [each["reason"] for each in told["rejected"]] == ([] if flagged else ["unpriced"])
    assert rows[0]["priced"] is not flagged
    assert (rows[0]["cost_nanousd"] is None) is flagged
    assert rows[1]["priced"] is None
    assert alone.status == (200 if flagged else 422)
    assert (b"pointsman_unpriced_answers_total{" in page.body) is flagged
