"""What a run must be to be queued."""

import pytest

from wafer_sim.coordinator.admission import require_admissible
from wire.errors import InvalidInput
from wire.v1 import run_pb2


def test_a_sound_spec_is_admitted(spec):
    """Nothing is raised for a spec that a wafer can run, with a recipe or without."""
    require_admissible(spec())
    require_admissible(spec(recipe="", replicas=3))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: setattr(s, "mode", run_pb2.MODE_UNSPECIFIED), "no mode"),
        (lambda s: setattr(s, "fabric", run_pb2.FABRIC_UNSPECIFIED), "no fabric"),
        (lambda s: setattr(s, "model_dir", "model"), "no absolute path"),
        (lambda s: setattr(s, "executable", "../../etc"), "64 hex digits"),
        (lambda s: setattr(s, "optimizer", "[1]"), "no object"),
        (lambda s: setattr(s.data, "replicas", 0), "at least one replica"),
        (lambda s: setattr(s.data, "replicas", 5), "at least 5 streams are needed for a model with 5 replicas"),
        (lambda s: setattr(s.data, "streams", 10**6), "more than"),
        (lambda s: setattr(s.data, "batch_size", 0), "at least one sample"),
        (lambda s: (setattr(s.data, "replicas", 4), setattr(s.data, "batch_size", 6)), "split evenly over 4"),
        (lambda s: setattr(s.data, "recipe", "{'a': 1}"), "no JSON"),
        (lambda s: setattr(s.data, "recipe", "3"), "no object"),
        (lambda s: setattr(s.data, "element_spec", b"nonsense"), "no element spec"),
    ],
)
def test_a_spec_that_no_wafer_could_run_is_refused(spec, change, said):
    """Every unsound part is refused as the user's own mistake, in words."""
    unsound = spec()
    change(unsound)
    with pytest.raises(InvalidInput) as caught:
        require_admissible(unsound)
    assert said in str(caught.value)
    assert caught.value.where
