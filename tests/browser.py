"""A Chromium for the tests of the page: the installed one, else one that is fetched."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from course import only_one
from helpers.profiles import ROOT
from tooling.page import build_page

LOCK = Path(sys.prefix) / ".testing"  # tests run two at a time
COMMANDS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "microsoft-edge",
    "msedge",
)
MAC = ("Google Chrome", "Chromium", "Microsoft Edge")
WINDOWS = (
    r"Google\Chrome\Application\chrome.exe",
    r"Chromium\Application\chrome.exe",
    r"Microsoft\Edge\Application\msedge.exe",
)


def built_page() -> Path:
    """Build the page where it is not; return its folder."""
    with only_one(LOCK):
        return build_page(ROOT)


@functools.lru_cache(maxsize=1)
def find_browser() -> str:
    """Return the path of a Chrome, Chromium or Edge.

    An installed one; else Playwright's own, downloaded; else, as root on Debian, its package.
    Where there is none, the calling test fails: without a browser the page is not tested, and a
    skip would hide that.
    """
    with only_one(LOCK):
        return _find_browser()


def _find_browser() -> str:
    tried = []
    for path in installed():
        if runs(path):
            return path
        tried.append(f"{path} does not run")
    for fetch in (from_playwright, from_debian):
        path, problem = fetch()
        if path and runs(path):
            return path
        tried.append(problem or f"{path} does not run")
    pytest.fail(
        "The page's tests need Chrome, Chromium or Edge, and found none:\n  "
        + "\n  ".join(tried)
        + "\nInstall one of them and run the tests again.",
        pytrace=False,
    )


def installed() -> Iterator[str]:
    """Yield the browsers on PATH and in their usual places."""
    yield from filter(None, map(shutil.which, COMMANDS))
    places = [Path(f"/Applications/{name}.app/Contents/MacOS/{name}") for name in MAC]
    for variable in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"):
        if folder := os.environ.get(variable):
            places += [Path(folder) / place for place in WINDOWS]
    yield from (str(place) for place in places if place.is_file())


def runs(path: str) -> bool:
    """Tell whether the browser starts: Ubuntu's /usr/bin/chromium-browser may be a mere stub."""
    if os.name == "nt":  # where --version opens a window
        return True
    try:
        return subprocess.run([path, "--version"], capture_output=True, timeout=60).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def from_playwright() -> tuple[str, str]:
    """Download Playwright's Chromium, once; return its path, or the problem."""
    # In a process of its own: the caller may be inside Playwright already.
    where = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p: print(p.chromium.executable_path)"
    )
    path, problem = command([sys.executable, "-c", where], 60)
    if problem or Path(path).is_file():
        return path, problem
    download = [sys.executable, "-m", "playwright", "install", "--no-shell", "chromium"]
    return path, command(download, 600, PLAYWRIGHT_DOWNLOAD_CONNECTION_TIMEOUT="10000")[1]


def from_debian() -> tuple[str, str]:
    """Install Debian's package; return the browser's path, or the problem."""
    if not shutil.which("apt-get") or os.geteuid() != 0:
        return "", "apt-get install chromium: needs Debian, and root"
    for words in (
        ["dpkg", "--configure", "-a"],  # in case that an installation was interrupted
        ["apt-get", "update"],
        ["apt-get", "install", "-y", "--no-install-recommends", "chromium"],
    ):
        problem = command(words, 600, DEBIAN_FRONTEND="noninteractive")[1]
        if problem:
            return "", problem
    return shutil.which("chromium") or "", "apt-get brought no chromium"


def command(words: list[str], seconds: float, **environment: str) -> tuple[str, str]:
    """Run a command; return what it printed, and the problem or nothing."""
    name = " ".join([Path(words[0]).name, *words[1:4]])
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            env={**os.environ, **environment},
        )
    except (OSError, subprocess.SubprocessError) as error:
        return "", f"{name}: {error}"
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines()
        errors = [line for line in lines if "rror" in line or line.startswith("E:")]
        reason = [*errors, *lines[-1:], f"exit status {done.returncode}"][0]
        return "", f"{name}: {reason.strip()}"
    return done.stdout.strip(), ""
