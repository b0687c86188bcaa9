"""Event streams as providers send them, and what a tap should find in each. Values only."""

from dataclasses import dataclass

from proxy.domain.usage import Usage


@dataclass(frozen=True, slots=True)
class Recorded:
    """`sent` is the upstream's; `usage_event` the part of it that is taken out when asked for."""

    name: str
    sent: bytes
    usage: Usage | None
    finish_reason: str | None
    done: bool = True
    usage_event: bytes = b""

    @property
    def stripped(self) -> bytes:
        """What the client gets when the usage event is the gateway's."""
        return self.sent.replace(self.usage_event, b"") if self.usage_event else self.sent


def _event(json: str) -> bytes:
    return b"data: " + json.encode() + b"\n\n"


def chunk(delta: str, finish: str = "null", extra: str = "") -> bytes:
    """An OpenAI chunk: *delta* and *finish* are JSON, *extra* follows `choices`."""
    return _event(
        '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1764000000,'
        '"model":"gpt-4o-mini","choices":[{"index":0,"delta":' + delta + ',"logprobs":null,'
        '"finish_reason":' + finish + "}]" + extra + "}"
    )


DONE = b"data: [DONE]\n\n"
NULL_USAGE = ',"usage":null'
OPENAI_USAGE = _event(
    '{"id":"chatcmpl-1","object":"chat.completion.chunk","model":"gpt-4o-mini","choices":[],'
    '"usage":{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29,'
    '"prompt_tokens_details":{"cached_tokens":8},"completion_tokens_details":{"reasoning_tokens":3}}}'
)
OPENAI = Recorded(
    "openai",
    chunk('{"role":"assistant","content":"","refusal":null}', extra=NULL_USAGE)
    + chunk('{"content":"Hello"}', extra=NULL_USAGE)
    + chunk('{"content":" \\"usage\\": {\\"prompt_tokens\\": 1} [DONE] error"}', extra=NULL_USAGE)
    + chunk("{}", '"stop"', extra=NULL_USAGE)
    + OPENAI_USAGE
    + DONE,
    Usage(20, 9, cached_tokens=8, reasoning_tokens=3),
    "stop",
    usage_event=OPENAI_USAGE,
)
PARALLEL_TOOLS = Recorded(
    "parallel tools",
    chunk(
        '{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_a","type":'
        '"function","function":{"name":"weather","arguments":""}}]}'
    )
    + chunk('{"tool_calls":[{"index":0,"function":{"arguments":"{\\"city\\":\\"Rome\\"}"}}]}')
    + chunk(
        '{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":'
        '{"name":"time","arguments":"{}"}}]}'
    )
    + chunk("{}", '"tool_calls"')
    + DONE,
    None,
    "tool_calls",
)
CRLF = Recorded(
    "crlf",
    OPENAI.sent.replace(b"\n", b"\r\n"),
    OPENAI.usage,
    "stop",
    usage_event=OPENAI_USAGE.replace(b"\n", b"\r\n"),
)
CR = Recorded(
    "cr",
    OPENAI.sent.replace(b"\n", b"\r"),
    OPENAI.usage,
    "stop",
    usage_event=OPENAI_USAGE.replace(b"\n", b"\r"),
)
MIXED_ENDS = Recorded(
    "mixed line ends",
    b"event: message\rid: 7\r\ndata:"
    + chunk('{"content":"a"}')[6:-2]
    + b"\n\r\ndata: "
    + chunk("{}", '"stop"')[6:-2]
    + b"\r\n\ndata:[DONE]\r\r",
    None,
    "stop",
)
THINKING = Recorded(
    "comments while thinking (OpenRouter)",
    b": OPENROUTER PROCESSING\n\n" * 3
    + chunk('{"role":"assistant","content":"","reasoning":"so, error: none"}')
    + b": OPENROUTER PROCESSING\n\n"
    + chunk('{"content":"ok"}', '"stop"', ',"usage":null')
    + chunk("{}", extra=',"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}')
    + DONE,
    Usage(5, 2),
    "stop",
)
MULTI_BYTE = Recorded(
    "multi-byte text",
    chunk('{"content":"Grüße, 世界 👩‍👩‍👧‍👦"}')
    + chunk('{"content":"\u2028 жук \\ud83d\\ude00"}', '"length"')
    + DONE,
    None,
    "length",
)
UNKNOWN_EVENTS = Recorded(
    "unknown events",
    b"retry: 3000\nid: 1\n\n"
    + b"event: ping\ndata: \n\n"
    + b"event: ping\ndata: not json, an error\n\n"
    + chunk('{"content":"x"}').replace(b'"choices"', b'\ndata: "choices"')
    + b"event: future\ndata: {}\n\n"
    + chunk("{}", '"stop"')
    + DONE,
    None,
    "stop",
)
AZURE = Recorded(
    "azure",
    _event(
        '{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":'
        '[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false}}}]}'
    )
    + chunk('{"content":"Hi"}')
    + chunk("{}", '"content_filter"')
    + OPENAI_USAGE
    + DONE,
    OPENAI.usage,
    "content_filter",
    usage_event=OPENAI_USAGE,
)
GROQ = Recorded(
    "groq",
    chunk('{"role":"assistant","content":""}', extra=',"x_groq":{"id":"req_1"}')
    + chunk('{"content":"Hi"}')
    + chunk(
        "{}",
        '"stop"',
        ',"x_groq":{"id":"req_1","usage":{"queue_time":0.01,"prompt_tokens":11,'
        '"completion_tokens":4,"total_tokens":15}}',
    )
    + DONE,
    Usage(11, 4),
    "stop",
)
NO_DONE = Recorded(
    "no [DONE]",
    chunk('{"content":"Hi"}') + chunk("{}", '"stop"'),
    None,
    "stop",
    done=False,
)

STREAMS = (
    OPENAI,
    PARALLEL_TOOLS,
    CRLF,
    CR,
    MIXED_ENDS,
    THINKING,
    MULTI_BYTE,
    UNKNOWN_EVENTS,
    AZURE,
    GROQ,
    NO_DONE,
)

ERROR = _event('{"error":{"message":"secret prompt text","type":"server_error","code":502}}')
OPENROUTER_ERROR = _event(
    '{"id":"gen-1","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}],'
    '"error":{"code":"server_error","message":"Provider disconnected"}}'
)
