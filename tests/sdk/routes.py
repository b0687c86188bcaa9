"""The gateway's config for the tests with SDKs, Python and Node alike."""

ROUTES = """
    providers:
      first: {{dialect: openai, base_url: "{first}", allow_private: true}}
      second: {{dialect: openai, base_url: "{second}", allow_private: true}}
      third: {{dialect: openai, base_url: "{third}", allow_private: true}}
      hasty:
        dialect: openai
        base_url: "{first}"
        allow_private: true
        timeouts: {{first_byte_s: 0.2, plain_first_byte_s: 0.2, between_chunks_s: 0.2}}
    targets:
      first/sim-medium: {{provider: first, model: sim-medium}}
      second/sim-medium: {{provider: second, model: sim-medium}}
      third/sim-medium: {{provider: third, model: sim-medium}}
      hasty/sim-medium: {{provider: hasty, model: sim-medium}}
      first/sim-embed: {{provider: first, model: sim-embed, embedding_space: sim}}
    routes:
      auto: {{targets: [first/sim-medium, second/sim-medium, third/sim-medium]}}
      one: {{targets: [first/sim-medium]}}
      hasty: {{targets: [hasty/sim-medium]}}
      org/model:v1: {{targets: [first/sim-medium]}}
      embeddings: {{targets: [first/sim-embed]}}
    tenants:
      acme: {{tier: pro, routes: [auto, one, hasty, "org/model:v1", embeddings]}}
      small: {{tier: free, routes: [one]}}
"""
"""`hasty` is the first provider's server, waited for only briefly."""
