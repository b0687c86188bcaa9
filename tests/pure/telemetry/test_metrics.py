"""What is counted, and that several processes sum up."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from proxy.domain.outcome import Ending
from proxy.domain.record import Attempt
from proxy.domain.usage import Evidence, Usage
from proxy.telemetry import series
from proxy.telemetry.metrics import Metrics, clear_directory, mark_process_dead
from proxy.units import NanoUsd
from tests.builders import a_candidate, a_decision, a_target, some_facts
from tests.pure.telemetry.records import a_record

ROOT = Path(__file__).resolve().parents[3]


def samples(page: bytes) -> dict[str, float]:
    """The samples of *page* by name and labels, as in `name{label="value"}`."""
    return {
        sample.name
        + "{"
        + ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
        + "}": sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def test_answer_is_counted_by_route_target_and_tenant() -> None:
    """A request that was answered counts once in everything that it did."""
    metrics = Metrics("1.2.3")

    for _ in range(2):  # the second time from the kept series
        metrics.request_started()
        metrics.request_ended(a_record())
    page, content_type = metrics.render()
    found = samples(page)

    assert content_type.startswith("text/plain")
    expected = {
        'pointsman_requests_total{endpoint="chat/completions",route="auto",status="200"}': 2,
        'pointsman_endings_total{ending="complete"}': 2,
        'pointsman_attempts_total{outcome="rate_limited",target="sim-a/fast"}': 2,
        'pointsman_attempts_total{outcome="answered",target="sim-b/fast"}': 2,
        'pointsman_tokens_total{class="prompt",evidence="reported",target="sim-b/fast"}': 68,
        'pointsman_tokens_total{class="cached",evidence="reported",target="sim-b/fast"}': 20,
        'pointsman_tokens_total{class="completion",evidence="reported",target="sim-b/fast"}': 240,
        'pointsman_cost_nanousd_total{target="sim-b/fast",tenant="acme"}': 246_912,
        'pointsman_first_byte_seconds_count{target="sim-b/fast"}': 2,
        'pointsman_request_seconds_count{endpoint="chat/completions",stream="yes"}': 2,
        "pointsman_requests_in_flight{}": 0,
        'pointsman_build_info{version="1.2.3"}': 1,
    }
    assert {name: found[name] for name in expected} == expected


def estimates(**changes: Any) -> dict[str, float]:
    """What a request leaves of the estimates' histogram."""
    metrics = Metrics("0")
    metrics.request_ended(a_record(**changes))
    found = samples(metrics.render()[0])
    return {name: value for name, value in found.items() if "prompt_estimate" in name}


def test_estimate_of_a_prompt_is_held_against_what_was_reported() -> None:
    """As the decision had it for the target that answered, not for the first it ranked."""
    other, answered = a_target("sim-a/fast"), a_target("sim-b/fast")
    ranking = (a_candidate(other, prompt_tokens=9), a_candidate(answered, prompt_tokens=51))
    decision = a_decision(other, answered)._replace(ranking=ranking)

    found = estimates(decision=decision, usage=Usage(prompt_tokens=34))

    name = "pointsman_prompt_estimate_ratio"
    assert found[name + '_sum{target="sim-b/fast"}'] == 1.5
    assert found[name + '_bucket{le="1.2",target="sim-b/fast"}'] == 0
    assert found[name + '_bucket{le="1.5",target="sim-b/fast"}'] == 1


def test_estimate_of_a_short_prompt_has_its_bucket() -> None:
    """A message of a word is taken for 26 tokens, since a template might need as many."""
    target = a_target("sim-b/fast")
    ranking = (a_candidate(target, prompt_tokens=26),)
    decision = a_decision(target)._replace(ranking=ranking)

    found = estimates(decision=decision, usage=Usage(prompt_tokens=5))

    name = "pointsman_prompt_estimate_ratio_bucket"
    assert found[name + '{le="4.0",target="sim-b/fast"}'] == 0
    assert found[name + '{le="8.0",target="sim-b/fast"}'] == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"usage": Usage(), "evidence": Evidence.REPORTED_ZERO},
        {"evidence": Evidence.ESTIMATED},
        {"facts": some_facts(images=1)},
        {"facts": None},
        {"decision": None},
        {"decision": a_decision(a_target("sim-a/fast"))},
        {"target_id": None},
    ],
)
def test_where_nothing_can_be_compared_nothing_is(changes: dict[str, Any]) -> None:
    """Nothing reported, nothing estimated, or bytes that tell nothing."""
    assert estimates(**changes) == {}


def test_refusal_counts_without_route_target_or_cost() -> None:
    """A request refused at the door counts as a request and an ending, and nowhere else."""
    metrics = Metrics("0")
    metrics.request_started()
    metrics.request_ended(
        a_record(
            status=401,
            ending=Ending.REFUSED,
            tenant_id=None,
            route_id=None,
            target_id=None,
            attempts=(),
            usage=Usage(),
            evidence=Evidence.NONE,
            cost_nanousd=None,
        )
    )
    found = samples(metrics.render()[0])

    assert (
        found['pointsman_requests_total{endpoint="chat/completions",route="none",status="401"}']
        == 1
    )
    assert found['pointsman_endings_total{ending="refused"}'] == 1
    assert not any(
        name.startswith(("pointsman_tokens", "pointsman_cost", "pointsman_attempts"))
        for name in found
    )


def test_request_under_way_is_in_flight() -> None:
    """A request that came in and has not left is in flight."""
    metrics = Metrics("0")

    metrics.request_started()

    assert samples(metrics.render()[0])["pointsman_requests_in_flight{}"] == 1


def test_answer_without_a_price_is_counted_as_such() -> None:
    """An answer of no cost is no gap; one of unknown cost must not look like it."""
    metrics = Metrics("0")
    for cost in (None, None, NanoUsd(0)):
        metrics.request_ended(a_record(cost_nanousd=cost))
    metrics.request_ended(a_record(cost_nanousd=None, target_id=None))

    found = samples(metrics.render()[0])

    name = 'pointsman_unpriced_answers_total{target="sim-b/fast",tenant="acme"}'
    assert {key: value for key, value in found.items() if "unpriced" in key} == {name: 2}


def test_path_of_a_client_makes_no_series() -> None:
    """Unknown paths share one series, so that a scan cannot fill the memory."""
    metrics = Metrics("0")
    for number in range(50):
        metrics.request_ended(a_record(path=f"/v1/{number}", route_id=None, status=404))

    found = samples(metrics.render()[0])

    assert found['pointsman_requests_total{endpoint="other",route="none",status="404"}'] == 50


def test_operations_are_counted() -> None:
    """Lost lines and the config in force show up; an old config is no longer 1."""
    metrics = Metrics("0")
    metrics.lines_lost(3)
    metrics.config_in_force("one")
    metrics.config_in_force("two")

    found = samples(metrics.render()[0])

    assert found["pointsman_log_lines_lost_total{}"] == 3
    assert found['pointsman_config_info{config="one"}'] == 0
    assert found['pointsman_config_info{config="two"}'] == 1


def test_key_ring_is_followed() -> None:
    """The ring's own totals are taken over, each growth once, whoever renders and how often."""
    metrics = Metrics("0")
    totals = {"hits": 3, "lookups": 1}
    metrics.follow_keyring(lambda: totals)

    metrics.render()
    totals["hits"] = 5
    metrics.refresh()
    found = samples(metrics.render()[0])

    assert found['pointsman_keyring_events_total{event="hits"}'] == 5
    assert found['pointsman_keyring_events_total{event="lookups"}'] == 1


async def test_worker_stays_fresh_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker takes over what it follows by itself, for a scrape that another one answers."""
    monkeypatch.setattr("proxy.telemetry.metrics.REFRESH_S", 0.0)
    metrics = Metrics("0")
    read = asyncio.Event()

    def totals() -> dict[str, int]:
        read.set()
        return {"hits": 1}

    metrics.follow_keyring(totals)
    async with asyncio.TaskGroup() as group:
        keeping = group.create_task(metrics.keep_fresh())
        await read.wait()
        keeping.cancel()


def test_every_series_is_declared_once() -> None:
    """The page holds the metrics of `series.ALL` and no others."""
    families = {
        family.name for family in text_string_to_metric_families(Metrics("0").render()[0].decode())
    }

    assert families == {one.name.removesuffix("_total") for one in series.ALL}


WORKER = """
import os, sys
from proxy.telemetry.metrics import Metrics
from proxy.units import NanoUsd
from tests.pure.telemetry.records import a_record
metrics = Metrics("0")
metrics.config_in_force("one")
metrics.request_started()
metrics.request_started()
metrics.request_ended(a_record())
metrics.refresh()
if sys.argv[1:] == ["render"]:
    sys.stdout.buffer.write(metrics.render()[0])
os._exit(0)
"""


def run_worker(directory: Path, *arguments: str) -> tuple[int, bytes]:
    """Count in *directory* in a process of its own: its pid and what it printed."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, *arguments],
        cwd=ROOT,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
    )
    output, _ = worker.communicate(timeout=60)
    assert worker.returncode == 0
    return worker.pid, output


@pytest.mark.slow
def test_several_workers_sum_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scrape of one worker tells the counts of all, and the gauges of the living ones."""
    directory = tmp_path / "metrics"
    clear_directory(directory)
    dead_pid, _ = run_worker(directory)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(directory))
    mark_process_dead(dead_pid)

    _, page = run_worker(directory, "render")
    found = samples(page)

    assert (
        found['pointsman_requests_total{endpoint="chat/completions",route="auto",status="200"}']
        == 2
    )
    assert found["pointsman_requests_in_flight{}"] == 1
    assert found['pointsman_config_info{config="one"}'] == 1
    assert found['pointsman_build_info{version="0"}'] == 1
    assert found['pointsman_first_byte_seconds_count{target="sim-b/fast"}'] == 2


def test_cleared_directory_keeps_nothing_of_an_earlier_run(tmp_path: Path) -> None:
    """What an earlier run counted is gone, and a directory that was not there is made."""
    directory = tmp_path / "a" / "metrics"
    clear_directory(directory)
    (directory / "counter_1.db").write_bytes(b"old")

    clear_directory(directory)

    assert list(directory.iterdir()) == []


def test_death_of_a_worker_means_nothing_to_a_single_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a shared directory there is nothing to clean."""
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)

    mark_process_dead(1)


def test_attempts_that_may_be_billed_are_counted_apart() -> None:
    """What a provider may charge without an answer does not hide in the cost, nor vanish."""
    metrics = Metrics("0")
    gone = Attempt("sim-a/fast", None, None, 9.0, maybe_billed=True, maybe_nanousd=NanoUsd(700))
    metrics.request_started()
    metrics.request_ended(a_record(attempts=(gone,), target_id=None, cost_nanousd=None))

    found = samples(metrics.render()[0])

    assert found['pointsman_maybe_cost_nanousd_total{target="sim-a/fast",tenant="acme"}'] == 700
    assert not any(name.startswith("pointsman_cost_nanousd_total") for name in found)
