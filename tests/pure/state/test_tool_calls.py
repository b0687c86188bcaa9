"""Who issued which tool call, for as long as that is remembered."""

from proxy.state.tool_calls import ToolCallOrigins


def test_newest_known_call_tells() -> None:
    """Of several results the last whose issuer is known counts."""
    origins = ToolCallOrigins()
    origins.issued(["a", "b"], "first")
    origins.issued(["c"], "second")
    assert origins.origin_of(["a", "c", "unknown"]) == "second"
    assert origins.origin_of(["c", "a"]) == "first"
    assert origins.origin_of(["unknown"]) is None
    assert origins.origin_of([]) is None


def test_oldest_calls_are_forgotten() -> None:
    """Memory is bounded by the number of calls."""
    origins = ToolCallOrigins(max_calls=2)
    origins.issued(["a", "b", "c"], "first")
    assert origins.origin_of(["a"]) is None
    assert origins.origin_of(["c"]) == "first"
