"""`pointsman explain`: what the gateway would decide of a request, and why. I/O: reads files,
prints.
"""

import json
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from proxy.cli.exits import DEFAULT_CONFIG, FAILED, USAGE, ConfigOption, fail
from proxy.cli.serve import load_or_fail
from proxy.domain.snapshot import Snapshot
from proxy.domain.tenant import Tenant
from proxy.errors import GatewayError
from proxy.execution.dry_run import CAPS, DryRun, Moment, Sent, dry_run
from proxy.routing.compliance import compliance, compliance_lines, counterfactual
from proxy.routing.expected import expected_of
from proxy.routing.explain import explained, lines_of
from proxy.wire.question import routing_question

STANDARD_INPUT: Final = "-"


RequestArgument = Annotated[
    str,
    typer.Argument(
        metavar="REQUEST",
        help="A file with a chat as a client sends it, or with a question in a few words; "
        "- is standard input.",
    ),
]
TenantOption = Annotated[
    str | None, typer.Option(help="Who asks; needed where the config has several.")
]
HeaderOption = Annotated[
    list[str] | None, typer.Option(help="'name: value', as a client sends it. Repeats.")
]
KeyTagOption = Annotated[
    list[str] | None, typer.Option(help="A tag of the key that asks. Repeats.")
]
TimeOption = Annotated[
    str | None,
    typer.Option("--time", help="When, with its zone: 2026-01-06T23:30:00+01:00. Without: now."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the JSON of POST /v1/route.")]
WithoutRulesOption = Annotated[
    bool,
    typer.Option(
        "--counterfactual", help="Also what each hard rule costs: what would be without it."
    ),
]


def explain(  # noqa: PLR0913, PLR0917 - typer makes an option of each
    request: RequestArgument,
    tenant: TenantOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    header: HeaderOption = None,
    key_tag: KeyTagOption = None,
    at: TimeOption = None,
    as_json: JsonOption = False,
    without_rules: WithoutRulesOption = False,
) -> None:
    """Show what the gateway would decide of a request, and why; nothing is sent.

    It decides as a gateway does that has just started: nothing is measured yet. Exit code 1 if the
    request would be refused, 2 if a file cannot be read.
    """
    sent = _headers(header or [])
    snapshot = load_or_fail(config).snapshot
    asking = _tenant(tenant, snapshot)
    try:
        question = routing_question(_content_of(request), CAPS)
        run = dry_run(
            Sent(question.chat, sent),
            replace(asking, tier=question.tier or asking.tier),
            snapshot,
            Moment(_unix_s(at), key_tags=frozenset(key_tag or ())),
        )
    except GatewayError as error:
        fail(f"{error.status} {error.code}: {error.message}", FAILED)
    expected = expected_of(run.decision, run.facts, snapshot)
    told, lines = explained(run.decision, expected), lines_of(run.decision, expected)
    if without_rules:
        others = counterfactual(run.decision, run.facts, snapshot)
        told |= {"counterfactual": compliance(others)}
        lines += ["", *compliance_lines(others)]
    typer.echo(json.dumps(told, indent=2) if as_json else "\n".join(lines))
    _end(run)


def _end(run: DryRun) -> None:
    if run.refusal is not None:
        fail(f"{run.refusal.status} {run.refusal.code}: {run.refusal.message}", FAILED)
    if run.message is not None:
        typer.echo(f"The client gets this message: {run.message}", err=True)


def _unix_s(written: str | None) -> int:
    if written is None:
        return int(time.time())
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        fail("A time is written with its zone, as in 2026-01-06T23:30:00+01:00.", USAGE)
    return int(at.timestamp())


def _content_of(request: str) -> bytes:
    if request == STANDARD_INPUT:
        return sys.stdin.buffer.read()
    try:
        return Path(request).read_bytes()
    except OSError as error:
        fail(f"{request} cannot be read: {error.strerror}", USAGE)


def _headers(written: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in written:
        name, colon, value = each.partition(":")
        if not colon or not name.strip():
            fail("A header is written 'name: value'.", USAGE)
        key = name.strip().lower()
        found[key] = f"{found[key]}, {value.strip()}" if key in found else value.strip()
    return found


def _tenant(wanted: str | None, snapshot: Snapshot) -> Tenant:
    known = ", ".join(snapshot.tenants)
    if wanted is None:
        if len(snapshot.tenants) > 1:
            fail(f"Name who asks by --tenant; the config has {known}.", USAGE)
        wanted = next(iter(snapshot.tenants))
    if wanted not in snapshot.tenants:
        fail(f"The config has no tenant '{wanted}'; it has {known}.", USAGE)
    return snapshot.tenants[wanted]
