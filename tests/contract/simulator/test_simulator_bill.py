"""The bill: the oracle that a gateway's own books are held against."""

import json
from pathlib import Path

import pytest

from proxy.simulator.bill import BillEnding
from proxy.simulator.server import ONE_PROVIDER, Simulator, running_simulator
from tests.contract.simulator.rawhttp import Exchange, chat, connected, exchange_with


async def test_bill_has_a_line_for_every_attempt(sim: Simulator, ask: Exchange) -> None:
    """Whatever became of it, each attempt is on the bill once, in order."""
    scripts = [{}, {"error": {}}, {"rate_limited": {}}, {"cut_at_event": 2}, {"x": 1}]
    for script in scripts:
        await ask(script, chat(stream=True), **{"x-request-id": "r1"})

    assert [entry.ending for entry in sim.bill.entries] == [
        BillEnding.COMPLETE,
        BillEnding.ERROR,
        BillEnding.RATE_LIMITED,
        BillEnding.CUT,
        BillEnding.REFUSED,
    ]
    assert [entry.attempt for entry in sim.bill.entries] == [1, 2, 3, 4, 5]
    assert {entry.request_id for entry in sim.bill.entries} == {"r1"}


async def test_bill_adds_up_to_the_nano_dollar(sim: Simulator, ask: Exchange) -> None:
    """A cost is tokens times price, rounded up once; the sum is the sum of the lines."""
    script = {"tokens": 10, "cached_tokens": 4, "reasoning_tokens": 3}
    for is_stream in (False, True):
        fields = {**chat(stream=is_stream), "model": "sim-large"}
        await ask(script, fields)

    first, second = sim.bill.entries
    # hello is 2 tokens and its message 4: 2 x 3 $ + 4 x 0.30 $ + 13 x 15 $ a million.
    assert (first.prompt_tokens, first.cached_tokens, first.completion_tokens) == (6, 4, 13)
    assert first.cost_nanousd == second.cost_nanousd == 2 * 3000 + 4 * 300 + 13 * 15000
    assert sim.bill.cost_nanousd == 2 * first.cost_nanousd
    assert sim.bill.endings() == {BillEnding.COMPLETE: 2}


async def test_bill_file_grows_by_a_line_an_attempt(tmp_path: Path) -> None:
    """The file is appended to, never rewritten, also by the next run."""
    path = tmp_path / "bill.jsonl"
    for _ in range(2):
        async with running_simulator(bill_path=path) as sim:
            await exchange_with(sim.url)()

    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(line["attempt"], line["ending"]) for line in lines] == [(1, "complete")] * 2


async def fetched(sim: Simulator, path: str) -> object:
    """The JSON at *path* of the control."""
    async with connected(sim.url) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nhost: sim\r\nconnection: close\r\n\r\n".encode())
        return json.loads((await reader.read()).partition(b"\r\n\r\n")[2])


async def test_bill_and_stats_are_served(sim: Simulator, ask: Exchange) -> None:
    """A simulator in another process can be asked what it did."""
    await ask({"content": "hi"})
    bill, stats = await fetched(sim, "/sim/bill"), await fetched(sim, "/sim/stats")

    assert isinstance(bill, list)
    assert bill[0]["ending"] == "complete"
    assert isinstance(stats, dict)
    assert (stats["calls"], stats["open_calls"], stats["cancelled"]) == (1, 0, 0)
    assert stats["endings"] == {"complete": 1}
    assert stats["connections_accepted"] == 3


async def test_script_can_be_replaced_and_queued_while_it_runs(
    sim: Simulator, ask: Exchange
) -> None:
    """An object is the default from now on; a list is one for each of the next calls."""
    await ask(path="/sim/script", fields={"error": {"status": 502}})
    await ask(path="/sim/script", fields=[{"content": "hi"}, {"error": {"status": 418}}])
    wrong = await ask(path="/sim/script", fields={"oops": 1})

    assert [(await ask()).status for _ in range(3)] == [200, 418, 502]
    assert wrong.status == 400


async def test_reset_forgets_everything(sim: Simulator, ask: Exchange) -> None:
    """After a reset the provider is as it started."""
    sim.set_script({"error": {}})
    await ask()
    await ask(path="/sim/reset", fields={})

    assert (await ask()).status == 200
    assert [entry.seed for entry in sim.bill.entries] == ["0:1"]
    assert len(sim.providers["sim"].received) == 1


async def test_requests_are_remembered_as_they_came(sim: Simulator, ask: Exchange) -> None:
    """A test in the same process can look at the very bytes."""
    await ask(fields=b'{"model":"sim-small", "messages":[{"role":"user","content":"x"}]}')

    received = sim.providers["sim"].received[-1]
    assert received.body.startswith(b'{"model":"sim-small", ')
    assert received.header("Host") == "sim"


async def test_taken_port_leaves_nothing_listening() -> None:
    """A start that fails in the middle gives back what it had."""
    async with running_simulator() as sim:
        port = int(sim.url.rpartition(":")[2])
        provider = ONE_PROVIDER.providers["sim"]
        taken = type(provider.listen)("127.0.0.1", port)
        other = Simulator(
            type(ONE_PROVIDER)(
                {"free": provider, "taken": type(provider)(provider.models, listen=taken)}
            )
        )
        with pytest.raises(OSError, match="in use"):
            await other.start()

        with pytest.raises(OSError, match=r"refused|failed"):
            async with connected(other.urls["free"]):
                pass
