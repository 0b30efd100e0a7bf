"""Number of workers of Ray: as many as fit, and a refusal instead of a wait."""

from types import SimpleNamespace

import pytest

from speechbrain_lmac.bulk.options import EngineOptions
from speechbrain_lmac.bulk.ray_engine import _worker_count
from speechbrain_lmac.utils.errors import InputError


def workers(resources, **options):
    ray = SimpleNamespace(cluster_resources=lambda: resources)
    return _worker_count(ray, EngineOptions(engine="ray", **options))


def test_workers_leave_one_cpu_to_ray():
    """By default there is a worker for every CPU but one, or for every fraction of a GPU."""
    assert workers({"CPU": 8.0}) == 7
    assert workers({"CPU": 8.0}, workers=3) == 3
    assert workers({"CPU": 8.0, "GPU": 2.0}, gpus_per_worker=0.5) == 4


@pytest.mark.parametrize(
    ("resources", "options", "reason"),
    [
        ({"CPU": 2.0}, {"workers": 2}, "at most 1 on 2 CPUs and 0 GPUs.*got 2"),
        ({"CPU": 1.0}, {}, "at most 0 on 1 CPUs"),
        ({"CPU": 8.0}, {"gpus_per_worker": 1.0}, "at most 0 on 8 CPUs and 0 GPUs"),
        ({}, {"workers": 1}, "at most 0 on 0 CPUs"),
    ],
)
def test_workers_that_never_fit_are_refused(resources, options, reason):
    """Ray would wait for them without a word."""
    with pytest.raises(InputError, match=f"workers must be {reason}"):
        workers(resources, **options)
