"""Sources and output of large jobs in an object store."""

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("s3fs")
pytest.importorskip("moto.server")

from speechbrain_lmac import explain_dataset
from speechbrain_lmac.bulk.rows import read_rows
from speechbrain_lmac.bulk.store import open_store
from speechbrain_lmac.utils.errors import InputError
from tests.unit.bulk.conftest import PROMPTS, read_table, write_clips


@pytest.fixture
def bucket(monkeypatch, tmp_path):
    """URL of an empty bucket of a local server, whose buckets outlive it."""
    from moto.server import ThreadedMotoServer

    running = ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    name = tmp_path.name.replace("_", "-")
    s3fs.S3FileSystem().mkdir(name)
    yield f"s3://{name}"
    s3fs.S3FileSystem.clear_instance_cache()
    running.stop()


def upload(paths, url):
    store = open_store(url)
    for path in paths:
        store.write(path.name, path.read_bytes())


def read_remote(url):
    store = open_store(url)
    parts = [store.read(f"parts/{name}") for name in store.names("parts")]
    return [row for data in parts for row in read_rows(data).to_pylist()]


def test_s3_gives_the_rows_of_local_files(bucket, tmp_path):
    """Rows of a bucket equal those of its files on disk; a second run explains only new files."""
    paths = write_clips(tmp_path / "clips", 5)
    upload(paths, f"{bucket}/clips")
    options = {"unit_files": 2, "progress": False}
    result = explain_dataset(f"{bucket}/clips", PROMPTS, f"{bucket}/out", **options)
    assert result.complete and result.units == 3 and not result.failed
    explain_dataset(str(tmp_path / "clips"), PROMPTS, str(tmp_path / "out"), **options)
    local = {row["file"].rpartition("/")[2]: row for row in read_table(tmp_path / "out")}
    rows = read_remote(f"{bucket}/out")
    for row in rows:
        expected = local[row["file"].rpartition("/")[2]]
        assert row["file"].startswith(f"{bucket}/clips/")
        assert (row["presence"], row["hits"]) == (expected["presence"], expected["hits"])
    upload(write_clips(tmp_path / "more", 1, first=5), f"{bucket}/clips")
    result = explain_dataset(f"{bucket}/clips", PROMPTS, f"{bucket}/out", **options)
    assert (result.files, result.units) == (6, 4) and read_remote(f"{bucket}/out")[:5] == rows
    with pytest.raises(InputError, match="prompts lack"):
        explain_dataset(f"{bucket}/clips", PROMPTS[:1], f"{bucket}/out", **options)


def test_missing_bucket_is_one_sentence(bucket):
    """A bucket that does not exist is an error of the user."""
    with pytest.raises(InputError, match=r"s3://nowhere/clips"):
        explain_dataset("s3://nowhere/clips", PROMPTS, f"{bucket}/out", progress=False)
