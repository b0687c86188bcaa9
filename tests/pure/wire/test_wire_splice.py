"""Splicing: the few bytes that change, change; decoding and encoding would mean the same."""

from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.catalog import Provider, Target, UsageInStream
from proxy.domain.request import Member, Request
from proxy.wire.limits import DEPTH_CEILING
from proxy.wire.scan import mask_escapes, scan_members
from proxy.wire.splice import asks_usage, rewrite, rewrite_decoded, rewrite_members
from tests.builders import parsed
from tests.pure.wire.documents import json_values, members_object

PROVIDER = Provider("p", "openai", "http://127.0.0.1/v1")
MESSAGES = b'[{"role":"user","content":"[DONE] \\"routing\\" \xc3\xa9"}]'


OPTIONS = [
    b"null",
    b"{}",
    b"{ }",
    b'{"include_usage":false}',
    b'{"include_usage" : true , "x":1e2}',
    b'{"include_obfuscation":true}',
    b'{"x":{},"include_usage":null}',
    None,
]


LOOKALIKES = [
    (b'"stop"', b'"model"'),
    (b'"user"', b'"\\"model\\": \\"auto\\""'),
    (b'"metadata"', b'{"model":"auto","a":"b"}'),
    (b'"note"', b'"say \\"model"'),
    (b'"model\\""', b"1"),
    (b'"x\\"model"', b'"auto"'),
    (b'"stream"', b"true"),
    (b'"t"', b'"\\u00e9"'),
]


def a_target(usage: UsageInStream = UsageInStream.ASK, model: str = "vendor/m-1") -> Target:
    """A target that only *usage* and *model* tell from others."""
    return Target(f"p/{model}", PROVIDER, model, None, usage_in_stream=usage)


def members_of(body: bytes) -> dict[str, Member]:
    """Where the members of *body* stand."""
    return scan_members(body, mask_escapes(body), DEPTH_CEILING)


@given(
    st.lists(st.sampled_from(LOOKALIKES), unique_by=lambda member: member[0]),
    st.sampled_from(list(UsageInStream)),
    st.randoms(),
)
def test_search_and_scan_find_the_same_place(
    others: list[tuple[bytes, bytes]], usage: UsageInStream, random: Random
) -> None:
    """What only looks like the member `model`, in texts or further in, is never taken for it."""
    members = [(b'"model"', b'"auto"'), (b'"messages"', MESSAGES), *others]
    random.shuffle(members)
    request_ = parsed(b"{" + b",".join(key + b":" + value for key, value in members) + b"}")
    target = a_target(usage)
    assert rewrite(request_, target) == rewrite_members(request_, target)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """Chat requests with our members in any order, among others, oddly spelled and spaced."""
    extra = draw(st.dictionaries(st.sampled_from(["a", "stop", 'é"', "top_k"]), json_values()))
    members = {"model": b'"auto"', "messages": MESSAGES, **extra}
    ours = {
        "stream_options": draw(st.sampled_from(OPTIONS)),
        "stream": draw(st.sampled_from([b"true", b"false", b"null", None])),
        "routing": draw(st.sampled_from([b"{}", b'{"feature":"x,y}"}', None])),
    }
    members |= {name: value for name, value in ours.items() if value is not None}
    names = draw(st.permutations(list(members)))
    return parsed(draw(members_object({name: members[name] for name in names})))


@given(requests(), st.sampled_from(list(UsageInStream)), st.sampled_from(["m", 'é"\\/', "a:b"]))
def test_splicing_and_encoding_mean_the_same(
    request_: Request, usage: UsageInStream, model: str
) -> None:
    """Both ways to rewrite a body give the same JSON."""
    target = a_target(usage, model)
    spliced = orjson.loads(rewrite(request_, target))
    assert spliced == orjson.loads(rewrite_decoded(request_, target))
    assert spliced["model"] == model
    assert "routing" not in spliced


@given(requests(), st.sampled_from(list(UsageInStream)))
def test_splicing_leaves_every_other_member_as_it_was(
    request_: Request, usage: UsageInStream
) -> None:
    """Members that need no change keep their bytes and their order."""
    body = rewrite(request_, a_target(usage))
    members, after = members_of(request_.body), members_of(body)
    kept = [name for name in members if name not in ("model", "routing", "stream_options")]
    assert [name for name in after if name in kept] == kept
    for name in kept:
        before, now = members[name], after[name]
        assert body[now.key_start : now.end] == request_.body[before.key_start : before.end]


def spliced(body: bytes, usage: UsageInStream = UsageInStream.ASK) -> bytes:
    """What a target gets of *body*."""
    return rewrite(parsed(body), a_target(usage))


M = b'"messages":' + MESSAGES


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"model":"a",' + M + b',"n":null,"t":1e2}',
         b'{"model":"vendor/m-1",' + M + b',"n":null,"t":1e2}'),
        (b'{"routing":{}, "model" : "a",' + M + b"} ", b'{"model" : "vendor/m-1",' + M + b"} "),
        (b'{"model":"a",' + M + b' , "routing":{} }', b'{"model":"vendor/m-1",' + M + b" }"),
        (b'{"model":"a","routing":{},' + M + b"}", b'{"model":"vendor/m-1",' + M + b"}"),
    ],
)  # fmt: skip
def test_plain_request_changes_in_model_and_routing_only(before: bytes, after: bytes) -> None:
    """Numbers, white space and order outlive the rewriting."""
    assert spliced(before) == after


@pytest.mark.parametrize(
    ("options", "after"),
    [
        (b"", b""),
        (b',"stream_options":null', b',"stream_options":{"include_usage":true}'),
        (b',"stream_options":{}', b',"stream_options":{"include_usage":true}'),
        (b',"stream_options":{"include_usage":false}', b',"stream_options":{"include_usage":true}'),
        (b',"stream_options":{"x":1}', b',"stream_options":{"include_usage":true,"x":1}'),
    ],
)
def test_stream_asks_for_usage_whatever_the_client_said(options: bytes, after: bytes) -> None:
    """A target that reports usage when asked is asked."""
    put_in = b"" if options else b',"stream_options":{"include_usage":true}'
    body = b'{"model":"a","stream":true,' + M + options + b"}"
    assert (
        spliced(body) == b'{"model":"vendor/m-1"' + put_in + b',"stream":true,' + M + after + b"}"
    )


def test_stream_options_go_where_a_target_does_not_know_them() -> None:
    """`never` takes stream_options out, with routing beside it too."""
    body = (
        b'{"model":"a",'
        + M
        + b',"routing":{},"stream_options":{"include_usage":true},"stream":true}'
    )
    assert spliced(body, UsageInStream.NEVER) == b'{"model":"vendor/m-1",' + M + b',"stream":true}'


@pytest.mark.parametrize("key", [b'"mod\\u0065l"', b'"\\u006dodel"'])
def test_escaped_keys_of_ours_are_settled_by_encoding(key: bytes) -> None:
    """An upstream sees our keys in their plain spelling, whatever the client wrote."""
    body = spliced(b"{" + key + b':"a",' + M + b',"x":1e2}')
    assert body.startswith(b'{"model":"vendor/m-1"')


@pytest.mark.parametrize(
    ("extra", "usage", "asked"),
    [
        (b',"stream":true', UsageInStream.ASK, True),
        (b',"stream":true', UsageInStream.ALWAYS, False),
        (b',"stream":true', UsageInStream.NEVER, False),
        (b',"stream":false', UsageInStream.ASK, False),
        (b',"stream":true,"stream_options":{"include_usage":true}', UsageInStream.ASK, False),
    ],
)
def test_usage_is_ours_only_where_nobody_else_asked(
    extra: bytes, usage: UsageInStream, *, asked: bool
) -> None:
    """The usage event is taken out only where it is there on our account."""
    request = parsed(b'{"model":"a",' + M + extra + b"}")
    assert asks_usage(request, a_target(usage)) is asked


def test_options_without_stream_pass_on() -> None:
    """stream_options of a plain request are the provider's business."""
    body = b'{"model":"a",' + M + b',"stream_options":{"include_usage":false}}'
    after: dict[str, Any] = orjson.loads(spliced(body))
    assert after["stream_options"] == {"include_usage": False}
