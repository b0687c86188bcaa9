"""The shipped configs that stubs are made of."""

from proxy.config.load import load
from tests.architecture.trees import ROOT

POLICIES = load(ROOT / "config" / "policies.yaml")
SUITE = ROOT / "config" / "tests" / "policies.yaml"
