"""Which providers one simulator hosts: read from YAML into frozen values. I/O: reads one file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

import yaml
from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from proxy.domain.price import Price
from proxy.simulator.limits import Limits
from proxy.simulator.script import Script
from proxy.units import NANOUSD_PER_USD

_STRICT: Final = ConfigDict(extra="forbid", arbitrary_types_allowed=True)

Usd = Annotated[Decimal, Field(ge=0, le=1_000_000, decimal_places=9)]


class SimulatorConfigError(ValueError):
    """A file that describes no simulator; the text lists every problem."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a provider listens; port 0 takes any free one."""

    host: str
    port: int


def _address(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError("an address is host:port")
    return Address(host.strip("[]"), int(port))


@dataclass(frozen=True, slots=True)
class SimulatedModel:
    """What a model costs, in dollars for a million tokens. With dimensions, it embeds."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    input_usd_per_million: Usd = Decimal(0)
    output_usd_per_million: Usd = Decimal(0)
    cached_input_usd_per_million: Usd | None = None
    embedding_dimensions: Annotated[int, Field(ge=1, le=16_384)] | None = None

    @property
    def price(self) -> Price:
        """The same in whole nano-dollars."""
        cached = self.cached_input_usd_per_million
        return Price(
            input_nanousd=int(self.input_usd_per_million * NANOUSD_PER_USD),
            output_nanousd=int(self.output_usd_per_million * NANOUSD_PER_USD),
            cached_input_nanousd=None if cached is None else int(cached * NANOUSD_PER_USD),
        )


@dataclass(frozen=True, slots=True)
class SimulatedProvider:
    """One provider on a port of its own. With an `api_key`, calls without it get a 401."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    models: Mapping[str, SimulatedModel]
    listen: Annotated[Address, BeforeValidator(_address)] = Address("127.0.0.1", 0)
    api_key: str | None = None
    seed: int = 0
    script: Script = field(default_factory=Script)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class SimulatorConfig:
    """All providers of one process, by name."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT
    providers: Annotated[Mapping[str, SimulatedProvider], Field(min_length=1)]


_ADAPTER: Final = TypeAdapter(SimulatorConfig)

DEFAULT_MODELS: Final[Mapping[str, SimulatedModel]] = {
    "sim-small": SimulatedModel(Decimal("0.10"), Decimal("0.40")),
    "sim-medium": SimulatedModel(Decimal("0.50"), Decimal("1.50")),
    "sim-large": SimulatedModel(Decimal("3.00"), Decimal("15.00"), Decimal("0.30")),
    "sim-embed": SimulatedModel(Decimal("0.02"), embedding_dimensions=64),
}
"""Prices and models of a provider whose own do not matter, as in most tests."""


def simulator_config(fields: Mapping[str, Any]) -> SimulatorConfig:
    """The config that decoded YAML or JSON describes.

    Raises:
        SimulatorConfigError: with every problem, one a line.
    """
    try:
        return _ADAPTER.validate_python(fields)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        lines = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
        raise SimulatorConfigError("\n".join(lines)) from None


def load_simulator(path: Path) -> SimulatorConfig:
    """The config in the YAML file at *path*.

    Raises:
        SimulatorConfigError: not readable, not YAML, or `simulator_config` refuses it.
    """
    try:
        fields = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SimulatorConfigError(f"{path}: {error}") from None
    return simulator_config(fields)
