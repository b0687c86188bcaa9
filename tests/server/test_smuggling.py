"""One request in, at most one out: whatever is ambiguous is refused and the connection closed."""

import orjson
import pytest

from tests.gateway import GatewayUnderTest
from tests.server.raw import (
    CHAT,
    Answer,
    a_chat,
    a_post,
    arrived,
    connected,
    head_of,
    upstream_calls,
)

BODY = a_chat()
N = len(BODY)
CHUNKED = "Transfer-Encoding: chunked"
SIZED = f"Content-Length: {N}"
IN_CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (N, BODY)
CANARY = "Canary7Text"


def chunks(size: str, trailer: str = "") -> bytes:
    """The body as one chunk whose size line is *size*."""
    return b"%b\r\n%b\r\n0\r\n%b\r\n" % (size.encode("latin-1"), BODY, trailer.encode())


HEX = f"{N:x}"

REFUSED_HEADERS: dict[str, tuple[tuple[str, ...], bytes]] = {
    "both lengths": ((SIZED, CHUNKED), IN_CHUNKS),
    "both lengths, chunks first": ((CHUNKED, "Content-Length: 4"), IN_CHUNKS),
    "both lengths, zero": ((CHUNKED, "Content-Length: 0"), IN_CHUNKS),
    "length twice, alike": ((SIZED, SIZED), BODY),
    "length twice, not alike": ((SIZED, f"Content-Length: {N + 1}"), BODY),
    "length as a list": ((f"Content-Length: {N}, {N}",), BODY),
    "length with a plus": ((f"Content-Length: +{N}",), BODY),
    "length with a minus": ((f"Content-Length: -{N}",), BODY),
    "length in hex": ((f"Content-Length: 0x{N:x}",), BODY),
    "length in two parts": ((f"Content-Length: {N} {N}",), BODY),
    "length with a superscript digit": ((f"Content-Length: \xb2{N}",), BODY),
    "length empty": (("Content-Length:",), BODY),
    "length with an underscore": (("Content-Length: 1_0",), BODY),
    "length beyond 64 bits": (("Content-Length: 99999999999999999999999",), BODY),
    "length with a point": ((f"Content-Length: {N}.0",), BODY),
    "length name with a space": ((f"Content-Length : {N}",), BODY),
    "coding xchunked": (("Transfer-Encoding: xchunked",), IN_CHUNKS),
    "coding chunked, identity": (("Transfer-Encoding: chunked, identity",), IN_CHUNKS),
    "coding gzip, chunked": (("Transfer-Encoding: gzip, chunked",), IN_CHUNKS),
    "coding chunked, chunked": (("Transfer-Encoding: chunked, chunked",), IN_CHUNKS),
    "coding identity": (("Transfer-Encoding: identity",), IN_CHUNKS),
    "coding identity with a length": (("Transfer-Encoding: identity", SIZED), BODY),
    "coding twice": ((CHUNKED, CHUNKED), IN_CHUNKS),
    "coding twice, not alike": ((CHUNKED, "Transfer-Encoding: identity"), IN_CHUNKS),
    "coding name with a space": (("Transfer-Encoding : chunked",), IN_CHUNKS),
    "coding name with a tab": (("Transfer-Encoding\t: chunked",), IN_CHUNKS),
    "coding with a vertical tab": (("Transfer-Encoding: \x0bchunked",), IN_CHUNKS),
    "coding with a comma behind": (("Transfer-Encoding: chunked,",), IN_CHUNKS),
    "coding in quotes": (('Transfer-Encoding: "chunked"',), IN_CHUNKS),
    "coding folded": (("Transfer-Encoding:\r\n chunked",), IN_CHUNKS),
    "coding with a NUL": (("Transfer-Encoding: chunked\0",), IN_CHUNKS),
    "bare LF between headers": ((f"X-A: b\n{CHUNKED}", SIZED), BODY),
    "bare CR in a value": ((f"X-A: b\r{CHUNKED}", SIZED), BODY),
    "NUL in a value": (("X-A: b\0c", SIZED), BODY),
    "NUL in a name": (("X\0A: b", SIZED), BODY),
    "folded line": (("X-A: b\r\n c", SIZED), BODY),
    "folded length": (("X-A: b\r\n Content-Length: 3", SIZED), BODY),
    "space in a name": (("X A: b", SIZED), BODY),
    "no colon": ((CANARY, SIZED), BODY),
    "empty name": ((": b", SIZED), BODY),
    "name with a bracket": (("X(A): b", SIZED), BODY),
    "name beyond ASCII": (("X-\xe9: b", SIZED), BODY),
    "host twice": ((f"Host: {CANARY}", SIZED), BODY),
    "content type twice": (("Content-Type: text/plain", SIZED), BODY),
}
REFUSED_CHUNKS: dict[str, bytes] = {
    "size with a plus": chunks(f"+{HEX}"),
    "size with 0x": chunks(f"0x{HEX}"),
    "size with a minus": chunks("-1"),
    "size with a space behind": chunks(f"{HEX} "),
    "size with a space before": chunks(f" {HEX}"),
    "size with an underscore": chunks(f"{HEX}_"),
    "size empty": chunks(""),
    "size beyond 64 bits": chunks("f" * 17),
    "size too small": chunks(f"{N - 3:x}") + b"POST /" + CANARY.encode(),
    "size ends in LF": b"%x\n%b\r\n0\r\n\r\n" % (N, BODY),
    "size ends in CR": b"%x\r%b\r\n0\r\n\r\n" % (N, BODY),
    "all ends in LF": b"%x\n%b\n0\n\n" % (N, BODY),
    "data without an end": b"%x\r\n%b0\r\n\r\n" % (N, BODY),
    "extension with a bare LF": chunks(f"{HEX};a\nb"),
    "extension with an open quote": chunks(f'{HEX};a="b'),
    "extension with a NUL": chunks(f"{HEX};a\0"),
    "trailer with a length": chunks(HEX, "Content-Length: 5\r\n"),
    "trailer with a coding": chunks(HEX, f"{CHUNKED}\r\n"),
    "trailer folded": chunks(HEX, "X-A: b\r\n c\r\n"),
    "trailer without a colon": chunks(HEX, f"{CANARY}\r\n"),
}
REFUSED_LINES: dict[str, str] = {
    "HTTP/0.9, no version": f"GET {CHAT}",
    "HTTP/0.9": f"POST {CHAT} HTTP/0.9",
    "HTTP/1.2": f"POST {CHAT} HTTP/1.2",
    "HTTP/1.10": f"POST {CHAT} HTTP/1.10",
    "HTTP/2.0": f"POST {CHAT} HTTP/2.0",
    "HTTP/3": f"POST {CHAT} HTTP/3",
    "version in lower case": f"POST {CHAT} http/1.1",
    "version with a space": f"POST {CHAT} HTTP/ 1.1",
    "words behind the version": f"POST {CHAT} HTTP/1.1 {CANARY}",
    "method in lower case": f"post {CHAT} HTTP/1.1",
    "method unknown": f"{CANARY} {CHAT} HTTP/1.1",
    "method with a NUL": f"PO\0ST {CHAT} HTTP/1.1",
    "tab for a space": f"POST\t{CHAT} HTTP/1.1",
    "space in the target": f"POST {CHAT} {CANARY} HTTP/1.1",
    "target beyond ASCII": f"POST {CHAT}\xff HTTP/1.1",
    "target without a slash": f"POST {CANARY} HTTP/1.1",
}
TAKEN: dict[str, tuple[tuple[str, ...], bytes]] = {
    "length with zeros before": ((f"Content-Length: 000{N}",), BODY),
    "coding in capitals": (("Transfer-Encoding: CHUNKED",), IN_CHUNKS),
    "coding behind a tab": (("Transfer-Encoding:\tchunked",), IN_CHUNKS),
    "coding with an underscore is another header": (("Transfer_Encoding: chunked", SIZED), BODY),
    "size with zeros before": ((CHUNKED,), chunks(f"0000{HEX}")),
    "size in capitals": ((CHUNKED,), chunks(HEX.upper())),
    "extension": ((CHUNKED,), chunks(f"{HEX};a=b")),
    "extension in quotes": ((CHUNKED,), chunks(f'{HEX};a="b c"')),
    "trailer": ((CHUNKED,), chunks(HEX, "X-A: b\r\n")),
    "trailer that names a header": ((CHUNKED,), chunks(HEX, "Authorization: Bearer x\r\n")),
    "length named as hop-by-hop": (("Connection: close, Content-Length", SIZED), BODY),
    "upgrade to HTTP/2": (
        ("Connection: close, Upgrade", "Upgrade: h2c", "HTTP2-Settings: AAMA", SIZED),
        BODY,
    ),
    "upgrade to a web socket": (("Connection: close, Upgrade", "Upgrade: websocket", SIZED), BODY),
}


def answers_in(whole: bytes) -> list[Answer]:
    """The answers that *whole* consists of; all of ours tell their length."""
    found = []
    while whole:
        head, _, whole = whole.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = tuple(
            (name.lower(), value) for name, _, value in (x.partition(": ") for x in lines)
        )
        size = int(dict(headers).get("content-length", "0"))
        found.append(Answer(int(first.split(" ")[1]), headers, whole[:size]))
        whole = whole[size:]
    return found


async def refused(gateway: GatewayUnderTest, head: bytes, body: bytes) -> None:
    """Check that head and body, together or apart, get one refusal, a log line and no call."""
    smuggled = a_post(gateway)
    for pieces in ([head + body + smuggled], [head, body + smuggled]):
        async with connected(gateway) as it:
            for piece in pieces:
                it.send(piece)
                await arrived()
            whole = await it.rest()
        (answer,) = answers_in(whole)
        assert answer.status == 400
        assert answer.error["type"] == "invalid_request_error"
        assert answer.error["code"] in {"malformed_request", "body_incomplete"}
        assert answer.header("connection") == "close"
        assert CANARY.encode() not in whole
    rows = await gateway.lines.requests(2)
    assert [row["status"] for row in rows] == [400, 400]
    assert CANARY.encode() not in b"".join(gateway.lines.text)
    assert {row["event"] for row in gateway.lines.rows} == {"request"}
    assert upstream_calls(gateway) == 0


def typed_head(gateway: GatewayUnderTest, *lines: str) -> bytes:
    """The head of a POST of JSON with these header lines more."""
    return head_of(gateway, "POST", CHAT, "Content-Type: application/json", *lines)


@pytest.mark.parametrize("case", REFUSED_HEADERS)
async def test_ambiguous_head_is_refused(gateway: GatewayUnderTest, case: str) -> None:
    """A head that two parsers could read in two ways gets a 400, and nothing behind it is read."""
    lines, body = REFUSED_HEADERS[case]
    await refused(gateway, typed_head(gateway, *lines), body)


@pytest.mark.parametrize("case", REFUSED_CHUNKS)
async def test_ambiguous_chunk_is_refused(gateway: GatewayUnderTest, case: str) -> None:
    """A chunk that two parsers could read in two ways gets a 400 and goes nowhere."""
    await refused(gateway, typed_head(gateway, CHUNKED), REFUSED_CHUNKS[case])


@pytest.mark.parametrize("case", REFUSED_LINES)
async def test_ambiguous_request_line_is_refused(gateway: GatewayUnderTest, case: str) -> None:
    """Anything but `METHOD /path HTTP/1.1` (or 1.0) is no request."""
    head = typed_head(gateway, SIZED)
    line = REFUSED_LINES[case].encode("latin-1")
    await refused(gateway, line + head[head.index(b"\r\n") :], BODY)


async def test_bare_line_feeds_are_refused(gateway: GatewayUnderTest) -> None:
    """A head that ends its lines in LF alone is no request."""
    await refused(gateway, typed_head(gateway, SIZED).replace(b"\r\n", b"\n"), BODY)


async def test_folded_first_line_is_refused(gateway: GatewayUnderTest) -> None:
    """A space before the first header line does not hide it."""
    head = typed_head(gateway, SIZED).replace(b"\r\nHost", b"\r\n Host")
    await refused(gateway, head, BODY)


async def test_request_without_a_host_is_refused(gateway: GatewayUnderTest) -> None:
    """HTTP/1.1 wants a Host."""
    await refused(gateway, typed_head(gateway, SIZED).replace(b"Host: gateway\r\n", b""), BODY)


async def test_chunks_in_http_1_0_are_refused(gateway: GatewayUnderTest) -> None:
    """HTTP/1.0 knows no chunks; a proxy before us would take them for two requests."""
    head = typed_head(gateway, CHUNKED).replace(b"HTTP/1.1", b"HTTP/1.0")
    await refused(gateway, head, IN_CHUNKS)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2 preface"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS"),
        pytest.param(b"\x00\x01\x02\x03\r\n\r\n", id="bytes"),
        pytest.param(b"GET\r\n\r\n", id="one word"),
    ],
)
async def test_other_protocols_are_refused(gateway: GatewayUnderTest, sent: bytes) -> None:
    """Whatever is not HTTP/1 gets a 400 in our shape, at once."""
    await refused(gateway, sent, b"")


@pytest.mark.parametrize("case", TAKEN)
async def test_odd_but_plain_request_is_one_request(gateway: GatewayUnderTest, case: str) -> None:
    """What can be read in one way only is answered once, and goes upstream once, rebuilt."""
    lines, body = TAKEN[case]
    close = () if any(line.startswith("Connection:") for line in lines) else ("Connection: close",)
    async with connected(gateway) as it:
        it.send(typed_head(gateway, *lines, *close) + body)
        (answer,) = answers_in(await it.rest())

    assert answer.status == 200
    assert upstream_calls(gateway) == 1
    (received,) = gateway.simulator.providers["first"].received
    sent = {name.lower() for name, _ in received.headers}
    assert orjson.loads(received.body)["model"] == "sim-medium"
    assert not {"transfer-encoding", "transfer_encoding", "upgrade", "x-a"} & sent
    assert received.header("content-length") == str(len(received.body))


async def test_request_inside_a_refused_body_is_not_served(gateway: GatewayUnderTest) -> None:
    """The body of a request that was refused by its head is never read as the next request."""
    inner = a_post(gateway)
    outer = b"POST %b HTTP/1.1\r\nHost: g\r\nContent-Length: %d\r\n\r\n" % (
        CHAT.encode(),
        len(inner),
    )
    for pieces in ([outer + inner], [outer, inner]):
        async with connected(gateway) as it:
            for piece in pieces:
                it.send(piece)
                await arrived()
            last = b"GET /healthz HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"
            it.send(last)
            statuses = [answer.status for answer in answers_in(await it.rest())]
        assert statuses in ([401, 200], [401])
    assert upstream_calls(gateway) == 0


async def test_request_inside_an_upgrade_is_its_body(gateway: GatewayUnderTest) -> None:
    """Asking for another protocol turns no body into a request of its own."""
    inner = a_post(gateway)
    lines = ("Connection: Upgrade", "Upgrade: websocket", f"Content-Length: {len(inner)}")
    async with connected(gateway) as it:
        answer = await it.ask(typed_head(gateway, *lines) + inner)

    assert (answer.status, answer.error["code"]) == (400, "invalid_json")
    assert upstream_calls(gateway) == 0


async def test_pipelined_requests_are_answered_in_order(gateway: GatewayUnderTest) -> None:
    """Requests sent at once are answered one by one, each with its own answer."""
    asked = [a_post(gateway, a_chat(user=f"u{number}"), f"X-Client-Request-Id: {number}")
             for number in range(20)]  # fmt: skip
    async with connected(gateway) as it:
        it.send(b"".join(asked))
        answers = [await it.answer() for _ in asked]

    assert [answer.status for answer in answers] == [200] * 20
    received = gateway.simulator.providers["first"].received
    assert [each.header("x-client-request-id") for each in received] == [str(n) for n in range(20)]


async def test_tunnel_is_refused(gateway: GatewayUnderTest) -> None:
    """CONNECT opens nothing: it is a path that we do not serve, what follows the next request."""
    async with connected(gateway) as it:
        refusal = await it.ask(head_of(gateway, "CONNECT", "other:443") + a_post(gateway))
        answer = await it.answer()

    assert (refusal.status, refusal.error["code"]) == (404, "unknown_path")
    assert answer.status == 200
    assert upstream_calls(gateway) == 1


def test_tables_hold_what_they_promise() -> None:
    """More than sixty fixed cases, none of them twice."""
    cases = [*REFUSED_HEADERS, *REFUSED_CHUNKS, *REFUSED_LINES, *TAKEN]
    assert len(cases) == len(set(cases)) > 60
