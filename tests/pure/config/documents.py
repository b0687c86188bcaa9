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


POLICIES = """\
policies:
  - id: personal
    why: The law.
    when: {sensitivity: regulated, kinds: [email, iban], not: {feature: [demo, test]}}
    require: {certifications: [dpa, soc2], region: eu}
    redact: email
    log: metadata
  - id: eu
    when:
      any:
        - header: {X-Data-Region: EU}
        - scope: {region: [eu, de]}
        - all: [{tenant: demo}, {endpoint: chat}, {route: auto}]
    forbid: {tier: premium, tags: [us, cn]}
  - id: night
    when:
      latency: batch
      time: {from: "22:00", to: "06:00", zone: Europe/Berlin, days: [mon, sun]}
      cost_usd: {min: 0.5, max: 2}
      prompt_tokens: {min: 1000}
    strategy: cheapest
    weights: {quality: 1, cost: 0.5}
    prefer: [{target: one/big}, {provider: [two, one]}]
    cap: {attempts: 1, max_tokens: 512}
    premium_cap: {scope: ticket, calls: 1}
    max_cost_usd: 0.25
    max_latency_ms: 8000
    min_quality: 0.7
    cache: true
    degrade: {steps: [fewer_tokens, message], max_tokens: 64, message: Later.}
  - id: bad
    when: {disallowed: true, session: false, stream: true}
    refuse: Not here.
built_in_rules: {tool_loop_stays: false}
"""


def ruled(*policies: str) -> str:
    """The good config with *policies*, each an entry of the list, on lines of their own."""
    return GOOD + "policies:\n" + "".join(f"  - {policy}\n" for policy in policies)


FIRST_POLICY_LINE = GOOD.count("\n") + 2
"""The line of the first policy of `ruled`."""


def warnings_of(text: str) -> list[tuple[int, str, str]]:
    """Line, place and message of everything that is odd about *text*, but for targets without a
    price: `GOOD` has three.
    """
    return [
        (each.line, each.where, each.message)
        for each in loaded(text).warnings
        if not each.message.startswith("has no price")
    ]
