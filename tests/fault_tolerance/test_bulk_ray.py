"""Ray as the engine loses a node, its driver, or never gets what it needs."""

import random
import socket
import time
from contextlib import contextmanager

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("ray")

from speechbrain_lmac import explain_dataset
from speechbrain_lmac.bulk.ray_engine import CONNECTION_SECONDS
from speechbrain_lmac.utils.errors import InputError
from tests.integration.test_bulk_ray import start
from tests.unit.bulk.conftest import PROMPTS, read_parts, write_clips


@contextmanager
def cluster(cpus):
    """Yield a cluster of nodes with these numbers of CPUs; the first is the head."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus[0]})
    try:
        for count in cpus[1:]:
            nodes.add_node(num_cpus=count)
        nodes.wait_for_nodes()
        yield nodes
    finally:
        nodes.shutdown()


def wait_for_parts(process, output, count):
    while process.poll() is None and len(list(output.glob("parts/*.parquet"))) < count:
        time.sleep(0.05)


def check_equals_serial(clips, output):
    serial = output.with_name("serial")
    assert explain_dataset(str(clips), PROMPTS, str(serial), unit_files=4).complete
    assert read_parts(output) == read_parts(serial)


@pytest.mark.exhaustive
def test_node_kill_changes_nothing(tmp_path):
    """One of two nodes dies at work; the others complete the job with the same parts."""
    write_clips(tmp_path / "clips", 120)
    with cluster([2, 2]) as nodes:
        options = ("--address", nodes.address, "--workers", "3")
        process = start(tmp_path / "clips", tmp_path / "out", *options)
        wait_for_parts(process, tmp_path / "out", 3)
        nodes.remove_node(next(iter(nodes.worker_nodes)), allow_graceful=False)
        text, _ = process.communicate(timeout=400)
        assert process.returncode == 0, text
    check_equals_serial(tmp_path / "clips", tmp_path / "out")


@pytest.mark.exhaustive
def test_driver_kills_change_nothing(tmp_path):
    """The driver dies at random moments; the last run completes the job with the same parts."""
    write_clips(tmp_path / "clips", 80)
    chance = random.Random(2)
    for _ in range(4):
        process = start(tmp_path / "clips", tmp_path / "out", "--workers", "1")
        wait_for_parts(process, tmp_path / "out", 1)
        time.sleep(chance.uniform(0, 1))
        process.kill()
        process.communicate()
    process = start(tmp_path / "clips", tmp_path / "out", "--workers", "1")
    text, _ = process.communicate(timeout=400)
    assert process.returncode == 0, text
    check_equals_serial(tmp_path / "clips", tmp_path / "out")


@pytest.mark.parametrize("answers", [False, True], ids=["closed", "silent"])
def test_unusable_address_is_one_sentence(tmp_path, monkeypatch, answers):
    """A closed address, or one that accepts and never answers, is an error and not a wait."""
    assert CONNECTION_SECONDS < 30
    monkeypatch.setattr("speechbrain_lmac.bulk.ray_engine.CONNECTION_SECONDS", 5)
    write_clips(tmp_path / "clips", 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        if not answers:
            server.close()
        options = {"engine": "ray", "address": address, "progress": False}
        begin = time.monotonic()
        with pytest.raises(InputError, match=f"Ray at {address} (cannot|does not)"):
            explain_dataset(str(tmp_path / "clips"), PROMPTS, str(tmp_path / "out"), **options)
        assert time.monotonic() - begin < 30


@pytest.mark.exhaustive
def test_too_few_cpus_are_refused(tmp_path):
    """Workers that a cluster has no CPUs for are refused: Ray would wait without a word."""
    write_clips(tmp_path / "clips", 12)
    with cluster([2]) as nodes:
        options = ("--address", nodes.address, "--workers", "3")
        process = start(tmp_path / "clips", tmp_path / "out", *options)
        text, _ = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "workers must be at most 1 on 2 CPUs" in text


def test_foreign_job_is_refused_before_ray_starts(tmp_path, monkeypatch):
    """A folder of another job is refused with Ray, too."""
    write_clips(tmp_path / "clips", 1)
    explain_dataset(str(tmp_path / "clips"), PROMPTS[:1], str(tmp_path / "out"))
    monkeypatch.setattr("ray.init", lambda **_: pytest.fail("Ray was started"))
    with pytest.raises(InputError, match="holds a job with other settings"):
        explain_dataset(str(tmp_path / "clips"), PROMPTS, str(tmp_path / "out"), engine="ray")
