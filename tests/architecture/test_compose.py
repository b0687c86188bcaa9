"""The image and the compose file, as far as they can be checked without an engine."""

import ast
import json
import re
import shlex
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter
from typer.main import get_command

from proxy.cli.main import app
from proxy.config.load import LoadedConfig, load
from proxy.simulator.config import SimulatorConfig, load_simulator
from tests.architecture.trees import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+\.\d+(?:-[a-z0-9.-]+)?")
SECRETS = "/run/secrets"

Volume = Annotated[str, Field(pattern=r"^[^:]+:/[^:]+(?::ro)?$")]
Port = Annotated[str, Field(pattern=r"^127\.0\.0\.1:\d+:\d+$")]
Seconds = Annotated[str, Field(pattern=r"^\d+s$")]


class Part(BaseModel):
    """A mapping of the compose file whose every key is known to the compose specification and
    used here on purpose.
    """

    model_config = ConfigDict(extra="forbid", strict=True)


class Healthcheck(Part):
    test: list[str]
    interval: Seconds
    timeout: Seconds
    retries: int
    start_period: Seconds | None = None


class Condition(Part):
    condition: Literal["service_started", "service_healthy"]


class Service(Part):
    image: Annotated[str, Field(pattern=PINNED.pattern)]
    build: str | None = None
    command: list[str] | None = None
    init: bool = False
    read_only: bool = False
    cap_drop: list[str] = []
    security_opt: list[str] = []
    tmpfs: list[str] = []
    volumes: list[Volume] = []
    secrets: list[str] = []
    ports: list[Port] = []
    depends_on: dict[str, Condition] | list[str] = {}
    healthcheck: Healthcheck | None = None
    stop_grace_period: Seconds = "10s"
    restart: Literal["unless-stopped"]


class Secret(Part):
    file: str


class Compose(Part):
    name: str
    services: dict[str, Service]
    secrets: dict[str, Secret]
    volumes: dict[str, None]


def compose() -> Compose:
    """The compose file, its extension fields left out."""
    content = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return TypeAdapter(Compose).validate_python(
        {key: value for key, value in content.items() if not key.startswith("x-")}
    )


def instructions(name: str) -> list[str]:
    """What follows each *name* in the Dockerfile, continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", DOCKERFILE)
    return [
        line.removeprefix(name).strip() for line in joined.splitlines() if line.startswith(name)
    ]


def gateways() -> dict[str, Service]:
    """The services that are replicas of the gateway."""
    return {name: one for name, one in compose().services.items() if name.startswith("gateway-")}


def mounted(service: Service, inside: str) -> Path:
    """The file of the repository that *service* sees at *inside*."""
    (source,) = [mount.split(":")[0] for mount in service.volumes if mount.split(":")[1] == inside]
    return ROOT / source


def config_in(service: Service) -> Path:
    """The file behind the `--config` that *service* is started with."""
    _, *arguments = service.command or json.loads(instructions("CMD")[-1])
    return mounted(service, arguments[arguments.index("--config") + 1])


def gateway_config() -> LoadedConfig:
    """The config that both replicas run."""
    (path,) = {config_in(service) for service in gateways().values()}
    return load(path)


def simulator_config() -> SimulatorConfig:
    """The config of the simulated providers."""
    return load_simulator(config_in(compose().services["simulator"]))


def command_lines() -> list[list[str]]:
    """Every command line that the image is started with."""
    return [
        json.loads(instructions("CMD")[-1]),
        *(one.command for one in compose().services.values() if one.build and one.command),
    ]


@pytest.mark.parametrize("command_line", command_lines(), ids=" ".join)
def test_image_is_started_by_a_verb_that_exists(command_line: list[str]) -> None:
    """The image's commands parse: the verb and each of its options exist."""
    verb, *arguments = command_line

    assert json.loads(instructions("ENTRYPOINT")[-1]) == ["python", "-m", "proxy"]
    assert (ROOT / "proxy/__main__.py").exists()
    commands: dict[str, Any] = getattr(get_command(app), "commands", {})
    commands[verb].make_context(verb, list(arguments), resilient_parsing=False)


def test_command_in_the_instructions_exists() -> None:
    """What the compose file tells people to run parses, and names a tenant of its config."""
    text = re.sub(r"\\\n#\s*", "", (ROOT / "docker-compose.yml").read_text("utf-8"))
    (typed,) = re.findall(r"python -m proxy ([^)\n]+)", text)
    command: Any = get_command(app)
    arguments = shlex.split(typed)
    while hasattr(command, "commands"):
        command = command.commands[arguments.pop(0)]

    parsed = command.make_context(command.name, arguments)

    assert parsed.params["tenant"] in gateway_config().snapshot.tenants


def test_images_are_pinned() -> None:
    """Every image, built upon or run, has a whole version as its tag."""
    built_upon = {line.split()[0] for line in instructions("FROM")}

    assert [image for image in built_upon if not PINNED.fullmatch(image)] == []
    assert [
        one.image for one in compose().services.values() if not PINNED.fullmatch(one.image)
    ] == []


def test_image_copies_what_is_there() -> None:
    """What COPY names is in the repository and passes .dockerignore."""
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    }
    sources = [
        source.rstrip("/")
        for line in instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    ]

    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert set(sources) == allowed


def test_image_runs_as_nobody_special() -> None:
    """The last user is a number other than 0, set before anything runs, and never root again."""
    (user,) = instructions("USER")

    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)


def test_image_installs_by_hash_and_compiles_nothing() -> None:
    """Packages come as wheels whose hashes the lock file states; no compiler is installed."""
    (install,) = [line for line in instructions("RUN") if "install" in line and "pip" in line]

    assert "--require-hashes" in install
    assert "--only-binary=:all:" in install
    assert "apt-get" not in DOCKERFILE
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    assert lock.count("==") <= lock.count("--hash=sha256:")


def test_image_checks_its_health_where_it_listens() -> None:
    """The health check is valid Python that asks /healthz at the port of the compose config."""
    _, command = instructions("HEALTHCHECK")[0].split("CMD", 1)
    python, option, program = json.loads(command)

    ast.parse(program)
    assert (python, option) == ("python", "-c")
    assert f"http://127.0.0.1:{gateway_config().settings.port}/healthz" in program
    assert [str(gateway_config().settings.port)] == instructions("EXPOSE")


def test_files_that_compose_refers_to_are_there() -> None:
    """Each mounted file exists; each named volume, secret and service is declared."""
    found = compose()
    for service in found.services.values():
        sources = [mount.split(":")[0] for mount in service.volumes]
        assert [one for one in sources if one[0] == "." and not (ROOT / one).is_file()] == []
        assert {one for one in sources if one[0] != "."} <= set(found.volumes)
        assert set(service.secrets) <= set(found.secrets)
        assert set(service.depends_on) <= set(found.services)


def test_secret_of_compose_is_not_in_the_repository() -> None:
    """The pepper's file is one that git ignores; the compose file says how to make it."""
    (secret,) = compose().secrets.values()
    folder = Path(secret.file).parts[0]

    assert f"{folder}/" in (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert f"> {Path(secret.file)}\n" in (ROOT / "docker-compose.yml").read_text("utf-8")


def test_replicas_share_config_and_pepper() -> None:
    """Two replicas, alike but for the port; the pepper is the secret that compose hands in."""
    first, second = gateways().values()

    assert first.model_copy(update={"ports": []}) == second.model_copy(update={"ports": []})
    assert first.ports != second.ports
    assert first.secrets == ["pepper"]
    assert gateway_config().settings.pepper == f"file:{SECRETS}/pepper"


def test_replicas_listen_where_they_are_reached() -> None:
    """The published port, the port in the config and the port that Prometheus scrapes agree."""
    settings = gateway_config().settings
    scraped = yaml.safe_load((ROOT / "config/prometheus.yml").read_text("utf-8"))
    (job,) = scraped["scrape_configs"]

    assert settings.host == "0.0.0.0"
    for service in gateways().values():
        assert [port.rpartition(":")[2] for port in service.ports] == [str(settings.port)]
    assert job["static_configs"] == [{"targets": [f"{one}:{settings.port}" for one in gateways()]}]
    assert job["metrics_path"] == "/metrics"


def test_replicas_reach_redis_and_the_providers() -> None:
    """Hosts in the config are services; ports are those that the simulator listens on."""
    config = gateway_config()
    listening = {one.listen.port for one in simulator_config().providers.values()}
    called = {
        provider.endpoint_base.removeprefix("http://").partition("/")[0]
        for provider in config.snapshot.providers.values()
    }

    assert config.settings.redis == "redis://redis:6379/0"
    assert called == {f"simulator:{port}" for port in listening}
    assert {one.listen.host for one in simulator_config().providers.values()} == {"0.0.0.0"}


def test_simulator_has_the_models_at_the_prices_of_the_config() -> None:
    """Each target's model is simulated by its provider, for the price that the gateway counts."""
    simulated = simulator_config().providers
    for target in gateway_config().snapshot.targets.values():
        model = simulated[target.provider.id].models[target.model]
        assert target.price == model.price
        assert (target.embedding_space is None) == (model.embedding_dimensions is None)


def test_services_are_healthy_before_they_are_needed() -> None:
    """The gateway waits for Redis and the simulator, and both have a health check."""
    for service in gateways().values():
        assert isinstance(service.depends_on, dict)
        for name, needed in service.depends_on.items():
            assert needed.condition == "service_healthy"
            assert compose().services[name].healthcheck is not None


def test_simulator_health_is_asked_at_a_port_that_it_has() -> None:
    """The simulator's health check is valid Python and connects to one of its ports."""
    health = compose().services["simulator"].healthcheck
    assert health is not None
    ast.parse(health.test[-1])
    (port,) = re.findall(r"'127\.0\.0\.1', (\d+)", health.test[-1])

    assert int(port) in {one.listen.port for one in simulator_config().providers.values()}


def test_redis_forgets_nothing() -> None:
    """Redis writes its log to a volume and refuses writes when full, rather than evict keys."""
    redis = compose().services["redis"]
    options = " ".join(redis.command or [])

    assert "--appendonly yes" in options
    assert "--maxmemory-policy noeviction" in options
    assert "redis:/data" in redis.volumes
    assert redis.ports == []


def test_replica_has_time_to_drain() -> None:
    """Compose waits longer before it kills than a replica takes to drain."""
    settings = gateway_config().settings
    for service in gateways().values():
        grace_s = int(service.stop_grace_period.removesuffix("s"))
        assert grace_s > settings.drain_delay_s + settings.drain_grace_s


def test_replica_can_do_with_a_read_only_root() -> None:
    """What a replica writes, it writes to memory: the shared metrics and temporary files."""
    (environment,) = instructions("ENV")
    (metrics,) = re.findall(r"PROMETHEUS_MULTIPROC_DIR=(\S+)", environment)
    for service in gateways().values():
        mounts = {mount.partition(":")[0] for mount in service.tmpfs}
        assert service.read_only
        assert {metrics, "/tmp"} <= mounts
        assert service.cap_drop == ["ALL"]
