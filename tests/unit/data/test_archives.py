"""Archives, downloaded from a server on loopback and unpacked."""

import errno
import hashlib
import io
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from speechbrain_lmac.data import archives
from speechbrain_lmac.data.archives import Archive, obtain, unpack
from speechbrain_lmac.utils.errors import InputError

FILES = {"set-1/meta/set.csv": b"a,b\n1,2\n", "set-1/audio/a.wav": b"RIFF" * 5000}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def make_zip(path, files=FILES, link=None):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if link:
            info = zipfile.ZipInfo(link)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, "/etc/passwd")
    return path


def make_tar(path, files=FILES, link=None):
    with tarfile.open(path, "w:bz2") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo(link)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
    return path


MAKERS = {"set.zip": make_zip, "set.tar.bz2": make_tar}


@pytest.fixture(params=MAKERS)
def published(request, tmp_path):
    """Archive of a data set on a server."""
    served = tmp_path / "served"
    served.mkdir()
    packed = MAKERS[request.param](served / request.param)
    handler = partial(Quiet, directory=served)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/{request.param}"
    sha256 = hashlib.sha256(packed.read_bytes()).hexdigest()
    yield Archive("a set", url, sha256, "set-1", "meta/set.csv", "CC0")
    server.shutdown()
    server.server_close()


def test_obtain_downloads_once(published, tmp_path):
    """The second call neither downloads nor changes the folder."""
    folder = obtain(published, tmp_path / "here" / "set")
    assert (folder / "audio" / "a.wav").read_bytes() == FILES["set-1/audio/a.wav"]
    assert [path.name for path in folder.parent.iterdir()] == ["set"]  # nothing is left over
    (folder / "audio" / "a.wav").write_bytes(b"mine")
    obtain(published._replace(url="http://127.0.0.1:1/gone"), folder)
    assert (folder / "audio" / "a.wav").read_bytes() == b"mine"


def test_obtain_refuses_wrong_hash(published, tmp_path):
    """An archive with another hash is not unpacked."""
    with pytest.raises(InputError, match="must have the SHA-256"):
        obtain(published._replace(sha256="0" * 64), tmp_path / "set")
    assert not (tmp_path / "set").exists()


def test_obtain_leaves_other_folder(published, tmp_path):
    """A folder with other content is an error and stays unchanged."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "thesis.tex").touch()
    with pytest.raises(InputError, match=r"must be empty or hold meta/set\.csv of a set"):
        obtain(published, tmp_path / "set")
    assert (tmp_path / "set" / "thesis.tex").exists()


def test_obtain_refuses_archive_without_set(published, tmp_path):
    """An archive without the folder or the marker of the data set is an error."""
    with pytest.raises(InputError, match=r"holds no other/meta/set\.csv"):
        obtain(published._replace(root="other"), tmp_path / "set")
    with pytest.raises(InputError, match="holds no set-1/gone"):
        obtain(published._replace(marker="gone"), tmp_path / "set2")
    assert not (tmp_path / "set").exists() and not (tmp_path / "set2").exists()


@pytest.mark.parametrize("make", MAKERS.items(), ids=lambda item: item[0])
@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "set-1/../../evil", "set-1/..\\..\\evil"])
def test_unpack_refuses_outside_paths(tmp_path, make, name):
    """A member outside the folder is an error before anything is written."""
    packed = make[1](tmp_path / make[0], {**FILES, name: b"x"})
    with pytest.raises(InputError, match="is refused: it would write to"):
        unpack(packed, tmp_path / "set", "set-1", "meta")
    assert [path.name for path in tmp_path.iterdir()] == [make[0]]


@pytest.mark.parametrize("make", MAKERS.items(), ids=lambda item: item[0])
def test_unpack_refuses_links(tmp_path, make):
    """A symbolic link is an error."""
    packed = make[1](tmp_path / make[0], link="set-1/audio/b.wav")
    with pytest.raises(InputError, match=r"is refused: set-1/audio/b\.wav is a link"):
        unpack(packed, tmp_path / "set", "set-1", "meta")


def test_unpack_accepts_dot_folder(tmp_path):
    """Members of a tar archive may begin with "./"."""
    packed = make_tar(tmp_path / "set.tar.bz2", {f"./{name}": c for name, c in FILES.items()})
    unpack(packed, tmp_path / "set", "set-1", "meta")
    assert (tmp_path / "set" / "meta" / "set.csv").is_file()


def test_unpack_refuses_damaged_member(tmp_path):
    """A member that cannot be decompressed is an error, and no folder appears."""
    packed = make_zip(tmp_path / "set.zip", {**FILES, "set-1/b": bytes(range(256)) * 50})
    content = bytearray(packed.read_bytes())
    content[120:200] = bytes(80)
    packed.write_bytes(content)
    with pytest.raises(InputError, match="no valid zip or tar archive"):
        unpack(packed, tmp_path / "set", "set-1", "meta")
    assert not (tmp_path / "set").exists()


def test_obtain_refuses_file_as_folder(published, tmp_path):
    """A file with the name of the folder is an error."""
    (tmp_path / "set").touch()
    with pytest.raises(InputError, match="must be empty or hold"):
        obtain(published, tmp_path / "set")


@pytest.mark.parametrize("make", MAKERS.items(), ids=lambda item: item[0])
def test_unpack_refuses_truncated_archive(tmp_path, make):
    """An incomplete archive is an error, and no folder appears."""
    packed = make[1](tmp_path / make[0])
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(InputError, match="no valid zip or tar archive"):
        unpack(packed, tmp_path / "set", "set-1", "meta")
    assert not (tmp_path / "set").exists()


def test_unpack_names_full_disk(tmp_path, monkeypatch):
    """The error names the archive, and no temporary stays."""
    packed = make_zip(tmp_path / "set.zip")

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archives.shutil, "unpack_archive", full)
    with pytest.raises(InputError, match=r"cannot be unpacked to .*No space left"):
        unpack(packed, tmp_path / "set", "set-1", "meta")
    assert [path.name for path in tmp_path.iterdir()] == ["set.zip"]


def test_obtain_downloads_broken_archive_again(published, tmp_path):
    """Without a hash, only unpacking shows that a download is broken."""
    unverified = published._replace(sha256=None)
    served = tmp_path / "served" / unverified.url.rpartition("/")[2]
    content = served.read_bytes()
    served.write_bytes(b"<html>not found</html>")
    with pytest.raises(InputError, match="is no valid"):
        obtain(unverified, tmp_path / "set")
    served.write_bytes(content)
    assert (obtain(unverified, tmp_path / "set") / "meta" / "set.csv").is_file()
