"""Who issued which tool call, for as long as that is remembered."""

from proxy.state.tool_calls import ToolCallOrigins


def test_newest_known_call_tells() -> None:
    """Of several results the last whose issuer is known counts."""
    origins = ToolCallOrigins()
    origins.issued("acme", ["a", "b"], "first")
    origins.issued("acme", ["c"], "second")
    assert origins.origin_of("acme", ["a", "c", "unknown"]) == "second"
    assert origins.origin_of("acme", ["c", "a"]) == "first"
    assert origins.origin_of("acme", ["unknown"]) is None
    assert origins.origin_of("acme", []) is None


def test_oldest_calls_are_forgotten() -> None:
    """Memory is bounded by the number of calls."""
    origins = ToolCallOrigins(max_calls=2)
    origins.issued("acme", ["a", "b", "c"], "first")
    assert origins.origin_of("acme", ["a"]) is None
    assert origins.origin_of("acme", ["c"]) == "first"
