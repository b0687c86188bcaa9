"""Bad input gets a clear error and costs nothing: no call upstream, and the connection lives on."""

from dataclasses import dataclass

import orjson
import pytest

from tests.gateway import GatewayUnderTest
from tests.server.raw import (
    CHAT,
    Answer,
    a_chat,
    a_get,
    a_post,
    arrived,
    connected,
    head_of,
    upstream_calls,
)

COMPLETIONS = "/v1/completions"
EMBEDDINGS = "/v1/embeddings"
HELLO = '[{"role":"user","content":"Hello"}]'


@dataclass(frozen=True)
class Bad:
    """A body, and what its refusal says."""

    body: bytes
    code: str
    param: str | None = None
    status: int = 400
    path: str = CHAT
    says: str = ""


def text(members: str) -> bytes:
    """The body of a request for the route `auto`, with *members* as they are written."""
    return ('{"model":"auto",' + members + "}").encode()


BODIES = {
    "empty": Bad(b"", "invalid_json", says="empty"),
    "white space": Bad(b" \n\t ", "invalid_json", says="empty"),
    "not JSON": Bad(b"hello", "invalid_json", says="line 1"),
    "cut": Bad(a_chat()[:-1], "invalid_json"),
    "something behind": Bad(a_chat() + b"{}", "invalid_json"),
    "single quotes": Bad(b"{'model':'auto'}", "invalid_json"),
    "comma at the end": Bad(b'{"model":"auto",}', "invalid_json"),
    "comment": Bad(b'{"model":"auto"/* */}', "invalid_json"),
    "NaN": Bad(text('"temperature":NaN,"messages":' + HELLO), "invalid_json"),
    "Infinity": Bad(text('"temperature":-Infinity,"messages":' + HELLO), "invalid_json"),
    "byte order mark": Bad(b"\xef\xbb\xbf" + a_chat(), "invalid_json", says="byte order mark"),
    "not UTF-8": Bad(b'{"model":"\xff"}', "invalid_json"),
    "UTF-16": Bad(a_chat().decode().encode("utf-16"), "invalid_json"),
    "lone surrogate": Bad(b'{"model":"\\ud800"}', "invalid_json"),
    "control byte": Bad(b'{"model":"a\x00b"}', "invalid_json"),
    "list": Bad(b"[]", "invalid_body"),
    "string": Bad(b'"auto"', "invalid_body"),
    "number": Bad(b"1", "invalid_body"),
    "null": Bad(b"null", "invalid_body"),
    "no model": Bad(b'{"messages":' + HELLO.encode() + b"}", "missing_field", "model"),
    "model null": Bad(a_chat(model=None), "missing_field", "model"),
    "model a number": Bad(a_chat(model=1), "invalid_field", "model"),
    "model empty": Bad(a_chat(model=""), "invalid_field", "model"),
    "model too long": Bad(a_chat(model="x" * 257), "invalid_field", "model"),
    "model unknown": Bad(a_chat(model="gpt-99"), "model_not_found", "model", 404, says="auto, "),
    "model with blanks": Bad(a_chat(model=" auto"), "model_not_found", "model", 404),
    "model in capitals": Bad(a_chat(model="AUTO"), "model_not_found", "model", 404),
    "model with control bytes": Bad(
        a_chat(model="a\r\nb\x1b[31m"), "model_not_found", "model", 404, says="'a??b?[31m'"
    ),
    "no messages": Bad(b'{"model":"auto"}', "missing_field", "messages"),
    "messages null": Bad(a_chat(messages=None), "missing_field", "messages"),
    "messages a string": Bad(a_chat(messages="Hello"), "invalid_field", "messages"),
    "messages an object": Bad(a_chat(messages={}), "invalid_field", "messages"),
    "messages empty": Bad(a_chat(messages=[]), "invalid_field", "messages"),
    "message a string": Bad(a_chat(messages=["Hello"]), "invalid_field", "messages[0]"),
    "no role": Bad(a_chat(messages=[{"content": "x"}]), "missing_field", "messages[0].role"),
    "role unknown": Bad(
        a_chat(messages=[{"role": "user"}, {"role": "king"}]), "invalid_field", "messages[1].role"
    ),
    "model twice": Bad(
        text('"model":"one","messages":' + HELLO), "duplicate_field", "model", says="twice"
    ),
    "model twice, once in escapes": Bad(
        text('"mod\\u0065l":"one","messages":' + HELLO), "duplicate_field", "model"
    ),
    "messages twice": Bad(
        text(f'"messages":{HELLO},"messages":{HELLO}'), "duplicate_field", "messages"
    ),
    "unknown field twice": Bad(
        text(f'"x":1,"x":2,"messages":{HELLO}'), "duplicate_field", "x"
    ),
    "role twice": Bad(
        text('"messages":[{"role":"user","role":"tool","content":"x"}]'), "duplicate_field", "role"
    ),
    "include_usage twice": Bad(
        text(
            '"stream":true,"stream_options":{"include_usage":true,"include_usage":false},'
            f'"messages":{HELLO}'
        ),
        "duplicate_field",
        "include_usage",
    ),
    "model in another case": Bad(
        text(f'"Model":"one","messages":{HELLO}'), "invalid_field", "Model", says="'model'"
    ),
    "stream a string": Bad(a_chat(stream="true"), "invalid_field", "stream"),
    "stream a number": Bad(a_chat(stream=1), "invalid_field", "stream"),
    "stream_options a list": Bad(a_chat(stream=True, stream_options=[]), "invalid_field",
                                 "stream_options"),
    "include_usage a string": Bad(
        a_chat(stream=True, stream_options={"include_usage": "yes"}),
        "invalid_field",
        "stream_options.include_usage",
    ),
    "response_format a string": Bad(a_chat(response_format="json"), "invalid_field",
                                    "response_format"),
    "routing a string": Bad(a_chat(routing="cheap"), "invalid_field", "routing"),
    "max_tokens 0": Bad(a_chat(max_tokens=0), "invalid_field", "max_tokens"),
    "max_tokens -1": Bad(a_chat(max_tokens=-1), "invalid_field", "max_tokens"),
    "max_tokens 2^63": Bad(a_chat(max_tokens=2**63), "invalid_field", "max_tokens"),
    "max_tokens 1e308": Bad(text(f'"max_tokens":1e308,"messages":{HELLO}'), "invalid_field",
                            "max_tokens"),
    "max_tokens 1e400": Bad(text(f'"max_tokens":1e400,"messages":{HELLO}'), "invalid_json"),
    "max_tokens 1.5": Bad(a_chat(max_tokens=1.5), "invalid_field", "max_tokens"),
    "max_tokens a string": Bad(a_chat(max_tokens="10"), "invalid_field", "max_tokens"),
    "max_tokens true": Bad(a_chat(max_tokens=True), "invalid_field", "max_tokens"),
    "max_tokens of 100,000 digits": Bad(
        text(f'"max_tokens":{"9" * 100_000},"messages":{HELLO}'), "invalid_json"
    ),
    "max_completion_tokens -5": Bad(a_chat(max_completion_tokens=-5), "invalid_field",
                                    "max_completion_tokens"),
    "n 0": Bad(a_chat(n=0), "invalid_field", "n"),
    "n 129": Bad(a_chat(n=129), "invalid_field", "n", says="128"),
    "temperature a string": Bad(a_chat(temperature="hot"), "invalid_field", "temperature"),
    "top_p a list": Bad(a_chat(top_p=[1]), "invalid_field", "top_p"),
    "completion without a prompt": Bad(b'{"model":"auto"}', "missing_field", "prompt",
                                       path=COMPLETIONS),
    "completion of nothing": Bad(b'{"model":"auto","prompt":[]}', "invalid_field", "prompt",
                                 path=COMPLETIONS),
    "completion of objects": Bad(b'{"model":"auto","prompt":[{}]}', "invalid_field", "prompt",
                                 path=COMPLETIONS),
    "embedding without an input": Bad(b'{"model":"embeddings"}', "missing_field", "input",
                                      path=EMBEDDINGS),
    "embedding of an empty text": Bad(b'{"model":"embeddings","input":""}', "invalid_field",
                                      "input", path=EMBEDDINGS),
    "embedding of numbers with a point": Bad(b'{"model":"embeddings","input":[1.5]}',
                                             "invalid_field", "input", path=EMBEDDINGS),
    "chat of an embeddings route": Bad(a_chat(model="embeddings"), "no_target", status=422,
                                       says="wrong_endpoint"),
    "embedding of a chat route": Bad(b'{"model":"one","input":"x"}', "no_target", status=422,
                                     path=EMBEDDINGS, says="first/sim-medium"),
}  # fmt: skip


@pytest.mark.parametrize("case", BODIES)
async def test_bad_body_is_refused_and_the_connection_lives_on(
    gateway: GatewayUnderTest, case: str
) -> None:
    """The refusal names the field and what is wrong with it; the next request is served."""
    bad = BODIES[case]
    async with connected(gateway) as it:
        answer = await it.ask(a_post(gateway, bad.body, path=bad.path))
        assert upstream_calls(gateway) == 0
        assert (await it.ask(a_post(gateway))).status == 200

    error = answer.error
    assert (answer.status, error["code"], error["param"]) == (bad.status, bad.code, bad.param)
    assert error["type"] == ("gateway_error" if bad.status == 422 else "invalid_request_error")
    assert bad.says in error["message"]
    assert answer.header("x-should-retry") == "false"
    assert (answer.header("connection"), answer.header("retry-after")) == (None, None)
    (row, _) = await gateway.lines.requests(2)
    assert (row["status"], row["error_code"], row["attempts"]) == (bad.status, bad.code, [])


async def test_million_members_are_refused(gateway: GatewayUnderTest) -> None:
    """Members of the body are counted before each is looked at."""
    members = ",".join(f'"m{number}":0' for number in range(200_000))
    async with connected(gateway) as it:
        answer = await it.ask(a_post(gateway, text(members)))

    assert (answer.status, answer.error["code"]) == (400, "too_many_fields")


TYPES = {
    "none": ((), 415),
    "text": (("Content-Type: text/plain",), 415),
    "form": (("Content-Type: application/x-www-form-urlencoded",), 415),
    "multipart": (("Content-Type: multipart/form-data; boundary=x",), 415),
    "almost": (("Content-Type: application/jsonp",), 415),
    "a kind of JSON": (("Content-Type: application/problem+json",), 415),
    "empty": (("Content-Type:",), 415),
    "latin-1": (("Content-Type: application/json; charset=iso-8859-1",), 415),
    "UTF-16": (('Content-Type: application/json; x=y; charset="UTF-16"',), 415),
    "plain": (("Content-Type: application/json",), 200),
    "capitals": (("Content-Type: Application/JSON",), 200),
    "UTF-8": (("Content-Type: application/json; charset=utf-8",), 200),
    "UTF-8 in quotes": (('Content-Type: application/json;charset="UTF-8"',), 200),
    "UTF-8 and more": (("Content-Type: application/json; charset=utf-8; profile=x",), 200),
    "other parameter": (("Content-Type: application/json; odata=verbose",), 200),
    "gzip": (("Content-Type: application/json", "Content-Encoding: gzip"), 415),
    "brotli": (("Content-Type: application/json", "Content-Encoding: br"), 415),
    "zstd": (("Content-Type: application/json", "Content-Encoding: ZSTD"), 415),
    "two encodings": (("Content-Type: application/json", "Content-Encoding: identity, gzip"), 415),
    "unknown encoding": (("Content-Type: application/json", "Content-Encoding: none"), 415),
    "identity": (("Content-Type: application/json", "Content-Encoding: identity"), 200),
}


@pytest.mark.parametrize("case", TYPES)
async def test_content_type_and_encoding_are_json_plain_and_utf8(
    gateway: GatewayUnderTest, case: str
) -> None:
    """Anything else is a 415 that says what to send; it is refused before it is read."""
    lines, status = TYPES[case]
    body = a_chat()
    async with connected(gateway) as it:
        sent = head_of(gateway, "POST", CHAT, *lines, f"Content-Length: {len(body)}") + body
        answer = await it.ask(sent)

    assert answer.status == status
    if status == 415:
        encoded = any("Content-Encoding" in line for line in lines)
        code = "unsupported_content_encoding" if encoded else "unsupported_content_type"
        assert answer.error["code"] == code
        assert upstream_calls(gateway) == 0


PATHS = {
    "root": ("GET", "/", 404, "unknown_path"),
    "unknown": ("POST", "/v1/responses", 404, "unknown_path"),
    "slash behind": ("POST", CHAT + "/", 404, "unknown_path"),
    "slash twice": ("POST", "/" + CHAT, 404, "unknown_path"),
    "no version": ("POST", "/chat/completions", 404, "unknown_path"),
    "dots": ("POST", "/v1/x/../chat/completions", 404, "unknown_path"),
    "escaped": ("POST", "/v1/chat%2fcompletions", 404, "unknown_path"),
    "capitals": ("POST", "/V1/chat/completions", 404, "unknown_path"),
    "models with a slash": ("GET", "/v1/models/", 404, "unknown_path"),
    "star": ("OPTIONS", "*", 404, "unknown_path"),
    "fragment": ("GET", "/v1/models#x", 404, "unknown_path"),
    "chat read": ("GET", CHAT, 405, "method_not_allowed"),
    "chat put": ("PUT", CHAT, 405, "method_not_allowed"),
    "chat deleted": ("DELETE", CHAT, 405, "method_not_allowed"),
    "chat's options": ("OPTIONS", CHAT, 405, "method_not_allowed"),
    "embeddings traced": ("TRACE", EMBEDDINGS, 405, "method_not_allowed"),
    "models posted": ("POST", "/v1/models", 405, "method_not_allowed"),
    "model deleted": ("DELETE", "/v1/models/auto", 405, "method_not_allowed"),
    "health posted": ("POST", "/healthz", 405, "method_not_allowed"),
    "metrics put": ("PUT", "/metrics", 405, "method_not_allowed"),
}


@pytest.mark.parametrize("case", PATHS)
async def test_wrong_path_or_method_is_refused(gateway: GatewayUnderTest, case: str) -> None:
    """Paths are taken as they are written; a known one with another method says which it takes."""
    method, path, status, code = PATHS[case]
    async with connected(gateway) as it:
        answer = await it.ask(head_of(gateway, method, path, "Content-Length: 0"))
        assert (await it.ask(a_get(gateway, "/healthz"))).status == 200

    assert (answer.status, answer.error["code"]) == (status, code)
    if status == 405:
        allowed = answer.header("allow")
        assert allowed == ("POST" if path in (CHAT, EMBEDDINGS) else "GET")
        assert f"Allowed: {allowed}" in answer.error["message"]
    (row,) = await gateway.lines.requests(1)
    assert row["path"] in {"other", CHAT, EMBEDDINGS, "/v1/models", "/v1/models/{id}", "/healthz",
                           "/metrics"}  # fmt: skip
    assert upstream_calls(gateway) == 0


@pytest.mark.parametrize(
    ("path", "status"), [(CHAT, 405), ("/v1/models", 405), ("/healthz", 200), ("/nowhere", 404)]
)
async def test_head_gets_no_body(gateway: GatewayUnderTest, path: str, status: int) -> None:
    """HEAD is refused like other methods but by probes; the answer has a length and no body."""
    async with connected(gateway) as it:
        it.send(head_of(gateway, "HEAD", path, "Connection: close"))
        head, _, body = (await it.rest()).partition(b"\r\n\r\n")

    assert int(head.split(b" ")[1]) == status
    assert b"content-length: " in head
    assert body == b""


@pytest.mark.parametrize("target", [f"http://gateway{CHAT}", f"HTTPS://other:1{CHAT}?x=http://y"])
async def test_target_may_be_a_whole_url(gateway: GatewayUnderTest, target: str) -> None:
    """A request as proxies get them is served; which host it names does not matter."""
    async with connected(gateway) as it:
        assert (await it.ask(a_post(gateway, path=target))).status == 200
        assert (await it.ask(a_get(gateway, "http://gateway"))).status == 404
        assert (await it.ask(a_get(gateway, "ftp://gateway/v1/models"))).status == 404


async def test_query_of_the_client_goes_nowhere(gateway: GatewayUnderTest) -> None:
    """A query is neither refused nor passed on: it could name another account's version."""
    async with connected(gateway) as it:
        answer = await it.ask(a_post(gateway, path=f"{CHAT}?api-version=1&key=x"))

    assert answer.status == 200
    (received,) = gateway.simulator.providers["first"].received
    assert received.target == CHAT


async def asked_first(gateway: GatewayUnderTest, head: bytes) -> Answer:
    """What a client hears that sends only *head*, and waits to be told to go on."""
    async with connected(gateway) as it:
        return await it.ask(head)


async def test_client_that_asks_first_is_told_to_go_on(gateway: GatewayUnderTest) -> None:
    """Expect: 100-continue gets its 100 once the head was found good, then the answer."""
    body = a_chat()
    whole = a_post(gateway, body, "Expect: 100-Continue")
    async with connected(gateway) as it:
        interim = await it.ask(whole[: -len(body)])
        answer = await it.ask(body)

    assert (interim.status, interim.headers, answer.status) == (100, (), 200)


async def test_client_that_asks_first_but_sends_all_is_not_told(gateway: GatewayUnderTest) -> None:
    """A body that has come already needs no invitation."""
    async with connected(gateway) as it:
        assert (await it.ask(a_post(gateway, None, "Expect: 100-continue"))).status == 200


async def test_http_1_0_is_never_told_to_go_on(gateway: GatewayUnderTest) -> None:
    """HTTP/1.0 knows no interim answers."""
    body = a_chat()
    whole = a_post(gateway, body, "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
    async with connected(gateway) as it:
        it.send(whole[: -len(body)])
        await arrived()
        it.send(body)
        assert (await it.answer()).status == 200


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((), 401),
        (("Content-Type: text/plain",), 415),
        (("Content-Type: application/json", "Content-Encoding: gzip"), 415),
        (("Content-Type: application/json", f"Content-Length: {10**12}"), 413),
    ],
)
async def test_client_that_asks_first_and_is_refused_need_not_send(
    gateway: GatewayUnderTest, lines: tuple[str, ...], status: int
) -> None:
    """The refusal comes in place of the 100, and closes: the body may not follow."""
    length = () if status == 413 else ("Content-Length: 99",)
    head = head_of(gateway, "POST", CHAT, *lines, *length, "Expect: 100-continue")
    if status == 401:
        head = head.replace(f"Bearer {gateway.token}".encode(), b"Bearer other", 1)
    answer = await asked_first(gateway, head)

    assert answer.status == status
    assert answer.header("connection") == "close"


async def test_unknown_fields_and_odd_numbers_pass(gateway: GatewayUnderTest) -> None:
    """What routing need not know goes through as it was written."""
    body = (
        b'{ "model" : "auto","messages":[{"role":"user","content":"\\u00e9 \\ud83d\\ude00"}],'
        b'"temperature":1e2,"x":{"y":[1.0,1E+2,-0]},"seed":12345678901234567890}'
    )
    async with connected(gateway) as it:
        answer = await it.ask(a_post(gateway, body))

    assert answer.status == 200
    (received,) = gateway.simulator.providers["first"].received
    assert received.body == body.replace(b'"auto"', b'"sim-medium"')
    assert orjson.loads(received.body)["model"] == "sim-medium"
