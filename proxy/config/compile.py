"""From what was written to what the gateway runs on: frozen, indexed, hashed. Pure."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Final

from proxy.config.addresses import listen_address
from proxy.config.catalogue import UNKNOWN, Catalogue, Model
from proxy.config.classify_spec import classify_rules_of
from proxy.config.policy_rules import degrade_of, rule_of, weights_of
from proxy.config.price_spec import price_of
from proxy.config.pricing import models_of
from proxy.config.schema import ConfigSpec, ProviderSpec, ServerSpec, TargetSpec
from proxy.config.settings import Limits, Settings, Tls
from proxy.domain.catalog import Provider, Route, Target, Timeouts
from proxy.domain.policies import policies_of
from proxy.domain.price import price_at
from proxy.domain.snapshot import Snapshot
from proxy.domain.tenant import Tenant

VERSION_CHARS: Final = 12


def settings_of(server: ServerSpec) -> Settings:
    """The process settings that *server* writes."""
    listen = listen_address(server.listen)
    tls = server.tls
    return Settings(
        host=listen.host,
        port=listen.port,
        workers=server.workers,
        redis=server.redis,
        pepper=server.pepper,
        tls=Tls(Path(tls.certificate), Path(tls.key)) if tls else None,
        drain_delay_s=server.drain_delay_s,
        drain_grace_s=server.drain_grace_s,
        limits=Limits(**server.limits.model_dump()),
    )


def snapshot_of(config: ConfigSpec, catalogue: Catalogue | None = None, day: int = 0) -> Snapshot:
    """The routing config that *config* writes; `references` has found nothing wrong with it.

    A route's targets, and a target's provider, are the very objects of the indexes. What a target
    does not say itself it takes from its model in *catalogue*, at the prices of *day*.
    """
    found = {} if catalogue is None else models_of(config, catalogue)
    providers = {id: _provider(id, spec) for id, spec in config.providers.items()}
    targets = {
        id: _target(id, spec, providers[spec.provider], found.get(id), day)
        for id, spec in config.targets.items()
    }
    routes = {
        id: Route(
            id=id,
            targets=tuple(targets[target] for target in spec.targets),
            deadline_s=spec.deadline_s,
            max_attempts=spec.max_attempts,
            strategy=spec.strategy,
            weights=weights_of(spec.weights),
            degrade=degrade_of(spec.degrade),
        )
        for id, spec in config.routes.items()
    }
    tenants = {
        id: Tenant(id, spec.tier, frozenset(spec.routes), budgeted=spec.budgeted)
        for id, spec in config.tenants.items()
    }
    return Snapshot(
        version=version_of(config, [targets[id] for id in sorted(found)]),
        providers=MappingProxyType(providers),
        targets=MappingProxyType(targets),
        routes=MappingProxyType(routes),
        tenants=MappingProxyType(tenants),
        policies=policies_of(
            [rule_of(spec) for spec in config.policies],
            tuple(routes.values()),
            tool_loop_stays=config.built_in_rules.tool_loop_stays,
        ),
        unpriced_policy=config.prices.unpriced,
        classing=classify_rules_of(config.classify),
    )


def version_of(config: ConfigSpec, catalogued: Sequence[Target] = ()) -> str:
    """A hash of the routing part as it is understood, defaults filled in, and of the targets that
    took something from the catalogue.

    Comments, the order of sections and entries, the writing of a number, the `server` part and
    where prices come from do not change it; anything that could change an answer or its price
    does.
    """
    routing = config.model_dump(mode="json", exclude={"server": True, "prices": {"file", "sync"}})
    taken = {target.id: _taken(target) for target in catalogued}
    canonical = json.dumps(
        [routing, taken] if taken else routing,
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
    )
    return hashlib.sha256(canonical.encode()).hexdigest()[:VERSION_CHARS]


def _taken(target: Target) -> list[object]:
    return [
        None if target.price is None else asdict(target.price),
        target.context_window_tokens,
        target.max_output_tokens,
        None if target.capabilities is None else sorted(target.capabilities),
    ]


def _provider(id: str, spec: ProviderSpec) -> Provider:
    return Provider(
        id=id,
        dialect=spec.dialect,
        endpoint_base=spec.base_url,
        credential=spec.credential,
        region=spec.region,
        certifications=frozenset(spec.certifications),
        timeouts=Timeouts(**spec.timeouts.model_dump()),
        max_connections=spec.limits.max_connections,
        headers=tuple(spec.headers.items()),
        query=tuple(spec.query.items()),
        ca_file=spec.tls.ca if spec.tls else None,
        allow_private=spec.allow_private,
        tags=frozenset(spec.tags),
    )


def _target(id: str, spec: TargetSpec, provider: Provider, model: Model | None, day: int) -> Target:
    known = UNKNOWN if model is None else model
    return Target(
        id=id,
        provider=provider,
        model=spec.model,
        price=price_of(spec.price) if spec.price else price_at(known.prices, day),
        context_window_tokens=spec.context_window_tokens or known.context_window_tokens,
        capabilities=(
            known.capabilities if spec.capabilities is None else frozenset(spec.capabilities)
        ),
        tier=spec.tier,
        usage_in_stream=spec.usage_in_stream,
        embedding_space=spec.embedding_space,
        max_output_tokens=spec.max_output_tokens or known.max_output_tokens,
        tags=frozenset(spec.tags),
        quality=MappingProxyType(dict(spec.quality)),
    )
