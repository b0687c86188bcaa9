"""One simulated provider: its script, what it remembers, what it charges. I/O: its connections.

A call goes: key, body, script, then `calls.perform`. However it ends, `_settle` books it once.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from aiohttp import web

from proxy.domain.catalog import Endpoint
from proxy.simulator.asks import Ask, Received, Refused, read_ask
from proxy.simulator.bill import Bill, BillEnding, BillEntry
from proxy.simulator.bodies import error_of
from proxy.simulator.calls import Call, perform, send_error
from proxy.simulator.config import SimulatedModel, SimulatedProvider
from proxy.simulator.limits import Limiter
from proxy.simulator.script import Script, ScriptError, directive_in, read_script_json
from proxy.simulator.stream import Cut, Outlet

KEPT_REQUESTS = 64
"""How many of the last requests a provider remembers, for tests to look at."""


class Sent(web.StreamResponse):
    """Tells aiohttp that the answer is on the wire already, and what becomes of the connection."""

    def __init__(self, *, keep_alive: bool) -> None:
        super().__init__()
        self._goes_on = keep_alive

    @property
    def keep_alive(self) -> bool:
        """Whether the connection serves further requests."""
        return self._goes_on

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing: the head went out."""

    async def write_eof(self, data: object = b"") -> None:
        """Nothing: the body went out."""


@dataclass(slots=True)
class Stats:
    """What a provider did so far, and what is open now. `endings` counts by BillEnding."""

    calls: int = 0
    open_calls: int = 0
    open_streams: int = 0
    connections_accepted: int = 0
    connections_open: int = 0
    endings: dict[str, int] = field(default_factory=dict)

    @property
    def cancelled(self) -> int:
        """Calls whose client left before the end."""
        return self.endings.get(BillEnding.CANCELLED.value, 0)


class Provider:
    """A provider named *name*, charging to *bill*; *changed* is called when its stats move."""

    def __init__(
        self, name: str, config: SimulatedProvider, bill: Bill, changed: Callable[[], None]
    ) -> None:
        self.name = name
        self.config = config
        self.script = config.script
        self.scripts: dict[str, Script] = {}
        """In place of the default, by model."""
        self.stats = Stats()
        self.received: deque[Received] = deque(maxlen=KEPT_REQUESTS)
        self.stopping = False
        self._bill = bill
        self._changed = changed
        self._next: deque[Script] = deque()
        self._count = 0
        self._limiter = Limiter(config.limits, time.monotonic())

    @property
    def bill(self) -> list[BillEntry]:
        """What this provider charged."""
        return self._bill.of(self.name)

    def queue_scripts(self, scripts: Iterable[Script]) -> None:
        """The next calls get *scripts*, one each, in place of the default."""
        self._next.extend(scripts)

    def reset(self) -> None:
        """Forget calls, bill and scripts, and count from 1 again; what is open goes on."""
        before = self.stats
        self.stats = Stats(
            open_calls=before.open_calls,
            open_streams=before.open_streams,
            connections_open=before.connections_open,
        )
        self._bill.forget(self.name)
        self.script = self.config.script
        self.scripts.clear()
        self._next.clear()
        self.received.clear()
        self._count = 0
        self._limiter = Limiter(self.config.limits, time.monotonic())

    def connection_opened(self) -> None:
        """Count a client that connected."""
        self.stats.connections_accepted += 1
        self.stats.connections_open += 1
        self._changed()

    def connection_closed(self) -> None:
        """Count a connection that is gone."""
        self.stats.connections_open -= 1
        self._changed()

    def refuses_key(self, authorization: str | None) -> bool:
        """Whether this provider wants a key and did not get it."""
        wanted = self.config.api_key
        return wanted is not None and authorization != f"Bearer {wanted}"

    async def serve(
        self, endpoint: Endpoint, request: web.BaseRequest, *, reused_connection: bool
    ) -> Sent:
        """Answer a call of *endpoint*, as the script says, and book it."""
        body = await request.read()
        self._count += 1
        seed = f"{self.config.seed}:{self._count}"
        call = Call(
            number=self._count,
            id=f"sim_{self.name}_{self._count}",
            seed=seed,
            endpoint=endpoint,
            received=_received(request, body),
            outlet=Outlet(request, Script()),
            limiter=self._limiter,
            reused_connection=reused_connection,
            started_unix_ms=time.time_ns() // 1_000_000,
            chance=random.Random(seed),
        )
        self._open(call)
        try:
            await self._attend(call, request)
        except asyncio.CancelledError:
            call.tally.ending = self._ending_of_left
            raise
        except ConnectionError:
            # The client left in full flow: nobody is there to be told, and it is no error.
            call.tally.ending = self._ending_of_left
            call.outlet.keep_alive = False
        finally:
            self._settle(call)
        return Sent(keep_alive=call.outlet.keep_alive)

    @property
    def _ending_of_left(self) -> BillEnding:
        return BillEnding.CUT if self.stopping else BillEnding.CANCELLED

    async def _attend(self, call: Call, request: web.BaseRequest) -> None:
        try:
            ask = self._understood(call)
            call.outlet = Outlet(request, call.script)
            if ask.stream:
                self.stats.open_streams += 1
                self._changed()
            await perform(call, ask)
        except Refused as refused:
            call.tally.ending = BillEnding.REFUSED
            await send_error(call, error_of(refused))
        except Cut:
            call.tally.ending = BillEnding.CUT
            call.outlet.drop()

    def _understood(self, call: Call) -> Ask:
        """The ask of *call*, with the script that it gets.

        Raises:
            Refused: the key, the body, the model or the script is not right.
        """
        if self.refuses_key(call.received.header("authorization")):
            raise Refused(401, "Incorrect API key provided.", code="invalid_api_key")
        ask = read_ask(call.endpoint, call.received.body)
        model = self._model(ask)
        try:
            call.script = self._script_for(call, ask)
        except ScriptError as error:
            raise Refused(400, f"The script is not valid: {error}", code="invalid_script") from None
        call.price = model.price
        call.dimensions = model.embedding_dimensions or 0
        call.ask = ask
        return ask

    def _model(self, ask: Ask) -> SimulatedModel:
        model = self.config.models.get(ask.model)
        if model is None:
            message = f"The model `{ask.model}` does not exist or you do not have access to it."
            raise Refused(404, message, code="model_not_found", param="model")
        if (model.embedding_dimensions is None) == (ask.endpoint is Endpoint.EMBEDDINGS):
            message = f"The model `{ask.model}` does not serve {ask.endpoint}."
            raise Refused(400, message, param="model")
        return model

    def _script_for(self, call: Call, ask: Ask) -> Script:
        default = self.scripts.get(ask.model, self.script)
        script = self._next.popleft() if self._next else default
        if (directive := directive_in(ask.last_text)) is not None:
            script = read_script_json(directive, script)
        if (header := call.received.header("x-sim-script")) is not None:
            script = read_script_json(header.encode("latin-1"), script)
        return script

    def _open(self, call: Call) -> None:
        self.received.append(call.received)
        self.stats.calls += 1
        self.stats.open_calls += 1
        self._changed()

    def _settle(self, call: Call) -> None:
        if call.admitted:
            call.limiter.release(call.tally.completion_tokens, time.monotonic())
        entry = call.entry(self.name)
        self._bill.append(entry)
        ending = entry.ending.value
        self.stats.endings[ending] = self.stats.endings.get(ending, 0) + 1
        self.stats.open_calls -= 1
        self.stats.open_streams -= entry.stream
        self._changed()


def _received(request: web.BaseRequest, body: bytes) -> Received:
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers
    )
    return Received(request.method, request.path_qs, headers, body)
