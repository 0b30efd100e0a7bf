"""Downloads from a real server on loopback with configurable faults."""

import hashlib
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from speechbrain_lmac.utils import download
from speechbrain_lmac.utils.download import fetch
from speechbrain_lmac.utils.errors import InputError

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, start = self.server, 0
        requested = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if requested and server.ranges:
            start = int(requested[1])
        if start and server.etag and self.headers.get("If-Range") != server.etag:
            start = 0
        server.starts.append(start)
        status = server.statuses.pop(0) if server.statuses else 206 if start else 200
        if start >= len(CONTENT):
            status = 416
        self.send_response(status)
        if status >= 400:
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else len(CONTENT)
        self.wfile.write(CONTENT[start : start + cut])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.ranges, server.cuts, server.statuses, server.starts = True, [], [], []
    server.etag = None
    server.url = f"http://127.0.0.1:{server.server_port}/weights.pt"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_fetch_creates_folder_and_file(server, tmp_path):
    """Nothing but the complete file is in the new folder."""
    path = fetch(server.url, tmp_path / "new" / "weights.pt", SHA256)
    assert path.read_bytes() == CONTENT
    assert [file.name for file in path.parent.iterdir()] == ["weights.pt"]


def test_fetch_concurrent_calls_share_download(server, tmp_path):
    """Each call has its own lock on the same file, as processes have."""
    path = tmp_path / "weights.pt"
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: fetch(server.url, path, SHA256), range(4)))
    assert paths == [path] * 4 and path.read_bytes() == CONTENT
    assert server.starts == [0]


def test_fetch_without_hash_checks_length(server, tmp_path):
    """An interrupted download is completed; an existing file is not verified."""
    server.cuts = [1000, 3000]
    path = fetch(server.url, tmp_path / "weights.pt", None)
    assert path.read_bytes() == CONTENT and len(server.starts) == 3
    path.write_bytes(b"mine")
    assert fetch(server.url, path, None).read_bytes() == b"mine"


def test_fetch_does_not_resume_changed_file(server, tmp_path):
    """Without a hash, the server's validator tells whether it still has the same file."""
    server.etag, server.cuts = '"first"', [1000] * download.ATTEMPTS
    with pytest.raises(InputError, match="broke off"):
        fetch(server.url, tmp_path / "weights.pt", None)
    server.etag = '"second"'
    assert fetch(server.url, tmp_path / "weights.pt", None).read_bytes() == CONTENT
    assert server.starts[-1] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pt"]


def test_fetch_discards_part_without_validator(server, tmp_path):
    """Without a hash and a validator, a partial file may belong to another file."""
    (tmp_path / "weights.pt.partial").write_bytes(b"another" * 9)
    assert fetch(server.url, tmp_path / "weights.pt", None).read_bytes() == CONTENT
    assert server.starts == [0]


def test_fetch_resumes_with_same_validator(server, tmp_path):
    """A later call requests the missing bytes only."""
    server.etag, server.cuts = '"first"', [1000] * download.ATTEMPTS
    with pytest.raises(InputError):
        fetch(server.url, tmp_path / "weights.pt", None)
    fetch(server.url, tmp_path / "weights.pt", None)
    assert server.starts[-1] == 1000 * download.ATTEMPTS


@pytest.mark.parametrize("secret", ["me:hunter2@", "hunter2@", "a@b:hunter2@"])
def test_fetch_error_hides_secrets(secret, tmp_path):
    """Users, passwords and queries of an address are not in the error."""
    url = f"http://{secret}127.0.0.1:9/weights.pt?token=hunter2#hunter2"
    with pytest.raises(InputError) as error:
        fetch(url, tmp_path / "weights.pt", None)
    assert "hunter2" not in str(error.value) and "127.0.0.1:9/weights.pt" in str(error.value)


def test_fetch_keeps_existing_file(server, tmp_path):
    """A file with the right hash is not requested."""
    path = tmp_path / "weights.pt"
    path.write_bytes(CONTENT)
    fetch(server.url, path, SHA256)
    assert server.starts == []


def test_fetch_resumes_broken_connection(server, tmp_path):
    """Each new connection requests the missing bytes."""
    server.cuts = [200_000, 100_000]
    path = fetch(server.url, tmp_path / "weights.pt", SHA256)
    assert path.read_bytes() == CONTENT
    assert server.starts == [0, 200_000, 300_000]


def test_fetch_resumes_in_later_call(server, tmp_path):
    """A partial file of an earlier process is completed."""
    (tmp_path / "weights.pt.partial").write_bytes(CONTENT[:1000])
    fetch(server.url, tmp_path / "weights.pt", SHA256)
    assert server.starts == [1000]


def test_fetch_accepts_complete_part(server, tmp_path):
    """A download that was killed before its rename is complete."""
    (tmp_path / "weights.pt.partial").write_bytes(CONTENT)
    assert fetch(server.url, tmp_path / "weights.pt", SHA256).read_bytes() == CONTENT


def test_fetch_restarts_on_wrong_hash(server, tmp_path):
    """A partial file of another version is downloaded again."""
    (tmp_path / "weights.pt.partial").write_bytes(b"an older version")
    assert fetch(server.url, tmp_path / "weights.pt", SHA256).read_bytes() == CONTENT
    assert server.starts == [16, 0]


def test_fetch_restarts_on_excess_bytes(server, tmp_path):
    """A partial file longer than the file is downloaded again."""
    (tmp_path / "weights.pt.partial").write_bytes(CONTENT + b"more")
    assert fetch(server.url, tmp_path / "weights.pt", SHA256).read_bytes() == CONTENT


def test_fetch_refuses_to_replace_folder(server, tmp_path):
    """A folder with the name of the file is an error."""
    (tmp_path / "weights.pt").mkdir()
    with pytest.raises(InputError, match=r"weights\.pt cannot be written"):
        fetch(server.url, tmp_path / "weights.pt", SHA256)


def test_fetch_restarts_without_ranges(server, tmp_path):
    """A server without range requests sends the whole file."""
    server.ranges, server.cuts = False, [200_000]
    assert fetch(server.url, tmp_path / "weights.pt", SHA256).read_bytes() == CONTENT


def test_fetch_retries_server_errors(server, tmp_path):
    """Status 503 is temporary."""
    server.statuses = [503, 503]
    assert fetch(server.url, tmp_path / "weights.pt", SHA256).read_bytes() == CONTENT


def test_fetch_removes_file_of_wrong_hash(server, tmp_path):
    """The error states both hashes, and no file remains."""
    with pytest.raises(InputError, match="must have the SHA-256"):
        fetch(server.url, tmp_path / "weights.pt", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_fetch_names_place_of_missing_file(server, tmp_path):
    """Status 404 is permanent; the error states where to put the file."""
    server.statuses = [404]
    with pytest.raises(InputError, match=r"404.*Put the file at .*weights\.pt"):
        fetch(server.url, tmp_path / "weights.pt", SHA256)


def test_fetch_without_network_is_input_error(tmp_path, server):
    """The error states where to put the file."""
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match=r"cannot be downloaded .*Put the file at"):
        fetch(server.url, tmp_path / "weights.pt", SHA256)


def test_fetch_gives_up_and_keeps_part(server, tmp_path):
    """After some attempts the received bytes stay for a later call."""
    server.cuts = [10] * download.ATTEMPTS
    with pytest.raises(InputError, match="broke off at 50 of"):
        fetch(server.url, tmp_path / "weights.pt", SHA256)
    assert (tmp_path / "weights.pt.partial").read_bytes() == CONTENT[:50]


def test_fetch_names_full_disk(server, tmp_path):
    """A disk error is not reported as a network error."""
    (tmp_path / "weights.pt.partial").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"weights\.pt cannot be written: .*No space"):
        fetch(server.url, tmp_path / "weights.pt", SHA256)
