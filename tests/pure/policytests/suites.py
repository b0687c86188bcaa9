"""Policy tests for tests of what runs them: a small config, and a file that is for it."""

from pathlib import Path
from textwrap import dedent, indent

from proxy.policytests.load import PolicyTest, load_tests
from proxy.policytests.run import Result, run_test

CONFIG = """\
providers:
  a: {dialect: openai, base_url: "http://127.0.0.1:1/v1", allow_private: true, region: eu}
  b: {dialect: openai, base_url: "http://127.0.0.1:2/v1", allow_private: true}
targets:
  a/small: {provider: a, model: small, tier: economy, context_window_tokens: 8000,
            price: {input_usd_per_million: 1, output_usd_per_million: 2}}
  b/big: {provider: b, model: big, tier: premium, context_window_tokens: 8000,
          price: {input_usd_per_million: 3, output_usd_per_million: 6}}
  a/plain: {provider: a, model: plain, capabilities: [completions]}
  b/vectors: {provider: b, model: vectors, embedding_space: v}
routes:
  auto: {targets: [a/small, b/big]}
  plain: {targets: [a/plain]}
  vectors: {targets: [b/vectors]}
  dear:
    targets: [b/big]
    degrade: {steps: [cheaper_tier, cached_answer, message], message: Later please.}
tenants:
  acme: {tier: pro, routes: [auto, plain, vectors, dear]}
  free: {tier: free, routes: [auto, dear]}
policies:
  - {id: no-premium, when: {tier: free}, forbid: {tier: premium}, log: metadata,
     cap: {attempts: 1, max_tokens: 100}}
  - {id: one-a-ticket, when: {workload: reasoning}, premium_cap: {scope: ticket, calls: 1}}
  - {id: secrets, when: {kinds: api_key}, redact: api_key}
  - {id: nothing-of-that, when: {feature: banned}, refuse: Not here.}
  - {id: kept, when: {feature: kept}, cache: true}
"""


def written(directory: Path, tests: str, head: str = "config: config.yaml\n") -> Path:
    """A file with *tests*, and the config beside it."""
    (directory / "config.yaml").write_text(CONFIG)
    path = directory / "suite.yaml"
    path.write_text(f"{head}tests:\n{indent(dedent(tests), '  ')}")
    return path


def loaded(directory: Path, test: str) -> PolicyTest:
    """The one test that *test* writes, of tenant acme unless it says otherwise."""
    head = "config: config.yaml\ndefaults: {tenant: acme}\n"
    (found,) = load_tests(written(directory, test, head))
    return found


def result_of(directory: Path, expect: str, given: str = "prompt: Hello") -> Result:
    """How a test goes that expects *expect*, in flow style, of what is *given*, lines of keys."""
    test = f"- name: it\n{indent(dedent(given), '  ')}\n  expect: {expect}\n"
    return run_test(loaded(directory, test))
