#!/usr/bin/env python3
"""The course's one entry point: makes its environment on first use, then runs a command.

It uses the standard library only, and parses from Python 3.6 on, so that a Python that is too old
(or too new) for TensorFlow gets a helping message and not a SyntaxError.
"""

import contextlib
import difflib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent
LOCK = ROOT / "requirements.lock"
NAME = "facial-attribute-inverter"  # of the project, and of the environment in environment.yml
LOCK_NAME = ".installing"  # in the environment; .lock there is uv's own
MINORS = (13, 12, 11, 10)  # of Python 3, as pyproject.toml's requires-python says
PYTHONS = f"Python 3.{MINORS[-1]} to 3.{MINORS[0]}"
OWN = ROOT / ".venv-uv"  # uv, and the Python that it brings, where this machine has neither
COMMANDS = {
    "lab": "open the notebooks in JupyterLab",
    "run": "execute the whole course, notebook by notebook",
    "book": "build a website to read from what run executed",
    "exercises": "write the exercises of notebooks/solutions/ into the notebooks",
    "split": "split a dataset by one attribute into with/ and without/",
    "train": "train a pair of generators (again on the same folder: goes on)",
    "invert": "add glasses or a hat to photos, or take them off",
    "evaluate": "measure a trained pair on held-out faces",
    "export": "write a trained pair for the web page",
    "web": "build and open the web page: your own face, live",
    "bench": "measure how fast the course is here [train|data|web|scale]",
    "test": "run the tests [--fast] [--report: a table too] [--colab: as on Colab] [of pytest's]",
    "install": "make the environment and do nothing else",
    "lock": "pin the dependencies of pyproject.toml again [--upgrade]",
    "address": "say where on GitHub the course is published [NAME/REPOSITORY]",
}
HELD = {}  # the open lock, for processes that install
NO_NETWORK = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|ProxyError|SSLError|Failed to establish"
    r"|name resolution|getaddrinfo|dns error|error sending request|Connection (refused|reset)",
    re.IGNORECASE,
)


class Failure(Exception):
    """What went wrong and what to do about it, for the user."""


def main(argv):
    command, rest = (argv[0], argv[1:]) if argv else ("--help", [])
    if command in ("-h", "--help", "help"):
        return show_help()
    if command == "--version":
        version = re.search(r'^version = "(.+)"', project_file(), re.MULTILINE).group(1)
        return print(NAME, version)
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, 1, 0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        print(f"There is no command {command}.{hint} All: {', '.join(COMMANDS)}.", file=sys.stderr)
        return 2
    own = {"lock": lock, "address": address}  # these need no environment
    if command in ("test", "install", *own) and ("-h" in rest or "--help" in rest):
        return print(f"python3 course.py {command}: {COMMANDS[command]}")
    if command in own:
        return own[command](rest)
    python = str(ready_environment())
    if command == "install":
        return print(f"Everything is installed: {python}")
    if command == "test":
        os.chdir(str(ROOT))
        fast = ["-m", "not slow"] if "--fast" in rest else []
        more = [r for r in rest if r not in ("--fast", "--colab")]
        if "--colab" in rest:  # minutes, and 3 GB of its own: no part of the others
            more = ["tests/tooling/colab.py", "--capture=no"] + more
        # All of them two files at a time; of a few, the second process would only start.
        two = [] if set(more) - {"--report"} else ["-n", "2", "--dist", "loadfile"]
        return hand_over([python, "-m", "pytest"] + fast + two + more)
    # Not -m, which would import what lies in the folder that one is in before what is installed.
    begin = "import sys; sys.path[:] = [sys.argv.pop(1)] + [p for p in sys.path if p]; "
    begin += "from tooling.cli import main; main()"
    return hand_over([python, "-c", begin, str(ROOT), command] + rest)


def show_help():
    print("Facial Attribute Inverter: a hands-on course.\n")
    print("usage: python3 course.py COMMAND [options]    (COMMAND --help lists the options)\n")
    for name, line in COMMANDS.items():
        print(f"  {name:<9} {line}")
    print("\nThe first command also installs what the course needs into .venv, once.")


def hand_over(command):
    """Become `command` (where the system can), so that its exit status is ours."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        return subprocess.call(command)
    os.execv(command[0], command)


# The environment ----------------------------------------------------------------------------


def project_file():
    return (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def fingerprint():
    """Return a hash of all that an installation depends on."""
    project = project_file().split("\n[tool.")[0]  # not ruff's or pytest's settings
    return hashlib.sha256(LOCK.read_bytes() + project.encode("utf-8")).hexdigest()


def in_conda():
    """Tell whether this is the Python of the conda environment that environment.yml makes."""
    active = os.environ.get("CONDA_DEFAULT_ENV") == NAME
    return active and os.environ.get("CONDA_PREFIX", "") == sys.prefix


def folder_and_python():
    if in_conda():
        return Path(sys.prefix), Path(sys.executable)
    return ROOT / ".venv", in_venv(ROOT / ".venv", "python")


def in_venv(folder, name):
    """Return where an environment has a program."""
    return folder / (f"Scripts/{name}.exe" if os.name == "nt" else f"bin/{name}")


def marker(folder):
    """Return the lines of the file that the last step of an installation writes."""
    path = folder / ".installed"
    return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []


def is_alive(folder, python):
    """Tell whether the interpreter is there, and the Python that it was made from."""
    if not python.exists():
        return False
    config = folder / "pyvenv.cfg"
    home = (
        re.search(r"^home = (.+)$", config.read_text("utf-8"), re.M) if config.is_file() else None
    )
    return in_conda() or bool(home and Path(home.group(1).strip()).is_dir())


def ready_environment():
    """Return the environment's Python; install whatever is not there or not up to date."""
    folder, python = folder_and_python()
    # The second line is the place: a moved folder's scripts point to where it was.
    wanted = [fingerprint(), str(ROOT)]
    if marker(folder) == wanted and is_alive(folder, python):
        return python
    # In this order: of many that start at once, another makes the folder in between.
    if os.path.lexists(str(folder)) and not folder.is_dir():
        raise Failure(f"{folder} is no folder. Delete it, and run the same command again.")
    # What a link leads to is somebody else's, and to make an environment empties the folder.
    if folder.is_symlink() and marker(folder)[1:] != wanted[1:] and not in_conda():
        raise Failure(
            f"{folder} is a link to {folder.resolve()}, which is not this course's environment and "
            "stays as it is. Delete the link, and run the same command again."
        )
    folder.mkdir(exist_ok=True)
    with only_one(folder / LOCK_NAME):
        # Another start may have done it while this one waited.
        if marker(folder) != wanted or not is_alive(folder, python):
            install(folder, python, wanted)
    return python


@contextlib.contextmanager
def only_one(path):
    """Hold a lock that the system drops when this process and its installer end, however it is.

    The installer holds it too: one that outlives this process would go on writing to .venv.
    """
    with open(str(path), "w") as file:
        waiting = False
        while True:
            try:
                if os.name == "nt":
                    import msvcrt

                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    import fcntl

                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if not waiting:
                    say("Waiting: another start of the course is installing.")
                waiting = True
                time.sleep(0.5)
        if os.name != "nt":
            HELD["pass_fds"] = [file.fileno()]
        try:
            yield
        finally:
            HELD.clear()


def install(folder, python, wanted):
    uv = find_uv()
    # Without a marker an installation broke off, and nobody knows in the middle of which file.
    keep = in_conda() or (marker(folder)[1:] == wanted[1:] and is_alive(folder, python))
    if not keep:
        clear(folder)
        say("Setting up the course: once, about 3 GB, a few minutes.")
        uv = make_venv(folder, uv)
    elif marker(folder):
        say("The list of dependencies has changed: installing what is new.")
        (folder / ".installed").unlink()
    else:
        say("Installing the course into this conda environment: once, about 3 GB.")

    # --no-deps: the lock is complete, and leaves out what pyproject.toml says is left out.
    steps = [
        ["--no-deps", "--require-hashes", "-r", str(LOCK)],
        ["--no-deps", "--no-build-isolation", "-e", str(ROOT)],
    ]
    if not uv or not install_with_uv(uv, steps, python):
        install_with_pip(steps, python)
    (folder / ".installed").write_text("\n".join(wanted) + "\n", encoding="utf-8")
    say("Everything is installed.")


def install_with_uv(uv, steps, python):
    command = [uv, "pip", "install", "--python", str(python)]
    if all(subprocess.call(command + step, **HELD) == 0 for step in steps):
        return True
    say("uv could not do it; trying pip, which has settings of its own.")
    return False


def install_with_pip(steps, python):
    pip = [str(python), "-m", "pip"]
    if subprocess.call(pip + ["--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        quiet([str(python), "-m", "ensurepip"], "pip is missing and could not be added.")
    # --no-compile: Python compiles a module when it is first imported, and most never are.
    options = ["--no-compile", "--no-input", "--disable-pip-version-check", "--progress-bar=off"]
    for step in steps:
        said = words_of_failure(pip + ["install"] + options + step, aloud=True)
        if said is not None:
            again = "Then run the same command again; downloads are kept."
            raise Failure(f"\n{explain(said)} {again}")


def clear(folder):
    """Empty the folder but for the lock that this process holds."""
    for child in folder.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(str(child))
        elif child.name != LOCK_NAME:
            child.unlink()


def make_venv(folder, uv):
    """Make an empty environment; return the uv to fill it with, or None."""
    python = find_python(bool(uv))
    if python:
        command = [python, "-m", "venv", str(folder)] + (["--without-pip"] if uv else [])
        quiet(command, f"The environment {folder} could not be made.")
        return uv
    wanted = f"3.{MINORS[0]}"
    if not uv and not has_pip():
        raise Failure(f"{missing_python()}\n{advice()}")
    say(f"{missing_python()} So uv fetches Python {wanted}, about 35 MB, once.")
    uv = uv or bring_uv()
    fetch([uv, "venv", "--allow-existing", "--python", wanted, str(folder)], "GitHub")
    return uv


def find_uv():
    """Return the path of this machine's uv, or of the one that was brought, or None."""
    own = in_venv(OWN, "uv")
    if shutil.which("uv") or not own.is_file():
        return shutil.which("uv")
    # The Python that it fetches goes when the project's folder goes; others' stay theirs.
    os.environ.setdefault("UV_PYTHON_INSTALL_DIR", str(OWN / "python"))
    return str(own)


def bring_uv():
    """Install the uv that the lock pins into a folder of its own; return its path."""
    this = getattr(sys, "_base_executable", None) or sys.executable
    say(f"Installing uv, into {OWN}.")
    shutil.rmtree(str(OWN), ignore_errors=True)
    quiet([this, "-m", "venv", str(OWN)], f"The environment {OWN} could not be made.")
    pin = re.search(r"^uv==.*\n(?:[ \t].*\n)*", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    (OWN / "uv.txt").write_text(pin.group(), encoding="utf-8")
    pip = [str(in_venv(OWN, "python")), "-m", "pip", "install", "--no-input"]
    pip += ["--disable-pip-version-check", "--require-hashes", "-r", str(OWN / "uv.txt")]
    fetch(pip, "the package index")
    return find_uv()


def has_pip():
    """Tell whether this Python can make environments with pip; Debian's own can't."""
    return importlib.util.find_spec("ensurepip") is not None


def missing_python():
    without = "" if has_pip() else ", without venv and pip"
    return (
        f"The course needs {PYTHONS} (64-bit, with venv and pip). This is Python "
        f"{sys.version.split()[0]}{without} ({sys.executable}), and no other was found."
    )


def advice():
    """Say how this system gets a Python that fits."""
    wanted = f"3.{MINORS[0]}"
    managers = {
        "winget": f"winget install Python.Python.{wanted}",
        "brew": f"brew install python@{wanted}",
        "apt": f"sudo apt install {debian_package()}",
        "dnf": f"sudo dnf install python{wanted}",
        "zypper": f"sudo zypper install python{wanted.replace('.', '')}",
        "pacman": "sudo pacman -S uv    (which brings a Python of its own)",
    }
    here = [command for name, command in managers.items() if shutil.which(name)]
    return (
        "To get one, with a network:\n"
        f"  {(here + [f'Python {wanted}, from https://www.python.org/downloads'])[0]}\n"
        "  or conda: environment.yml says how\n"
        "Then run the same command again."
    )


def debian_package():
    """Name the package by which Debian's own Python fits, or can at least install uv."""
    own = [minor for minor in MINORS if os.path.exists(f"/usr/bin/python3.{minor}")]
    if own:
        return f"python3.{own[0]}-venv"
    if not has_pip():
        return "python3-venv"
    return f"python3.{MINORS[0]}-venv    (Ubuntu: after add-apt-repository ppa:deadsnakes/ppa)"


def find_python(has_uv=False, minors=None):
    """Return the path of a suitable Python, this one first, or None."""
    minors = minors or MINORS
    candidates = [[getattr(sys, "_base_executable", None) or sys.executable]]
    candidates += [[f"python3.{minor}"] for minor in minors]
    if os.name == "nt":
        candidates += [["py", f"-3.{minor}"] for minor in minors]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for minor in minors:
        candidates += [[str(p)] for p in sorted(pyenv.glob(f"versions/3.{minor}.*/bin/python"))]
    # Running it is the only proof: a pyenv shim may stand for a Python that isn't there, and
    # Debian's Python comes without ensurepip.
    probe = f"import sys, venv{'' if has_uv else ', ensurepip'}; print(sys.executable); " + (
        f"sys.exit(not (sys.version_info[0] == 3 and sys.version_info[1] in {minors}"
        " and sys.maxsize > 2**32))"
    )
    for candidate in candidates:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            output = subprocess.check_output(
                candidate + ["-c", probe],
                stderr=subprocess.DEVNULL,
                universal_newlines=True,
                timeout=30,
            )
            return output.strip()
    return None


def lock(options):
    """Compile requirements.lock from pyproject.toml, for every system and Python at once."""
    command = [find_uv() or bring_uv(), "pip", "compile", "--universal", "--all-extras"]
    command += ["--python-version", f"3.{MINORS[-1]}"]
    command += ["--generate-hashes", "--no-emit-index-url", "--no-annotate", "--quiet"]
    command += ["--custom-compile-command", "python3 course.py lock", "pyproject.toml"]
    return subprocess.call(command + ["-o", LOCK.name] + options, cwd=str(ROOT))


# Where the course is published --------------------------------------------------------------


def address(words):
    """Write where the course is published into every file that says so, or tell where that is."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    old = re.search(r"google\.com/github/([^/]+/[^/]+)/", readme).group(1)
    if not words:
        return print(f"{old}    (to change it: python3 course.py address NAME/REPOSITORY)")
    new = re.sub(r"^https://github\.com/|(\.git)?/?$", "", words[0])
    if len(words) > 1 or not re.match(r"[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", new):
        raise Failure(f"{' '.join(words)} is no repository of GitHub, such as somebody/{NAME}.")
    paths = sorted(ROOT.glob("notebooks/*.ipynb")) + [ROOT / "README.md", ROOT / "CITATION.cff"]
    for path in paths:
        text = path.read_bytes().decode("utf-8")  # whatever its lines end in
        for before in ("google.com/github/", "https://github.com/", 'REPOSITORY = \\"'):
            text = text.replace(before + old, before + new)
        path.write_bytes(text.encode("utf-8"))
    print(f"{len(paths)} files now say {new}. To undo it: python3 course.py address {old}")


# Running installers -------------------------------------------------------------------------


def say(text):
    print(text, file=sys.stderr)
    sys.stderr.flush()


def quiet(command, problem):
    said = words_of_failure(command)
    if said is not None:
        raise Failure(f"{problem} {' '.join(command)} said:\n{said}")


def fetch(command, place):
    """Run what downloads from a place; where it fails, say what else helps."""
    said = words_of_failure(command)
    if said is not None:
        raise Failure(f"{said}\n\n{explain(said, place)}\n{advice()}")


def words_of_failure(command, aloud=False):
    """Run a command; return None if all went well, else the last lines that it printed.

    All lines are shown at once if `aloud`.
    """
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "universal_newlines": True}
    said = []
    with subprocess.Popen(command, errors="replace", **pipe, **HELD) as process:
        for line in process.stdout:
            said.append(line.rstrip())
            if aloud:
                say(said[-1])
    return "\n".join(said[-15:]).strip() if process.returncode != 0 else None


def explain(said, place="the package index"):
    """Say why an installer failed that said this in the end."""
    if NO_NETWORK.search(said):
        return f"No connection to {place}. Check the network, or the proxy's settings."
    if "No space left" in said:
        return "The disk is full. The course needs about 4 GB."
    if "No matching distribution" in said:
        return "There is no package of that kind for this system, or the index can't be reached."
    return f"What comes from {place} could not be installed."


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (Failure, OSError) as failure:  # a folder that can't be written, a full disk
        sys.exit(str(failure))
    except KeyboardInterrupt:
        say("\nInterrupted. The same command starts again where that is possible.")
        sys.exit(130)
