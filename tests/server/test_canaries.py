"""No text of a prompt, an answer, a key or an upstream's error shows where operators look."""

import base64
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
import structlog

from proxy.domain.catalog import Endpoint, Provider, Target
from proxy.domain.outcome import Failure, FailureKind
from proxy.errors import GatewayError
from proxy.ports import Call
from proxy.secret_values import read_secrets
from proxy.telemetry.logs import configure
from proxy.units import LoopSeconds
from proxy.wire.errors import complaint_of
from proxy.wire.limits import Caps
from proxy.wire.parse import parse
from tests.gateway import GatewayUnderTest
from tests.server.raw import CHAT, a_chat, a_get, a_post, connected, head_of


@dataclass(frozen=True)
class Canary:
    """A word that must not be seen, in any of its spellings."""

    name: str
    word: str

    @property
    def spellings(self) -> Iterator[bytes]:
        yield self.word.encode()
        yield base64.b64encode(self.word.encode()).rstrip(b"=")[:-1]
        yield quote(self.word, safe="").encode()
        yield self.word.encode().hex().encode()


NAMES = (
    "prompt", "system", "part", "tool", "schema", "user", "unknown_field", "answer", "call",
    "upstream_error", "upstream_code", "upstream_header", "raw_answer", "html", "cookie",
    "forwarded", "trace", "query", "path", "body_garbage", "method", "header_name",
)  # fmt: skip

CANARIES = {name: Canary(name, f"Zq{number:02d}canary{name[:3]}Xv") for number, name in
            enumerate(NAMES)}  # fmt: skip


def word(name: str) -> str:
    """The canary *name*."""
    return CANARIES[name].word


@pytest.fixture
def logged(gateway: GatewayUnderTest) -> Iterator[None]:
    """Every log line of the process, libraries' too, goes where the gateway's lines go."""
    handlers, level = logging.root.handlers[:], logging.root.level
    configure(gateway.lines, console=False)
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    structlog.reset_defaults()


def full_chat(**fields: Any) -> bytes:
    """A request with a canary wherever a client may put text."""
    return a_chat(
        messages=[
            {"role": "system", "content": word("system")},
            {"role": "user", "content": word("prompt")},
            {"role": "user", "content": [{"type": "text", "text": word("part")}]},
        ],
        tools=[{"type": "function", "function": {"name": word("tool"), "parameters": {}}}],
        response_format={"type": "json_schema", "json_schema": {"name": word("schema")}},
        user=word("user"),
        metadata={word("unknown_field"): word("unknown_field")},
        **fields,
    )


HEADERS = (
    f"Cookie: {word('cookie')}",
    f"X-Forwarded-For: {word('forwarded')}",
    f"Traceparent: {word('trace')}",
    f"Tracestate: {word('trace')}",
    f"{word('header_name')}: {word('header_name')}",
)

UPSTREAM: dict[str, dict[str, Any]] = {
    "good": {
        "content": word("answer"),
        "tool_calls": [{"name": "f", "arguments": word("call")}],
        "headers": {"X-Odd": word("upstream_header")},
    },
    "500": {
        "error": {
            "status": 500,
            "message": word("upstream_error"),
            "code": word("upstream_code"),
            "type": word("upstream_code"),
        }
    },
    "429": {"rate_limited": {"retry_after": word("upstream_error")}},
    "401": {"error": {"status": 401, "message": word("upstream_error")}},
    "404": {"error": {"status": 404, "message": word("upstream_error")}},
    "503 in text": {"error": {"status": 503, "body": "plain", "message": word("upstream_error")}},
    "not JSON": {"raw": word("raw_answer")},
    "error in a 200": {"raw": f'{{"error": {{"message": "{word("upstream_error")}"}}}}'},
    "HTML": {"raw": f"<p>{word('html')}</p>", "content_type": "text/html"},
    "odd redirect": {"redirect": f"http://127.0.0.1:9/{word('upstream_error')}"},
    "cut stream": {"content": word("answer"), "cut_at_event": 2},
    "error event": {"content": word("answer"), "error_event_at": 2},
    "malformed event": {"content": word("answer"), "malformed_at_event": 2},
    "odd finish": {"content": word("answer"), "finish_reason": word("upstream_code")},
}


def seen(text: bytes) -> list[str]:
    """The canaries that show in *text*."""
    return [
        canary.name
        for canary in CANARIES.values()
        if any(spelling in text for spelling in canary.spellings)
    ]


async def told_to_operators(gateway: GatewayUnderTest) -> bytes:
    """Everything that this gateway logged and counts."""
    async with connected(gateway) as it:
        metrics = await it.ask(a_get(gateway, "/metrics"))
    assert metrics.status == 200
    return b"\n".join(gateway.lines.text) + metrics.body


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", UPSTREAM)
@pytest.mark.usefixtures("logged")
async def test_what_providers_and_prompts_say_is_not_told(
    gateway: GatewayUnderTest, case: str, stream: bool
) -> None:
    """Good or failing, an exchange leaves none of its text in lines, metrics or error bodies."""
    for name in gateway.simulator.urls:
        gateway.script(name, **UPSTREAM[case])
    async with connected(gateway) as it:
        it.send(a_post(gateway, full_chat(stream=stream), "Connection: close", *HEADERS))
        head, _, body = (await it.rest()).partition(b"\r\n\r\n")
    await gateway.lines.requests(1)

    told = await told_to_operators(gateway)
    assert seen(told) == []
    assert gateway.token.encode() not in told
    assert gateway.token.split("_")[2].encode() not in told
    assert seen(head) == []
    if b" 200 OK" not in head:
        assert seen(body) == []


async def refusals(gateway: GatewayUnderTest) -> list[bytes]:
    """What the gateway answers to requests that it refuses itself, each with canaries."""
    garbage = word("body_garbage")
    sent = [
        a_post(gateway, f'{{"model": "{garbage}'.encode(), *HEADERS),
        a_post(gateway, f'{{"model": {garbage}}}'.encode()),
        a_post(gateway, full_chat(n=garbage)),
        a_post(gateway, full_chat(stream=garbage)),
        a_post(gateway, a_chat(messages=[{"role": garbage, "content": word("prompt")}])),
        a_post(gateway, a_chat(temperature=garbage)),
        a_post(gateway, full_chat(model="embeddings")),
        a_post(gateway, None, f"Content-Encoding: {garbage}"),
        head_of(gateway, "POST", CHAT, f"Content-Type: {garbage}", "Content-Length: 0"),
        a_get(gateway, f"/{word('path')}?{word('query')}", *HEADERS),
        a_get(gateway, f"/v1/models?{word('query')}={word('query')}"),
        head_of(gateway, "POST", "/v1/models", *HEADERS),
        a_get(gateway, "/v1/models").replace(gateway.token.encode(), garbage.encode()),
        a_get(gateway, "/v1/models", f"X-Long: {garbage * 5000}"),
        f"{word('method')} / HTTP/1.1\r\nHost: {garbage}\r\n\r\n".encode(),
        a_get(gateway, "/v1/models", garbage),
        a_get(gateway, "/" + word("path") * 1000),
    ]
    answers = []
    for request in sent:
        async with connected(gateway) as it:
            answers.append((await it.ask(request)).body)
    return answers


@pytest.mark.usefixtures("logged")
async def test_what_was_wrong_with_a_request_is_not_quoted(gateway: GatewayUnderTest) -> None:
    """Refusals name fields and reasons, never values; the log says less still."""
    answers = await refusals(gateway)
    rows = await gateway.lines.requests(len(answers))

    assert len(rows) == len(answers)
    assert [seen(answer) for answer in answers] == [[]] * len(answers)
    assert seen(await told_to_operators(gateway)) == []


@pytest.mark.usefixtures("logged")
async def test_crash_is_told_without_text(
    gateway: GatewayUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that nobody expected is a 500 in our shape; its text stays in the process."""

    def crash(*_: object) -> None:
        raise RuntimeError(word("prompt"))

    monkeypatch.setattr("proxy.pipeline.decide", crash)
    async with connected(gateway) as it:
        answer = await it.ask(a_post(gateway, full_chat()))

    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert seen(answer.body + await told_to_operators(gateway)) == []
    (crashed,) = [row for row in gateway.lines.rows if row["event"] == "request_crashed"]
    assert (crashed["exception"], crashed["request_id"]) == (
        "RuntimeError",
        answer.error["request_id"],
    )


async def test_clients_own_mistake_is_explained_and_masked(gateway: GatewayUnderTest) -> None:
    """A provider's explanation of a 400 goes to the client alone, without credentials."""
    secret = "sk-proj-Ab12Cd34Ef56Gh78Ij90Kl12Mn34Op56"
    message = (
        f"Unknown parameter: 'foo'. Key {secret} of org-Ab12Cd34Ef56. {word('upstream_error')}"
    )
    gateway.script("first", error={"status": 400, "message": message, "param": "foo"})
    async with connected(gateway) as it:
        answer = await it.ask(a_post(gateway))

    assert answer.status == 400
    assert answer.error["message"].startswith("Unknown parameter: 'foo'. Key [masked] of [masked]")
    assert answer.error["param"] == "foo"
    assert b"Ab12Cd34" not in answer.body
    assert seen(await told_to_operators(gateway)) == []


async def test_secrets_do_not_show_themselves(
    gateway: GatewayUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What holds credentials, the pepper or Redis' password does not print them."""
    monkeypatch.setenv("POINTSMAN_PEPPER", word("prompt") * 2)
    secrets = read_secrets(gateway.config)

    assert seen(repr(secrets).encode() + str(secrets).encode()) == []


def test_values_that_hold_text_do_not_show_it() -> None:
    """A request, a call and a failure can be printed: into a log, a traceback, an assertion."""
    request = parse(Endpoint.CHAT, full_chat(model=word("path")), Caps())
    complaint = complaint_of(
        400, f'{{"error": {{"message": "{word("upstream_error")}"}}}}'.encode()
    )
    failure = Failure("first/m", FailureKind.CLIENT_MISTAKE, complaint=complaint)
    provider = Provider("first", "openai", "http://first/v1")
    call = Call(request, Target("t", provider, "m", None), {"x": word("trace")}, LoopSeconds(0.0))

    assert complaint.message == word("upstream_error")
    assert seen(repr((request, failure, call)).encode()) == []


def test_refused_body_is_in_no_exception() -> None:
    """A refusal carries neither the body nor the parser's error, which would."""
    body = b'{"model": "' + word("prompt").encode()
    with pytest.raises(GatewayError) as raised:
        parse(Endpoint.CHAT, body, Caps())
    error: BaseException | None = raised.value

    while error is not None:
        assert seen(repr(error).encode() + str(vars(error)).encode()) == []
        error = error.__cause__ or error.__context__
