"""The bars: met, missed and by how much, not measured."""

from loadtest.bars import BARS, Bar, verdicts
from loadtest.rows import Row

ENVOY = Row(proxy="envoy", cpu_us_per_call=50.0)
AT_MOST = Bar("CPU per plain call", "cpu_us_per_call", 1.8, 1.5, other="envoy")
AT_LEAST = Bar("requests/s", "requests_per_s", 100, 150, other="litellm", at_least=True)
ABSOLUTE = Bar("memory at rest", "rss_mb", 100, 80, "MB")


def verdict(bar: Bar, *rows: Row) -> str:
    """The end of the bar's line."""
    (line,) = verdicts(rows, [bar])
    return line.rpartition(": ")[2]


def ours(**figures: float) -> Row:
    """The gateway's row."""
    return Row(proxy="pointsman", **figures)  # type: ignore[arg-type]  # figures only


def test_met_bar_says_whether_the_aim_is_met_too() -> None:
    """Where it should come to is told apart from what is promised."""
    assert verdict(AT_MOST, ENVOY, ours(cpu_us_per_call=85.0)) == "1.7 x, met"
    assert verdict(AT_MOST, ENVOY, ours(cpu_us_per_call=75.0)) == "1.5 x, met, and the aim"


def test_missed_bar_says_by_how_much() -> None:
    """A reader sees at once how far there is to go."""
    assert verdict(AT_MOST, ENVOY, ours(cpu_us_per_call=180.0)) == "3.6 x, MISSED by 100%"
    assert verdict(ABSOLUTE, ours(rss_mb=125.0)) == "125 MB, MISSED by 25%"


def test_bar_from_below_counts_the_other_way() -> None:
    """More is better for what must reach a figure."""
    litellm = Row(proxy="litellm", requests_per_s=100.0)

    assert verdict(AT_LEAST, litellm, ours(requests_per_s=12_000.0)) == "120 x, met"
    assert verdict(AT_LEAST, litellm, ours(requests_per_s=8_000.0)) == "80 x, MISSED by 20%"


def test_missing_program_is_no_pass() -> None:
    """What was not measured is said to be so."""
    assert verdict(AT_MOST, ours(cpu_us_per_call=1.0)) == "not measured"
    assert verdict(AT_MOST, ENVOY, ours()) == "not measured"
    assert verdict(ABSOLUTE) == "not measured"


def test_every_bar_names_a_figure_that_rows_have() -> None:
    """A renamed figure cannot turn a bar into one that is never measured."""
    assert all(hasattr(ENVOY, bar.figure) for bar in BARS)


def test_every_aim_is_as_strict_as_its_bar() -> None:
    """An aim lies beyond its bar, never before it."""
    assert all(bar.met(bar.aim, bar.bar) for bar in BARS)
