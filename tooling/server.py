"""Serves the built page on this machine, and to this machine only (notebook 10)."""

import asyncio
import contextlib
import errno
import json
import logging
import os
import re
import threading
import webbrowser
from collections.abc import Iterator
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, StaticFileHandler

from helpers.errors import CourseError

from .page import build_page

__all__ = ["build_page", "open_server", "serve", "served"]

ADDRESS = "127.0.0.1"
# A foreign page can make its own name point to this machine. Whoever asks for that name gets
# nothing, so no foreign page can read ours.
OUR_NAMES = {"127.0.0.1", "localhost", "[::1]"}
PORTS_TO_TRY = 20

# `npm start` sends them too, and the build writes the first into the page, which makes "nothing
# leaves your device" true: it may connect to this server alone. Opener, embedder and resource
# policy isolate the page from others, which allows it threads and precise clocks.
HEADERS = json.loads(Path(__file__).parents[1].joinpath("web", "headers.json").read_text("utf-8"))

# Spelled out, because Python asks the system, and some Windows call a script plain text.
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".txt": "text/plain; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".bin": "application/octet-stream",
    ".svg": "image/svg+xml",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}


class _PageFiles(StaticFileHandler):
    SUPPORTED_METHODS = ("GET", "HEAD")

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        if self.request.host_name not in OUR_NAMES:
            raise HTTPError(421, reason="This server answers to localhost only")

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        try:
            path = super().validate_absolute_path(root, absolute_path)
            # The compressed file is sent as any other, so that length, ETag and ranges are its own.
            # (Tornado's `compress_response` compresses ranges, and leaves HEAD and WASM as is.)
            packed = f"{path}.gz"
            self.packed = path is not None and self._takes_gzip() and _is_newer(packed, path)
            if self.packed:
                path = super().validate_absolute_path(root, packed)
            # Older Tornados don't mind a link that leads out of the folder.
            inside = path is None or Path(path).resolve().is_relative_to(Path(root).resolve())
        except ValueError as error:  # a name that no file can have
            raise HTTPError(404) from error
        if not inside:
            raise HTTPError(403)
        return path

    def _takes_gzip(self) -> bool:
        return any(
            re.fullmatch(r"(?i)gzip(;q=(1(\.0*)?|0?\.0*[1-9]\d*))?", each.replace(" ", ""))
            for each in self.request.headers.get("Accept-Encoding", "").split(",")
        )

    def get_content_type(self) -> str:
        name = self.absolute_path.removesuffix(".gz") if self.packed else self.absolute_path
        return TYPES.get(Path(name).suffix.lower(), "application/octet-stream")

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Vary", "Accept-Encoding")
        if self.packed:
            self.set_header("Content-Encoding", "gzip")
        # Vite puts a hash of the content into these names; all else is asked for again.
        forever = "/assets/" in f"/{path}"
        self.set_header("Cache-Control", "max-age=31536000, immutable" if forever else "no-cache")

    def write_error(self, status_code: int, **_) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code} {self._reason}\n")


def _is_newer(packed: str, path: str) -> bool:
    """Tell whether a compressed file is there, and not older than what it was made from."""
    with contextlib.suppress(OSError):
        return os.stat(packed).st_mtime >= os.stat(path).st_mtime
    return False


def open_server(folder: Path, port: int) -> tuple[HTTPServer, int]:
    """Start to serve a folder from the running event loop.

    Parameters
    ----------
    folder : Path
        What ``build_page`` returned, or a folder that holds it.
    port : int
        The port, or the first to try; 0 leaves the choice to the system.

    Returns
    -------
    HTTPServer, int
        The server, to stop it, and the port that it listens on.

    Raises
    ------
    CourseError
        If no port is free.
    """
    application = Application(
        [(r"/(.*)", _PageFiles, {"path": str(folder), "default_filename": "index.html"})],
        log_function=lambda handler: None,
    )
    last = min(port + PORTS_TO_TRY, 65536) if port else 1
    for candidate in range(port, last):
        try:
            sockets = bind_sockets(candidate, ADDRESS)
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                continue
            raise CourseError(f"Port {candidate} can't be opened: {error}") from error
        server = HTTPServer(application)
        server.add_sockets(sockets)
        return server, sockets[0].getsockname()[1]
    raise CourseError(
        f"The ports {port} to {last - 1} are all taken or not allowed: give --port another."
    )


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder from a thread, on a free port, while the context lasts; gives the address."""
    loop, started, ports = asyncio.new_event_loop(), threading.Event(), []

    def run() -> None:
        async def start() -> None:
            ports.append(open_server(folder, 0)[1])
            started.set()

        loop.run_until_complete(start())
        loop.run_forever()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    if not started.wait(10):
        raise CourseError("The server does not start.")
    try:
        yield f"http://{ADDRESS}:{ports[0]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


def serve(folder: Path, port: int = 8000, open_browser: bool = True) -> None:
    """Serve a folder until Ctrl-C.

    Parameters
    ----------
    folder : Path
        What ``build_page`` returned.
    port : int
        The port; if it is taken, the next free one, which is said.
    open_browser : bool
        Show the page in the default browser.

    Raises
    ------
    CourseError
        If there is no page in the folder, or no free port.
    """
    if not (folder / "index.html").is_file():
        raise CourseError(f"{folder} holds no page (no index.html): build it first.")
    try:
        asyncio.run(_serve(folder, port, open_browser))
    except KeyboardInterrupt:
        print("\nStopped.", flush=True)


async def _serve(folder: Path, port: int, open_browser: bool) -> None:
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    server, used = open_server(folder, port)
    if port and used != port:
        print(f"Port {port} is taken; {used} is free.", flush=True)
    address = f"http://{ADDRESS}:{used}/"
    print(f"The page: {address}  (Ctrl-C stops it)", flush=True)
    if open_browser:
        # Some systems wait for the browser to end; that must hold up neither us nor our end.
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
    try:
        await asyncio.Event().wait()
    finally:
        server.stop()
