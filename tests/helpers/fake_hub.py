"""Local stand-in for the Hugging Face Hub, for downloads and uploads by the real client."""

import base64
import functools
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from huggingface_hub import constants

TOKEN = "hf_stand_in"
LARGE = (".safetensors", ".png")
"""Endings of files that are uploaded by the protocol of large files."""


class FakeHub:
    """Repositories in memory, served on loopback.

    Attributes
    ----------
    requests : list of str
        Method and path of each request.
    messages : list of str
        Message of each commit of the client.
    private : set of str
        Repositories that need the token.
    sizes : dict
        File name -> size to announce instead of the true size.
    faults : list of tuple
        ``(part of a request's line, status)``. Each applies to the first request that contains the
        part. Status 0 closes the connection during the answer.
    """

    def __init__(self):
        self.commits = {}
        self.large = {}
        self.faults = []
        self.messages = []
        self.private = set()
        self.sizes = {}
        self.requests = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Hub", (_Hub,), {"hub": self}))
        self.server.daemon_threads = True
        serve = functools.partial(self.server.serve_forever, poll_interval=0.02)
        threading.Thread(target=serve, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def put(self, repo, files):
        """Commit files to a repository; return the revision."""
        tree = {**self.files(repo), **files}
        text = json.dumps([(name, hashlib.sha256(tree[name]).hexdigest()) for name in sorted(tree)])
        revision = hashlib.sha1(text.encode()).hexdigest()
        self.commits.setdefault(repo, []).append((revision, tree))
        return revision

    def files(self, repo, revision="main"):
        commits = self.commits.get(repo, [])
        if revision == "main":
            return commits[-1][1] if commits else {}
        return next((files for name, files in commits if name == revision), {})

    def head(self, repo, revision):
        commits = self.commits.get(repo, [])
        if revision == "main" and commits:
            return commits[-1][0]
        return next((name for name, _ in commits if name == revision), None)


class _Hub(BaseHTTPRequestHandler):
    hub: FakeHub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self.handle_one(body=False)

    def do_GET(self):
        self.handle_one()

    do_POST = do_PUT = do_GET  # noqa: N815

    def handle_one(self, body=True):
        path = unquote(self.path.split("?")[0])
        line = f"{self.command} {path}"
        self.hub.requests.append(line)
        length = int(self.headers.get("Content-Length", 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.content = self.read_chunks()
        else:
            self.content = self.rfile.read(length)
        for fault in self.hub.faults:
            if fault[0] in line:
                self.hub.faults.remove(fault)
                return self.drop() if fault[1] == 0 else self.answer(fault[1], b"", body)
        for pattern, answer in ROUTES:
            match = re.fullmatch(pattern, line)
            if match:
                return answer(self, body, *match.groups())
        return self.answer(404, b"", body)

    def read_chunks(self):
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def drop(self):
        self.close_connection = True
        self.connection.shutdown(2)

    def answer(self, status, data, body=True, **headers):
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
            headers["Content-Type"] = "application/json"
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_):
        pass

    def is_authorized(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    # Routes

    def root(self, body):
        self.answer(200, b"", body)

    def create(self, body):
        if not self.is_authorized():
            return self.answer(401, {"error": "invalid token"})
        request = json.loads(self.content)
        repo = f"{request.get('organization') or 'me'}/{request['name']}"
        url = f"{self.hub.endpoint}/{repo}"
        if repo in self.hub.commits:
            return self.answer(409, {"url": url, "error": "You already created this repo"})
        self.hub.commits[repo] = []
        if request.get("visibility") == "private":
            self.hub.private.add(repo)
        self.hub.put(repo, {".gitattributes": b""})
        return self.answer(200, {"url": url})

    def page(self, body, repo, revision="main"):
        files, sha = self.hub.files(repo, revision), self.hub.head(repo, revision)
        if sha is None or (repo in self.hub.private and not self.is_authorized()):
            return self.answer(404, b"", body, X_Error_Code="RepoNotFound")
        siblings = [
            {"rfilename": name, "size": self.hub.sizes.get(name, len(data))}
            for name, data in files.items()
        ]
        page = {"id": repo, "sha": sha, "siblings": siblings, "private": False}
        return self.answer(200, page, body)

    def tree(self, body, repo, revision):
        tree = [
            {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
            for name, data in self.hub.files(repo, revision).items()
        ]
        self.answer(200, tree, body)

    def resolve(self, body, repo, revision, name):
        files, sha = self.hub.files(repo, revision), self.hub.head(repo, revision)
        if name not in files:
            return self.answer(404, b"", body, X_Error_Code="EntryNotFound")
        data = files[name]
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        return self.answer(200, data, body, ETag=etag, X_Repo_Commit=sha)

    def validate(self, body):
        valid = json.loads(self.content)["content"].startswith("---\n")
        errors = [] if valid else [{"message": "no front matter"}]
        self.answer(200 if valid else 400, {"errors": errors, "warnings": []})

    def preupload(self, body, repo, revision):
        if not self.is_authorized():
            return self.answer(401, b"")
        files = json.loads(self.content)["files"]
        modes = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE) else "regular",
                "shouldIgnore": False,
            }
            for file in files
        ]
        return self.answer(200, {"files": modes})

    def batch(self, body, repo):
        objects = []
        for file in json.loads(self.content)["objects"]:
            if file["oid"] not in self.hub.large:
                href = f"{self.hub.endpoint}/large/{file['oid']}"
                file = {**file, "actions": {"upload": {"href": href}}}
            objects.append(file)
        self.answer(200, {"transfer": "basic", "objects": objects})

    def store_large(self, body, oid):
        if hashlib.sha256(self.content).hexdigest() != oid:
            return self.answer(400, b"")
        self.hub.large[oid] = self.content
        return self.answer(200, b"")

    def branch(self, body, repo, name):
        self.answer(200 if self.is_authorized() else 401, {})

    def commit(self, body, repo, revision):
        files = {}
        for line in self.content.decode().splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "header":
                self.hub.messages.append(value["summary"])
            elif entry["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                files[value["path"]] = self.hub.large[value["oid"]]
        oid = self.hub.put(repo, files)
        self.answer(
            200, {"commitUrl": f"{self.hub.endpoint}/{repo}/commit/{oid}", "commitOid": oid}
        )


REPO = r"(\w[\w.-]*/\w[\w.-]*)"
ROUTES = [
    (r"(?:HEAD|GET) /", _Hub.root),
    (r"POST /api/repos/create", _Hub.create),
    (rf"GET /api/models/{REPO}", _Hub.page),
    (rf"GET /api/models/{REPO}/revision/(\w+)", _Hub.page),
    (rf"GET /api/models/{REPO}/tree/(\w+)", _Hub.tree),
    (rf"(?:HEAD|GET) /{REPO}/resolve/(\w+)/(.+)", _Hub.resolve),
    (r"POST /api/validate-yaml", _Hub.validate),
    (rf"POST /api/models/{REPO}/preupload/(\w+)", _Hub.preupload),
    (rf"POST /{REPO}\.git/info/lfs/objects/batch", _Hub.batch),
    (r"PUT /large/(\w+)", _Hub.store_large),
    (rf"POST /api/models/{REPO}/branch/(\w+)", _Hub.branch),
    (rf"POST /api/models/{REPO}/commit/(\w+)", _Hub.commit),
]


def point_at(monkeypatch, endpoint, cache):
    """Set the address and the cache folder of the Hub client."""
    for name in ("huggingface_hub.constants", "huggingface_hub.hf_api"):
        monkeypatch.setattr(f"{name}.ENDPOINT", endpoint, raising=False)
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(cache))
