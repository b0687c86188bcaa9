"""Runs policy tests: what the gateway would do, held against what is expected. Pure.

Nothing of the gateway is imitated: requests are read, classified and decided by
`execution/dry_run`, budgets are asked by the model of admission.
"""

from dataclasses import dataclass
from typing import Any, Final

import orjson

from proxy.config.policy_rules import ENDPOINTS
from proxy.domain.catalog import Endpoint
from proxy.errors import GatewayError
from proxy.execution.dry_run import Sent, dry_run
from proxy.policytests.judge import Difference, Outcome, differences
from proxy.policytests.load import PolicyTest
from proxy.policytests.spec import json_number
from proxy.policytests.world import allowed, moment_of, world_of

_TEXT_OF: Final = {Endpoint.COMPLETIONS: "prompt", Endpoint.EMBEDDINGS: "input"}


@dataclass(frozen=True, slots=True)
class Result:
    """How a test went: it passed if there are no differences. `reason` is the decision's own
    sentence, or why there was none.
    """

    test: PolicyTest
    differences: tuple[Difference, ...]
    reason: str

    @property
    def passed(self) -> bool:
        """Whether everything is as it is expected."""
        return not self.differences


def run_test(test: PolicyTest) -> Result:
    """How *test* goes."""
    outcome = _outcome(test)
    if outcome.run is not None:
        reason = outcome.run.decision.reason
    else:
        assert outcome.unread is not None
        reason = outcome.unread.message
    return Result(test, tuple(differences(test.spec.expect, outcome)), reason)


def _outcome(test: PolicyTest) -> Outcome:
    spec = test.spec
    snapshot = world_of(spec, test.tenant_id, test.snapshot)
    moment = moment_of(spec, spec.time or test.defaults.time)
    try:
        run = dry_run(sent_by(test), snapshot.tenants[test.tenant_id], snapshot, moment)
    except GatewayError as error:
        return Outcome(unread=error)
    return Outcome(run, allowed(run, spec.world))


def sent_by(test: PolicyTest) -> Sent:
    """The request of *test*, as a client would send it."""
    spec = test.spec
    endpoint = ENDPOINTS[spec.endpoint]
    body: dict[str, Any] = {"model": spec.route or test.defaults.route}
    if spec.prompt is not None:
        text = spec.prompt * spec.prompt_times
        if endpoint is Endpoint.CHAT:
            body["messages"] = [{"role": "user", "content": text}]
        else:
            body[_TEXT_OF[endpoint]] = text
    headers = {**test.defaults.headers, **spec.headers}
    return Sent(orjson.dumps({**body, **spec.request}, default=json_number), headers, endpoint)
