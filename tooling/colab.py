"""Adds to a Colab machine what the course needs and Colab lacks; nothing there changes version.

Run as a script by the notebooks' first cell, before anything is installed, so it imports the
standard library only. Packages that are there are left alone, whatever their version; the others
are installed at the version that requirements.lock pins, each without its dependencies, which are
then looked at in the same way.
"""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_ON_COLAB = {"jupyterlab"}  # Colab is the notebook
WATCHED = {"tensorflow", "keras", "numpy"}  # another version of these may well matter


def canonical(name: str) -> str:
    """Return a distribution's name as packages are compared: six_pack, Six.Pack -> six-pack."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements() -> list[str]:
    """Return the requirements of pyproject.toml, such as "numpy>=2.0,<2.2"."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL).group(1)
    return re.findall(r'^\s*"([^"]+)"', block, re.MULTILINE)


def pins() -> dict[str, str]:
    """Return, for each name of requirements.lock, its lines there: version, marker, hashes."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for match in re.finditer(r"^([\w.-]+)==.*\n(?:[ \t].*\n)*", text, re.MULTILINE):
        name = canonical(match.group(1))
        found[name] = found.get(name, "") + match.group()
    return found


def name_of(requirement: str) -> str:
    """Return the name in a requirement: "numpy>=2.0,<2.2" -> "numpy"."""
    return canonical(re.match(r"[\w.-]+", requirement).group())


def missing(wanted: Iterable[str]) -> list[str]:
    """Return the names of those requirements that nothing is installed for, at any version."""
    present = {canonical(d.metadata["Name"] or "") for d in metadata.distributions()}
    names = dict.fromkeys(map(name_of, wanted))
    return [name for name in names if name not in present]


def dependencies(name: str) -> list[str]:
    """Return what an installed distribution asks for, but for its extras."""
    try:
        wanted = metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # its marker says that it is for another system
        return []
    return [line for line in wanted if "extra ==" not in line]


def install() -> list[str]:
    """Install what is missing, and what that needs, and so on; return the names.

    Raises
    ------
    subprocess.CalledProcessError
        If pip fails; it has said why.
    """
    pinned = pins()
    wanted = [line for line in requirements() if name_of(line) not in NOT_ON_COLAB]
    done: list[str] = []
    while True:
        # What the lock leaves out, tensorflowjs' decision forests for one, is left out here too.
        names = [n for n in missing(wanted) if n in pinned and n not in done]
        if not names:
            return done
        print("Installing", ", ".join(names), flush=True)
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder) / "requirements.txt"
            listed.write_text("".join(pinned[name] for name in names), encoding="utf-8")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            subprocess.run([*pip, "--require-hashes", "-r", str(listed)], check=True)
        done += names
        wanted = [line for name in names for line in dependencies(name)]


def untested() -> list[str]:
    """Return a line for each watched package that is older or newer than the course was run with.

    That is from the oldest that pyproject.toml admits to the newest that the lock pins.
    """
    oldest = dict(re.findall(r"^([\w-]+)>=([\d.]+)", "\n".join(requirements()), re.MULTILINE))
    pinned, lines = pins(), []
    for name in WATCHED - set(missing(WATCHED)):
        version = metadata.version(name)
        newest = max(re.findall(r"^[\w-]+==(\S+)", pinned[name], re.MULTILINE), key=release)
        # 2.21.3 is the release that 2.21.0 is, mended.
        if release(version) < release(oldest[name]) or release(version)[:2] > release(newest)[:2]:
            lines.append(f"{name} is {version}; the course was run with {oldest[name]} to {newest}")
    return sorted(lines)


def release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, to compare: "2.21.0rc1" -> (2, 21, 0)."""
    return tuple(map(int, re.match(r"[\d.]*\d", version).group().split(".")))


if __name__ == "__main__":
    try:
        install()
    except subprocess.CalledProcessError as error:
        sys.exit(f"pip failed (status {error.returncode}): see above; then run this cell again.")
    print("\n".join(["Everything that the course needs is there.", *untested()]))
