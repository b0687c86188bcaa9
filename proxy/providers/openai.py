"""Every upstream that speaks OpenAI's API: one dialect, quirks included. I/O: by transport.

OpenAI itself, vLLM, llama.cpp, Ollama, Groq, Mistral, DeepSeek, Together, OpenRouter, another
gateway. The request is the client's own bytes with what must change spliced in.
"""

import asyncio
from collections.abc import Callable

from yarl import URL

from proxy.domain.catalog import Endpoint, Provider
from proxy.domain.outcome import Failure, FailureKind, kind_of_status
from proxy.ports import Call
from proxy.providers.upstream import Transport, UpstreamReply
from proxy.wire.errors import complaint_of, retry_after_of
from proxy.wire.splice import rewrite

ERROR_BODY_BYTES = 64 * 1024
ERROR_BODY_S = 2.0
"""How much of an upstream's error is read, and for how long, to explain a client's mistake."""

USER_AGENT = "pointsman/0.1"


class OpenAIProvider:
    """One account at an OpenAI-speaking server (implements `ports.Provider`).

    `unix_s` tells the wall clock, to read Retry-After dates.
    """

    def __init__(
        self,
        provider: Provider,
        credential: str | None,
        transport: Transport,
        unix_s: Callable[[], float],
    ) -> None:
        self._unix_s = unix_s
        headers = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **dict(provider.headers),
        }
        if credential is not None:
            headers["authorization"] = f"Bearer {credential}"
        self._endpoints = {
            endpoint: transport.endpoint(_url_of(provider, endpoint), headers)
            for endpoint in Endpoint
        }

    async def open(self, call: Call) -> UpstreamReply | Failure:
        """Send the call's request, rewritten for its target, and wait for the head."""
        reply = await self._endpoints[call.request.endpoint].post(
            rewrite(call.request, call.target),
            call.headers,
            deadline=call.deadline,
            fresh_connection=call.fresh_connection,
        )
        if isinstance(reply, FailureKind):
            return Failure(call.target.id, reply)
        kind = kind_of_status(reply.status)
        if kind is None and reply.headers.get("content-encoding", "identity") != "identity":
            kind = FailureKind.BAD_REPLY  # we asked for none, and could not read along
        if kind is None:
            return reply
        try:
            return await self._failure(call.target.id, kind, reply)
        finally:
            reply.close()

    async def _failure(self, target_id: str, kind: FailureKind, reply: UpstreamReply) -> Failure:
        complaint = None
        body = b""
        try:
            async with asyncio.timeout(ERROR_BODY_S):
                body = await reply.read_capped(ERROR_BODY_BYTES)
        except TimeoutError:
            pass  # the status alone tells enough
        if kind is FailureKind.CLIENT_MISTAKE:
            complaint = complaint_of(reply.status, body)
        return Failure(
            target_id,
            kind,
            status=reply.status,
            retry_after_s=retry_after_of(reply.headers, self._unix_s()),
            complaint=complaint,
        )


def _url_of(provider: Provider, endpoint: Endpoint) -> str:
    url = URL(f"{provider.endpoint_base}/{endpoint.value}", encoded=True)
    return str(url.with_query(list(provider.query)) if provider.query else url)
