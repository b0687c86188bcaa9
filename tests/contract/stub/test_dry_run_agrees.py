"""What a dry run says is what a running gateway decides: one path, asked two ways."""

import aiohttp
from configs import SUITE

from proxy.domain.catalog import Endpoint
from proxy.execution.dry_run import Moment, dry_run
from proxy.policytests.load import load_tests
from proxy.policytests.run import sent_by
from proxy.policytests.spec import WorldSpec
from proxy.routing.expected import expected_of
from proxy.routing.explain import explained
from proxy.stub import NOON_S, Stub, key_of

ASKED = [
    test
    for test in load_tests(SUITE)
    if test.spec.world == WorldSpec() and sent_by(test).endpoint is Endpoint.CHAT
]


async def test_every_shipped_request_is_decided_alike(stub: Stub) -> None:
    """By the route endpoint, over a socket, and by the function that policy tests run."""
    assert len(ASKED) > 20
    async with aiohttp.ClientSession() as session:
        for test in ASKED:
            sent = sent_by(test)
            headers = {**sent.headers, "authorization": f"Bearer {key_of(test.tenant_id)}"}
            headers["content-type"] = "application/json"
            async with session.post(
                f"{stub.url}/v1/route", data=sent.body, headers=headers
            ) as reply:
                told = await reply.json()
            tenant = test.snapshot.tenants[test.tenant_id]
            run = dry_run(sent, tenant, test.snapshot, Moment(NOON_S))
            expected = expected_of(run.decision, run.facts, test.snapshot)
            assert told == explained(run.decision, expected), test.spec.name
