"""What was refused leaves nothing behind, even where the collector never comes."""

import gc
from collections.abc import Iterator

import pytest

from proxy.execution.settle import Entry
from proxy.server.exchange import HttpExchange
from tests.gateway import GatewayUnderTest
from tests.server.raw import CHAT, a_chat, a_get, a_post, connected
from tests.server.test_limits import server_of
from tests.server.waiting import until

TIMES = 3


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Only what nobody refers to any more goes."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


REQUESTS = {
    "another path": lambda gateway: a_get(gateway, "/none"),
    "another method": lambda gateway: a_get(gateway, CHAT),
    "no such model": lambda gateway: a_post(gateway, a_chat(model="none")),
    "no JSON": lambda gateway: a_post(gateway, b"{"),
    "a wrong word": lambda gateway: a_post(gateway, a_chat(routing={"risk": "x"})),
    "a wrong key": lambda gateway: a_post(gateway).replace(gateway.token.encode(), b"pm_none"),
    "no provider": lambda gateway: a_post(gateway),
    "no HTTP": lambda gateway: b"GARBAGE\r\n\r\n",
    "an answer": lambda gateway: a_post(gateway),
}  # fmt: skip


@pytest.mark.parametrize("case", REQUESTS)
@pytest.mark.usefixtures("no_collector")
async def test_nothing_of_it_stays(gateway: GatewayUnderTest, case: str) -> None:
    """Not the request, its body or its books, whoever refused it."""
    if case == "no provider":
        for name in ("first", "second", "third"):
            gateway.script(name, error={"status": 500})
    for _ in range(TIMES):
        async with connected(gateway) as it:
            answer = await it.ask(REQUESTS[case](gateway))
            assert (answer.status == 200) is (case == "an answer")
    await gateway.lines.requests(TIMES)
    await until(lambda: not server_of(gateway).connections)

    left = [each for each in gc.get_objects() if isinstance(each, HttpExchange | Entry)]
    assert left == []
