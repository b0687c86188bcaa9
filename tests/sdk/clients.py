"""The two Python clients of the SDK under one face, so that each rule is tried with both.

The synchronous one blocks, so it works in a thread; the gateway runs in the test's own loop.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

from openai import AsyncOpenAI, OpenAI

Ask = Callable[[Any], Any]
"""Given a client, makes one call: `lambda client: client.models.list()`."""


def _ignore() -> None:
    pass


@dataclass(slots=True)
class Streamed:
    """What came of a stream: its chunks, and what it raised in place of ending, if it did."""

    chunks: list[Any] = field(default_factory=list)
    error: Exception | None = None

    @property
    def text(self) -> str:
        """What the first choice says."""
        deltas = [chunk.choices[0].delta for chunk in self.chunks if chunk.choices]
        return "".join(delta.content or "" for delta in deltas)

    @property
    def finish_reason(self) -> str | None:
        """Why the first choice ended; None if nobody said."""
        reasons = [chunk.choices[0].finish_reason for chunk in self.chunks if chunk.choices]
        return next((reason for reason in reasons if reason), None)


class Sdk(ABC):
    """A client of the openai package."""

    client: Any

    @abstractmethod
    async def call(self, ask: Ask) -> Any:
        """The answer to *ask*; raises what the SDK raises."""

    @abstractmethod
    async def streamed(self, ask: Ask, on_chunk: Callable[[], object] = _ignore) -> Streamed:
        """Read the stream that *ask* opens; *on_chunk* may be called from another thread."""

    @abstractmethod
    async def leave_after(self, ask: Ask, chunks: int) -> None:
        """Read *chunks* of the stream that *ask* opens, then close it."""

    @abstractmethod
    async def final(self, ask: Ask) -> Any:
        """The completion that the SDK's stream helper, opened by *ask*, puts together."""

    @abstractmethod
    async def close(self) -> None:
        """Close the client's connections."""

    def with_options(self, **options: Any) -> Self:
        """The same, over the same connections, with other *options* of the client."""
        return type(self)(self.client.with_options(**options))

    @abstractmethod
    def __init__(self, client: Any) -> None: ...


class SyncSdk(Sdk):
    """`openai.OpenAI`."""

    def __init__(self, client: OpenAI) -> None:
        self.client = client

    async def call(self, ask: Ask) -> Any:
        return await asyncio.to_thread(ask, self.client)

    async def streamed(self, ask: Ask, on_chunk: Callable[[], object] = _ignore) -> Streamed:
        return await asyncio.to_thread(self._read, ask, on_chunk)

    async def leave_after(self, ask: Ask, chunks: int) -> None:
        await asyncio.to_thread(self._leave, ask, chunks)

    async def final(self, ask: Ask) -> Any:
        return await asyncio.to_thread(self._final, ask)

    async def close(self) -> None:
        self.client.close()

    def _read(self, ask: Ask, on_chunk: Callable[[], object]) -> Streamed:
        result = Streamed()
        with ask(self.client) as stream:
            try:
                for chunk in stream:
                    result.chunks.append(chunk)
                    on_chunk()
            except Exception as error:
                result.error = error
        return result

    def _leave(self, ask: Ask, chunks: int) -> None:
        with ask(self.client) as stream:
            for _ in range(chunks):
                next(stream)

    def _final(self, ask: Ask) -> Any:
        with ask(self.client) as stream:
            return stream.get_final_completion()


class AsyncSdk(Sdk):
    """`openai.AsyncOpenAI`."""

    def __init__(self, client: AsyncOpenAI) -> None:
        self.client = client

    async def call(self, ask: Ask) -> Any:
        return await ask(self.client)

    async def streamed(self, ask: Ask, on_chunk: Callable[[], object] = _ignore) -> Streamed:
        result = Streamed()
        async with await ask(self.client) as stream:
            try:
                async for chunk in stream:
                    result.chunks.append(chunk)
                    on_chunk()
            except Exception as error:
                result.error = error
        return result

    async def leave_after(self, ask: Ask, chunks: int) -> None:
        async with await ask(self.client) as stream:
            for _ in range(chunks):
                await anext(stream)

    async def final(self, ask: Ask) -> Any:
        async with ask(self.client) as stream:
            return await stream.get_final_completion()

    async def close(self) -> None:
        await self.client.close()


def a_chat(text: str = "Hello", *, model: str = "auto", **fields: Any) -> dict[str, Any]:
    """The arguments of a chat call."""
    return {"model": model, "messages": [{"role": "user", "content": text}], **fields}
