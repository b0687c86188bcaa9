"""Config texts to test with: one that is fine, and ways to spoil it."""

from proxy.config.load import LoadedConfig, parse
from proxy.config.problems import ConfigProblems

GOOD = """\
server:
  listen: "127.0.0.1:0"
  redis: unix:///run/redis.sock
  limits: {max_json_depth: 32}
providers:
  one:
    dialect: openai
    base_url: https://one.example/v1
    credential: env:ONE_KEY
    region: eu
    certifications: [soc2, dpa]
    timeouts: {connect_s: 0.5}
    limits: {max_connections: 50}
    headers: {X-Title: Pointsman}
    query: {api-version: preview}
  two:
    dialect: openai
    base_url: http://127.0.0.1:8000
targets:
  one/big:
    provider: one
    model: big
    tier: premium
    price:
      input_usd_per_million: 2.50
      output_usd_per_million: 10
      cached_input_usd_per_million: 1.25
    context_window_tokens: 128000
    capabilities: [tools, vision]
    usage_in_stream: always
  two/small:
    provider: two
    model: small
  one/vectors:
    provider: one
    model: vectors
    embedding_space: space-1
  two/vectors:
    provider: two
    model: vectors
    embedding_space: space-2
routes:
  auto:
    targets: [one/big, two/small]
    deadline_s: 30
    max_attempts: 2
  embeddings:
    targets: [one/vectors]
tenants:
  demo:
    tier: free
    routes: [auto, embeddings]
"""


def loaded(text: str) -> LoadedConfig:
    """The config that *text* writes."""
    return parse(text.encode(), "test.yaml")


def spoiled(old: str, new: str) -> str:
    """The good config with the one place *old* written as *new*."""
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def problems_of(text: str) -> list[tuple[int, str, str]]:
    """Line, place and message of everything that is wrong with *text*."""
    try:
        loaded(text)
    except ConfigProblems as found:
        return [(each.line, each.where, each.message) for each in found.problems]
    return []
