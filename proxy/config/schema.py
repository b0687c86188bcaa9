"""What a config file may say: keys, kinds, bounds and defaults. Pure.

Unknown keys are refused. Single values are checked here (`fields`), what refers to each other
in `references`. A spec is what was written; `compile` makes the values of `domain` of it.
Prices become whole nano-dollars on the way in, base URLs the form that paths are appended to.
"""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from proxy.config.classify_spec import ClassifySpec
from proxy.config.fields import (
    BaseUrl,
    CapabilitySet,
    Count,
    DelaySeconds,
    Flag,
    Grants,
    Headers,
    Id,
    IdSet,
    ListenAddress,
    Name,
    Query,
    RedisUrl,
    Reference,
    Seconds,
    Targets,
    Text,
)
from proxy.config.policy_fields import MAX_POLICIES, Quality, Weights
from proxy.config.policy_spec import BuiltInSpec, DegradeSpec, PolicySpec
from proxy.config.price_spec import ModelId, PriceSpec, PricesSpec, Window
from proxy.config.settings import Limits, Settings
from proxy.config.spec import Spec, keys_below
from proxy.domain.catalog import Tier, Timeouts, UsageInStream
from proxy.domain.rules import Strategy

_LIMITS = Limits()
_SETTINGS = Settings()
_TIMEOUTS = Timeouts()


class LimitsSpec(Spec):
    """`server.limits`: see `settings.Limits`."""

    max_body_bytes: Annotated[Count, Field(ge=1024, le=1 << 30)] = _LIMITS.max_body_bytes
    max_header_bytes: Annotated[Count, Field(ge=1024, le=1 << 20)] = _LIMITS.max_header_bytes
    max_header_count: Annotated[Count, Field(ge=10, le=10_000)] = _LIMITS.max_header_count
    max_json_depth: Annotated[Count, Field(ge=8, le=64)] = _LIMITS.max_json_depth
    header_timeout_s: Seconds = _LIMITS.header_timeout_s
    body_timeout_s: Seconds = _LIMITS.body_timeout_s
    max_connections: Annotated[Count, Field(le=1_000_000)] = _LIMITS.max_connections
    client_stall_s: Seconds = _LIMITS.client_stall_s


class TlsSpec(Spec):
    """`server.tls`: PEM files, relative to the working directory."""

    certificate: Text
    key: Text


class ServerSpec(Spec):
    """`server`: see `settings.Settings`."""

    listen: ListenAddress = f"{_SETTINGS.host}:{_SETTINGS.port}"
    workers: Annotated[Count, Field(le=256)] = _SETTINGS.workers
    redis: RedisUrl = _SETTINGS.redis
    pepper: Reference = _SETTINGS.pepper
    tls: TlsSpec | None = None
    drain_delay_s: DelaySeconds = _SETTINGS.drain_delay_s
    drain_grace_s: DelaySeconds = _SETTINGS.drain_grace_s
    limits: LimitsSpec = LimitsSpec()


class TimeoutsSpec(Spec):
    """`timeouts` of a provider: see `domain.catalog.Timeouts`."""

    connect_s: Seconds = _TIMEOUTS.connect_s
    first_byte_s: Seconds = _TIMEOUTS.first_byte_s
    plain_first_byte_s: Seconds = _TIMEOUTS.plain_first_byte_s
    between_chunks_s: Seconds = _TIMEOUTS.between_chunks_s
    total_s: Seconds = _TIMEOUTS.total_s


class ProviderLimitsSpec(Spec):
    """`limits` of a provider, in each process."""

    max_connections: Annotated[Count, Field(le=100_000)] = 1000


class ProviderTlsSpec(Spec):
    """`tls` of a provider: a PEM file, relative to the working directory."""

    ca: Text


class ProviderSpec(Spec):
    """An entry of `providers`."""

    dialect: Literal["openai"]
    base_url: BaseUrl
    credential: Reference | None = None
    region: Id | None = None
    certifications: IdSet = ()
    catalog: Id | None = None
    timeouts: TimeoutsSpec = TimeoutsSpec()
    limits: ProviderLimitsSpec = ProviderLimitsSpec()
    headers: Headers = Field(default_factory=dict)
    query: Query = Field(default_factory=dict)
    tls: ProviderTlsSpec | None = None
    allow_private: Flag = False
    tags: IdSet = ()

    @model_validator(mode="after")
    def _tls_is_used(self) -> "ProviderSpec":
        if self.tls is not None and not self.base_url.startswith("https://"):
            raise ValueError("has 'tls', while its base_url is not https://; remove one")
        return self


class TargetSpec(Spec):
    """An entry of `targets`."""

    provider: Name
    model: Text
    catalog: ModelId | None = None
    price: PriceSpec | None = None
    context_window_tokens: Window | None = None
    max_output_tokens: Window | None = None
    capabilities: CapabilitySet | None = None
    tier: Tier = Tier.STANDARD
    usage_in_stream: UsageInStream = UsageInStream.ASK
    embedding_space: Id | None = None
    tags: IdSet = ()
    quality: Quality = Field(default_factory=dict)


class RouteSpec(Spec):
    """An entry of `routes`."""

    targets: Targets
    deadline_s: Seconds = 600.0
    max_attempts: Annotated[Count, Field(le=3)] = 3
    strategy: Strategy | None = None
    weights: Weights | None = None
    degrade: DegradeSpec | None = None


class TenantSpec(Spec):
    """An entry of `tenants`."""

    tier: Literal["free", "pro", "enterprise"]
    routes: Grants
    budgeted: Flag = False


class ConfigSpec(Spec):
    """A whole file."""

    server: ServerSpec = ServerSpec()
    prices: PricesSpec = PricesSpec()
    providers: Annotated[dict[Id, ProviderSpec], Field(min_length=1)]
    targets: Annotated[dict[Id, TargetSpec], Field(min_length=1)]
    routes: Annotated[dict[Id, RouteSpec], Field(min_length=1)]
    tenants: Annotated[dict[Id, TenantSpec], Field(min_length=1)]
    policies: Annotated[tuple[PolicySpec, ...], Field(max_length=MAX_POLICIES)] = ()
    built_in_rules: BuiltInSpec = BuiltInSpec()
    classify: ClassifySpec = ClassifySpec()


ENTRIES: dict[str, type[Spec]] = {
    "providers": ProviderSpec,
    "targets": TargetSpec,
    "routes": RouteSpec,
    "tenants": TenantSpec,
}
"""The sections whose keys are ids, and what stands below each id."""


def keys_at(path: tuple[str | int, ...]) -> list[str]:
    """The keys that the mapping at *path*, one of the schema's own, may have."""
    if path and path[0] in ENTRIES:
        return keys_below(ENTRIES[str(path[0])], path[2:])
    return keys_below(ConfigSpec, path)
