"""A gateway's config with rules, ladders and three providers, and texts that its rules meet."""

CONFIG = """
    providers:
      first: {{dialect: openai, base_url: "{first}", allow_private: true, region: us}}
      second: {{dialect: openai, base_url: "{second}", allow_private: true, region: eu,
                certifications: [dpa]}}
      third: {{dialect: openai, base_url: "{third}", allow_private: true, region: eu,
               certifications: [dpa, soc2]}}
    targets:
      first/small:
        provider: first
        model: sim-small
        tier: economy
        price: {{input_usd_per_million: 0.1, output_usd_per_million: 0.4}}
        context_window_tokens: 4000
      second/medium:
        provider: second
        model: sim-medium
        price: {{input_usd_per_million: 0.5, output_usd_per_million: 1.5}}
        context_window_tokens: 4000
      third/large:
        provider: third
        model: sim-large
        tier: premium
        price: {{input_usd_per_million: 5, output_usd_per_million: 25}}
        context_window_tokens: 4000
        quality: {{reasoning: 0.9}}
    routes:
      auto: {{targets: [first/small, second/medium, third/large]}}
      thinking: {{targets: [third/large, second/medium]}}
      alone: {{targets: [third/large]}}
      second: {{targets: [second/medium]}}
      cheap: {{targets: [third/large], degrade: {{steps: [cheaper_tier]}}}}
      bounded: {{targets: [second/medium],
                 degrade: {{steps: [fewer_tokens, shorter_context], max_tokens: 50}}}}
      kept: {{targets: [third/large],
              degrade: {{steps: [cached_answer, message], message: "Back at nine."}}}}
      said: {{targets: [third/large], degrade: {{steps: [message], message: "Back at nine."}}}}
    tenants:
      acme: {{tier: pro, routes: [auto, thinking, alone, second, cheap, bounded, kept, said]}}
      globex: {{tier: pro, routes: [thinking]}}
    classify:
      disallowed: {{weapons: ["build a bomb"]}}
    policies:
      - id: no-weapons
        when: {{disallowed: weapons}}
        refuse: This is not answered here.
      - id: personal-data-needs-dpa
        when: {{sensitivity: regulated}}
        require: {{certifications: dpa}}
      - id: secrets-are-taken-out
        when: {{kinds: api_key}}
        redact: [api_key]
      - id: no-premium-for-cheap
        when: {{route: cheap}}
        forbid: {{tier: premium}}
      - id: closed-at-night
        when: {{route: [kept, said], header: {{x-night: "1"}}}}
        forbid: {{provider: third}}
      - id: nothing-dear-in-the-morning
        when: {{route: kept, header: {{x-morning: "1"}}}}
        max_cost_usd: 0.0000001
      - id: answers-may-be-kept
        when: {{route: kept}}
        cache: true
      - id: bounded-costs-little
        when: {{route: bounded}}
        max_cost_usd: 0.002
      - id: one-thought-a-ticket
        when: {{route: [thinking, alone], scope: {{ticket: true}}}}
        premium_cap: {{scope: ticket, calls: 1}}
      - id: machines-are-cheap
        when: {{key_tag: [ci, batch]}}
        forbid: {{target: first/small}}
      - id: quiet
        when: {{feature: quiet}}
        log: none
"""

MAIL = "Write to ann.lee@example.com please"
KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGH"
