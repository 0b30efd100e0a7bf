"""Against a real server on loopback, which serves, cuts and refuses as it is told."""

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
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and server.ranges:
            start = int(asked[1])
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


def test_a_file_arrives_whole_in_a_folder_that_is_made(server, tmp_path):
    path = fetch(server.url, tmp_path / "new" / "weights.pt", SHA256)
    assert path.read_bytes() == CONTENT
    assert [found.name for found in path.parent.iterdir()] == ["weights.pt"]


def test_processes_that_ask_at_once_share_one_download(server, tmp_path):
    """Each has a lock of its own on the same file, as processes have."""
    path = tmp_path / "weights.pt"
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fetch(server.url, path, SHA256), range(4)))
    assert found == [path] * 4 and path.read_bytes() == CONTENT
    assert server.starts == [0]


def test_without_a_checksum_the_length_is_what_counts(server, tmp_path):
    server.cuts = [1000, 3000]
    path = fetch(server.url, tmp_path / "weights.pt", None)
    assert path.read_bytes() == CONTENT and len(server.starts) == 3
    path.write_bytes(b"mine")
    assert fetch(server.url, path, None).read_bytes() == b"mine"


def test_another_file_is_not_gone_on_with(server, tmp_path):
    """Without a checksum: by the server's own word for which file it is, or from the start."""
    server.etag, server.cuts = '"first"', [1000] * download.ATTEMPTS
    with pytest.raises(InputError, match="broke off"):
        fetch(server.url, tmp_path / "weights.pt", None)
    server.etag = '"second"'
    assert fetch(server.url, tmp_path / "weights.pt", None).read_bytes() == CONTENT
    assert server.starts[-1] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pt"]


def test_what_began_without_a_word_is_begun_anew(server, tmp_path):
    (tmp_path / "weights.pt.partial").write_bytes(b"another" * 9)
    assert fetch(server.url, tmp_path / "weights.pt", None).read_bytes() == CONTENT
    assert server.starts == [0]


def test_the_same_file_is_gone_on_with(server, tmp_path):
    server.etag, server.cuts = '"first"', [1000] * download.ATTEMPTS
    with pytest.raises(InputError):
        fetch(server.url, tmp_path / "weights.pt", None)
    fetch(server.url, tmp_path / "weights.pt", None)
    assert server.starts[-1] == 1000 * download.ATTEMPTS


@pytest.mark.parametrize("secret", ["me:hunter2@", "hunter2@", "a@b:hunter2@"])
def test_secrets_of_an_address_are_not_said(secret, tmp_path):
    url = f"http://{secret}127.0.0.1:9/weights.pt?token=hunter2#hunter2"
    with pytest.raises(InputError) as said:
        fetch(url, tmp_path / "weights.pt", None)
    assert "hunter2" not in str(said.value) and "127.0.0.1:9/weights.pt" in str(said.value)


def test_what_is_there_is_not_fetched_again(server, tmp_path):
    path = tmp_path / "weights.pt"
    path.write_bytes(CONTENT)
    fetch(server.url, path, SHA256)
    assert server.starts == []


def test_a_cut_connection_goes_on_where_it_broke(server, tmp_path):
    server.cuts = [200_000, 100_000]
    path = fetch(server.url, tmp_path / "weights.pt", SHA256)
    assert path.read_bytes() == CONTENT
    assert server.starts == [0, 200_000, 300_000]


def test_a_later_call_goes_on_as_well(server, tmp_path):
    (tmp_path / "weights.pt.partial").write_bytes(CONTENT[:1000])
    fetch(server.url, tmp_path / "weights.pt", SHA256)
    assert server.starts == [1000]


def test_a_whole_partial_file_is_taken(server, tmp_path):
    (tmp_path / "weights.pt.partial").write_bytes(CONTENT)
    assert fetch(server.url, tmp_path / "weights.pt", SHA256).read_bytes() == CONTENT


def test_a_partial_file_that_began_otherwise_is_begun_again(server, tmp_path):
    (tmp_path / "weights.pt.partial").write_bytes(b"an older version")
    assert fetch(server.url, tmp_path / "weights.pt", SHA256).read_bytes() == CONTENT
    assert server.starts == [16, 0]


def test_a_partial_file_that_is_too_long_is_begun_again(server, tmp_path):
    (tmp_path / "weights.pt.partial").write_bytes(CONTENT + b"more")
    assert fetch(server.url, tmp_path / "weights.pt", SHA256).read_bytes() == CONTENT


def test_a_folder_in_the_way_is_said(server, tmp_path):
    (tmp_path / "weights.pt").mkdir()
    with pytest.raises(InputError, match=r"weights\.pt cannot be written"):
        fetch(server.url, tmp_path / "weights.pt", SHA256)


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.ranges, server.cuts = False, [200_000]
    assert fetch(server.url, tmp_path / "weights.pt", SHA256).read_bytes() == CONTENT


def test_a_server_in_trouble_is_asked_again(server, tmp_path):
    server.statuses = [503, 503]
    assert fetch(server.url, tmp_path / "weights.pt", SHA256).read_bytes() == CONTENT


def test_another_file_is_refused_and_not_kept(server, tmp_path):
    with pytest.raises(InputError, match="must have the SHA-256"):
        fetch(server.url, tmp_path / "weights.pt", "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_says_where_to_put_it(server, tmp_path):
    server.statuses = [404]
    with pytest.raises(InputError, match=r"404.*Put the file at .*weights\.pt"):
        fetch(server.url, tmp_path / "weights.pt", SHA256)


def test_no_network_says_so(tmp_path, server):
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match=r"cannot be downloaded .*Put the file at"):
        fetch(server.url, tmp_path / "weights.pt", SHA256)


def test_a_connection_that_always_breaks_is_given_up_but_nothing_is_lost(server, tmp_path):
    server.cuts = [10] * download.ATTEMPTS
    with pytest.raises(InputError, match="broke off at 50 of"):
        fetch(server.url, tmp_path / "weights.pt", SHA256)
    assert (tmp_path / "weights.pt.partial").read_bytes() == CONTENT[:50]


def test_a_full_disk_is_no_fault_of_the_network(server, tmp_path):
    (tmp_path / "weights.pt.partial").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"weights\.pt cannot be written: .*No space"):
        fetch(server.url, tmp_path / "weights.pt", SHA256)
