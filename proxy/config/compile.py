"""From what was written to what the gateway runs on: frozen, indexed, hashed. Pure."""

import hashlib
import json
from pathlib import Path
from types import MappingProxyType
from typing import Final

from proxy.config.addresses import listen_address
from proxy.config.classify_spec import classify_rules_of
from proxy.config.schema import ConfigSpec, ProviderSpec, ServerSpec, TargetSpec
from proxy.config.settings import Limits, Settings, Tls
from proxy.domain.catalog import Provider, Route, Target, Timeouts
from proxy.domain.price import Price
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


def snapshot_of(config: ConfigSpec) -> Snapshot:
    """The routing config that *config* writes; `references` has found nothing wrong with it.

    A route's targets, and a target's provider, are the very objects of the indexes.
    """
    providers = {id: _provider(id, spec) for id, spec in config.providers.items()}
    targets = {
        id: _target(id, spec, providers[spec.provider]) for id, spec in config.targets.items()
    }
    routes = {
        id: Route(
            id=id,
            targets=tuple(targets[target] for target in spec.targets),
            deadline_s=spec.deadline_s,
            max_attempts=spec.max_attempts,
        )
        for id, spec in config.routes.items()
    }
    tenants = {
        id: Tenant(id=id, tier=spec.tier, routes=frozenset(spec.routes))
        for id, spec in config.tenants.items()
    }
    return Snapshot(
        version=version_of(config),
        providers=MappingProxyType(providers),
        targets=MappingProxyType(targets),
        routes=MappingProxyType(routes),
        tenants=MappingProxyType(tenants),
        classing=classify_rules_of(config.classify),
    )


def version_of(config: ConfigSpec) -> str:
    """A hash of the routing part as it is understood, defaults filled in.

    Comments, the order of sections and entries, the writing of a number and the `server` part
    do not change it; anything that could change an answer or its price does.
    """
    routing = config.model_dump(mode="json", exclude={"server"})
    canonical = json.dumps(routing, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:VERSION_CHARS]


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
    )


def _target(id: str, spec: TargetSpec, provider: Provider) -> Target:
    return Target(
        id=id,
        provider=provider,
        model=spec.model,
        price=Price(**spec.price.model_dump()) if spec.price else None,
        context_window_tokens=spec.context_window_tokens,
        capabilities=None if spec.capabilities is None else frozenset(spec.capabilities),
        tier=spec.tier,
        usage_in_stream=spec.usage_in_stream,
        embedding_space=spec.embedding_space,
    )
