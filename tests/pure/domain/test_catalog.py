"""What targets say of themselves."""

from proxy.domain.labels import Workload
from tests.builders import a_target


def test_quality_of_a_workload_is_its_own_or_the_default() -> None:
    """A figure of zero is a figure; without any figure nothing is known."""
    target = a_target(quality={"code": 0.0, "default": 0.7})

    assert target.quality_for(Workload.CODE) == 0.0
    assert target.quality_for(Workload.CHAT) == 0.7
    assert a_target().quality_for(Workload.CHAT) is None
