"""course.py on first use and after, on copies with tiny locks; the lock and environment.yml."""

import ast
import base64
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OWN_COMMANDS = {"test", "install", "lock", "address"}
posix_only = pytest.mark.skipif(os.name == "nt", reason="the stand-ins are shell scripts")

CLI = (
    'import sys\nprint("cli", sys.argv[1:], sys.prefix)\nsys.exit(7 if "fail" in sys.argv else 0)\n'
)
MINI_PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "mini"
version = "0.0.1"
[tool.setuptools]
packages = ["tooling"]
"""


def load_course(path=ROOT / "course.py"):
    spec = importlib.util.spec_from_file_location("course_under_test", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def course():
    return load_course()


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


class Copy:
    """A tiny project with the real course.py, and a PATH on which uv is a stand-in."""

    def __init__(self, folder, lock="# empty\n", uv="exit 0"):
        self.folder, self.bin, self.before = folder, folder.parent / "bin", []
        (folder / "tooling").mkdir(parents=True)
        shutil.copy(ROOT / "course.py", folder)
        (folder / "tooling" / "__init__.py").touch()
        (folder / "tooling" / "cli.py").write_text(CLI)
        (folder / "pyproject.toml").write_text(MINI_PROJECT)
        (folder / "requirements.lock").write_text(lock)
        self.log = folder.parent / "uv.log"
        self.log.touch()
        if uv:
            script(self.bin / "uv", f'echo "$@" >> "{self.log}"\n{uv}\n')
        self.venv = folder / ".venv"

    def start(self, *arguments, python=sys.executable, **environment):
        clean = {k: v for k, v in os.environ.items() if not k.startswith("CONDA_")}
        clean["PATH"] = f"{self.bin}{os.pathsep}/usr/bin{os.pathsep}/bin"
        return subprocess.Popen(
            [*self.before, python, self.folder / "course.py", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            cwd=self.folder,
            env={**clean, "PYTHONIOENCODING": "utf-8", **environment},
        )

    def run(self, *arguments, **options):
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=500)
        return process.returncode, out, err

    def installs(self):
        """Return how often the stand-in was asked to install the lock."""
        return sum("requirements.lock" in line for line in self.log.read_text().splitlines())


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path / "project")


# Before anything is installed ---------------------------------------------------------------


def test_course_parses_on_python_3_6():
    ast.parse((ROOT / "course.py").read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command_and_installs_nothing(tmp_path, course, arguments):
    shutil.copy(ROOT / "course.py", tmp_path)
    # -I -S: no site-packages, so nothing but the standard library.
    command = [sys.executable, "-I", "-S", tmp_path / "course.py", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name in course.COMMANDS:
        assert re.search(rf"^  {name} +\w", done.stdout, re.MULTILINE)
    assert [path.name for path in tmp_path.iterdir()] == ["course.py"]


def test_the_commands_are_those_of_the_command_line(course):
    from tooling.cli import app

    names = {c.name or c.callback.__name__ for c in app.registered_commands}
    assert names == set(course.COMMANDS) - OWN_COMMANDS


def test_version_is_the_project_s(course, capsys):
    assert course.main(["--version"]) is None
    assert capsys.readouterr().out.split() == [course.NAME, PROJECT["project"]["version"]]


def test_unknown_command_suggests_the_nearest(course, capsys):
    assert course.main(["trian"]) == 2
    assert "Did you mean train?" in capsys.readouterr().err
    assert course.main(["xylophone"]) == 2
    assert "Did you mean" not in capsys.readouterr().err


def test_test_hands_over_to_pytest(course, monkeypatch):
    handed = []
    monkeypatch.setattr(course, "ready_environment", lambda: Path("python"))
    monkeypatch.setattr(course, "hand_over", lambda command: handed.append(command))
    monkeypatch.chdir(ROOT)
    course.main(["test", "--fast", "-k", "x"])
    course.main(["test", "--fast", "--report"])
    course.main(["test", "--colab", "-x"])
    one_by_one, all_of_them, colab = (command[3:] for command in handed)
    assert colab == ["tests/tooling/colab.py", "--capture=no", "-x"] and (ROOT / colab[0]).is_file()
    assert one_by_one == ["-m", "not slow", "-k", "x"]
    assert all_of_them == ["-m", "not slow", "-n", "2", "--dist", "loadfile", "--report"]
    assert all(command[:3] == ["python", "-m", "pytest"] for command in handed)


def test_what_lies_in_the_folder_that_one_is_in_is_not_run(course, monkeypatch, tmp_path):
    """A folder of somebody's photos may hold a helpers.py too."""
    for name in ("helpers", "typer", "tooling"):
        (tmp_path / f"{name}.py").write_text("print('a stranger')\nraise SystemExit(9)\n")
    handed = []
    monkeypatch.setattr(course, "ready_environment", lambda: Path(sys.executable))
    monkeypatch.setattr(course, "hand_over", handed.append)
    course.main(["split", "--help"])
    done = subprocess.run(handed[0], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and "a stranger" not in done.stdout, done.stderr
    assert "Usage: python3 course.py split" in done.stdout


COUNTING = """
import os
import pytest

@pytest.mark.parametrize("number", [1, 2, 3])
def test_good(tried, number):
    for _ in range(number):
        tried("good things")

def test_bad(tried):
    tried("bad things", 7)
    tried("good things when all is well", int(os.environ["SURVIVAL_KILLS"]))
    assert False

def test_elsewhere():
    pytest.skip("another system")
"""


def test_the_report_counts_what_the_tests_tried(tmp_path):
    for name in ("conftest.py", "made_up.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path)
    (tmp_path / "pytest.ini").touch()
    (tmp_path / "test_some.py").write_text(COUNTING)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", tmp_path]
    clean = {k: v for k, v in os.environ.items() if not k.startswith("SURVIVAL_")}
    two = [*command, "-n", "2", "--report"]
    done = subprocess.run(two, capture_output=True, text=True, env=clean)
    report = (tmp_path / "build" / "test-report.md").read_text("utf-8")
    assert report in done.stdout and done.returncode == 1
    assert "| good things | 6 | yes |" in report
    assert "| bad things | 7 | NO |" in report
    assert "| good things when all is well | 100 | NO |" in report
    assert "| test_some.py | 3 | 1 | 1 |" in report
    assert "- skipped 1: another system" in report
    shutil.rmtree(tmp_path / "build")
    done = subprocess.run(
        command, capture_output=True, text=True, env=clean | {"SURVIVAL_KILLS": "1"}
    )
    assert "What was tried" not in done.stdout and not (tmp_path / "build").exists()


# Where the course is published --------------------------------------------------------------


@pytest.fixture
def published(tmp_path):
    """A copy of all that says where the course is published, and its course.py."""
    for path in [*ROOT.glob("notebooks/*.ipynb"), *map(ROOT.joinpath, ADDRESSED)]:
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(exist_ok=True)
        shutil.copy(path, copy)
    return load_course(tmp_path / "course.py")


ADDRESSED = ["course.py", "README.md", "CITATION.cff"]


def contents(course):
    return {path: path.read_bytes() for path in course.ROOT.rglob("*.*") if path.is_file()}


def test_the_address_is_written_everywhere_and_can_be_undone(published, capsys):
    before = contents(published)
    published.main(["address"])
    old = capsys.readouterr().out.split()[0]
    published.main(["address", "https://github.com/some-body/my.faces.git"])
    assert f"To undo it: python3 course.py address {old}" in capsys.readouterr().out
    after = contents(published)
    same = {path.name for path in before if before[path] == after[path]}
    assert same <= {"course.py"} | {path.name for path in after if path.suffix == ".pyc"}
    for path, content in after.items():
        if path.suffix == ".ipynb":
            cells = json.loads(content)["cells"]
            assert "github/some-body/my.faces/blob" in "".join(cells[0]["source"])
            assert 'REPOSITORY = "some-body/my.faces"\n' in cells[1]["source"]
        assert old.encode() not in content or path.name in same
    published.main(["address", old])
    assert contents(published) == before


@pytest.mark.parametrize(
    "words", [["faces"], ["me/faces", "too"], ["me/fa ces"], ["a/b/c"], ['"/x']]
)
def test_what_is_no_address_is_refused(published, words):
    before = contents(published)
    with pytest.raises(published.Failure, match="is no repository of GitHub"):
        published.main(["address", *words])
    assert contents(published) == before


# Finding a Python ---------------------------------------------------------------------------


@posix_only
def test_an_unsuitable_python_finds_a_suitable_one(course, tmp_path, monkeypatch):
    old = script(tmp_path / "old", "exit 1")
    script(tmp_path / "bin" / "python3.12", 'echo "pyenv: python3.12: command not found"; exit 127')
    script(tmp_path / "bin" / "python3.11", f'exec "{sys.executable}" "$@"')
    monkeypatch.setattr(sys, "_base_executable", str(old), raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    assert Path(course.find_python()) == Path(sys.executable)


@pytest.fixture
def unsuitable(course, tmp_path, monkeypatch):
    """course.py where no Python suits, and an empty folder is all of the PATH."""
    monkeypatch.setattr(course, "MINORS", (99,))
    monkeypatch.setattr(course, "OWN", tmp_path / ".venv-uv")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert course.find_python() is None
    return course


@posix_only
@pytest.mark.parametrize(
    ("manager", "told"),
    [
        ("apt", "sudo apt install python3-venv\n"),
        ("dnf", "sudo dnf install python3.99\n"),
        ("zypper", "sudo zypper install python399\n"),
        ("pacman", "sudo pacman -S uv"),
        ("brew", "brew install python@3.99\n"),
        ("winget", "winget install Python.Python.3.99\n"),
        ("none", "Python 3.99, from https://www.python.org/downloads\n"),
    ],
)
def test_where_uv_cannot_be_installed_each_system_is_told_what_can(
    unsuitable, tmp_path, monkeypatch, manager, told
):
    """As on a fresh Debian, whose Python comes without pip."""
    monkeypatch.setattr(unsuitable, "has_pip", lambda: False)
    script(tmp_path / "bin" / manager, "")
    with pytest.raises(unsuitable.Failure) as failure:
        unsuitable.make_venv(tmp_path / ".venv", None)
    assert "needs Python 3.10 to 3.13 (64-bit, with venv and pip)" in str(failure.value)
    assert "without venv and pip" in str(failure.value)
    assert sys.executable in str(failure.value)
    assert f"\n  {told}" in str(failure.value)
    assert str(failure.value).endswith("Then run the same command again.")


@posix_only
@pytest.mark.parametrize(
    ("there", "pip", "package"),
    [(["3.12"], False, "python3.12-venv"), (["3.14"], True, "python3.13-venv")],
)
def test_debian_is_told_the_package_that_is_missing(course, monkeypatch, there, pip, package):
    """It suits and lacks venv; or it does not suit, has venv, and there is no network."""
    exists = [f"/usr/bin/python{version}" for version in there]
    monkeypatch.setattr(course.os.path, "exists", lambda path: path in exists)
    monkeypatch.setattr(course, "has_pip", lambda: pip)
    assert course.debian_package().split()[0] == package


@posix_only
def test_a_uv_that_is_there_brings_a_python(unsuitable, tmp_path):
    uv = script(tmp_path / "uv", f'echo "$@" > "{tmp_path}/log"')
    assert unsuitable.make_venv(tmp_path / ".venv", str(uv)) == str(uv)
    words = (tmp_path / "log").read_text().split()
    assert words[0] == "venv" and words[words.index("--python") + 1] == "3.99"
    script(uv, "echo 'error sending request for url (https://github.com/x)'; exit 2")
    with pytest.raises(unsuitable.Failure, match="No connection to GitHub") as failure:
        unsuitable.make_venv(tmp_path / ".venv", str(uv))
    assert "To get one" in str(failure.value)


def write_wheel(folder, name, files):
    """Write a wheel of these files; return its line for a list of requirements."""
    about = f"{name}-1.0.dist-info"
    files |= {
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    hashes = {path: hashlib.sha256(text.encode()).digest() for path, text in files.items()}
    encoded = {p: base64.urlsafe_b64encode(h).decode().rstrip("=") for p, h in hashes.items()}
    record = [f"{path},sha256={text},{len(files[path])}" for path, text in encoded.items()]
    path = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for inside, text in files.items():
            entry = zipfile.ZipInfo(inside)
            entry.external_attr = 0o100755 << 16  # pip keeps what may be executed so
            wheel.writestr(entry, text)
        wheel.writestr(f"{about}/RECORD", "\n".join([*record, f"{about}/RECORD,,"]) + "\n")
    return f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


@posix_only
@pytest.mark.slow
def test_where_no_python_suits_uv_is_installed_and_brings_one(tmp_path):
    """The package uv is a stand-in, from a folder in place of an index."""
    # As for a Python that is too new: course.py finds none of its versions.
    copy = Copy(tmp_path / "project", uv=None)
    course = copy.folder / "course.py"
    source = course.read_text("utf-8")
    course.write_text(re.sub(r"^MINORS = .*", "MINORS = (99,)", source, flags=re.M), "utf-8")
    uv = f"""#!/bin/sh
echo "$UV_PYTHON_INSTALL_DIR $@" >> "{copy.log}"
test "$1" = pip || "{sys.executable}" -m venv --without-pip "{copy.venv}"
"""
    index = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    for hostile in (True, False):
        line = write_wheel(tmp_path, "uv", {"uv-1.0.data/scripts/uv": uv})
        line = line.replace("sha256:", "sha256:00000000")[:-9] + "\n" if hostile else line
        (copy.folder / "requirements.lock").write_text(line)
        status, out, err = copy.run("train", **index)
        if hostile:
            assert status == 1 and "DO NOT MATCH THE HASHES" in err and not copy.log.read_text()
    assert status == 0, err
    assert "needs Python 3.99" in err and "uv fetches Python 3.99" in err
    own = copy.folder / ".venv-uv"
    assert f"Installing uv, into {own}." in err
    first, *rest = copy.log.read_text().splitlines()
    # What uv fetches stays below the project too, and uv fills the environment.
    assert first.startswith(f"{own}/python venv") and first.endswith(f"--python 3.99 {copy.venv}")
    assert [line.split()[1:3] for line in rest] == [["pip", "install"]] * 2
    assert f"cli ['train'] {copy.venv}" in out

    # It is found again when something else is to be installed.
    (copy.folder / "requirements.lock").write_text(line + "# changed\n")
    status, _, err = copy.run("train", **index)
    assert status == 0 and "Installing uv" not in err
    assert len(copy.log.read_text().splitlines()) == 5


@posix_only
@pytest.mark.slow
def test_where_no_python_suits_and_no_network_is_there_words_help(tmp_path):
    copy = Copy(tmp_path / "project", pins("uv"), uv=None)
    course = copy.folder / "course.py"
    source = course.read_text("utf-8")
    course.write_text(re.sub(r"^MINORS = .*", "MINORS = (99,)", source, flags=re.M), "utf-8")
    status, _, err = copy.run("lab", **NO_INDEX)
    assert status == 1 and "Traceback" not in err
    assert "No connection to the package index." in err and "To get one, with a network:" in err


# Installing, with a stand-in for uv ---------------------------------------------------------


@posix_only
def test_first_use_installs_and_the_next_only_hands_over(tmp_path):
    # The real uv locks .venv/.lock: a lock of ours there would make it wait for minutes.
    copy = Copy(tmp_path / "project", uv="test ! -e .venv/.lock")
    status, out, err = copy.run("train", "--out", "a b")
    assert status == 0 and "trying pip" not in err
    assert f"cli ['train', '--out', 'a b'] {copy.venv}" in out
    lock, project = copy.log.read_text().splitlines()
    assert "--no-deps --require-hashes" in lock and "requirements.lock" in lock
    assert "--no-deps --no-build-isolation -e" in project
    assert not re.search("index-url|find-links", lock + project)

    status, out, err = copy.run("train", "fail")
    assert (status, err) == (7, "")
    assert copy.installs() == 1


@posix_only
@pytest.mark.parametrize("file", ["requirements.lock", "pyproject.toml"])
def test_a_changed_dependency_is_installed_into_what_is_there(copy, file):
    copy.run("install")
    (copy.venv / "mine").touch()
    text = (copy.folder / file).read_text()
    (copy.folder / file).write_text(text.replace("0.0.1", "0.0.2") + "# changed\n")
    if file == "pyproject.toml":  # what the tools read there is no dependency
        (copy.folder / file).write_text(text + "\n[tool.ruff]\nline-length = 99\n")
        copy.run("install")
        (copy.folder / file).write_text(text.replace("0.0.1", "0.0.2"))
    status, _, err = copy.run("install")
    assert status == 0 and "has changed" in err
    assert copy.installs() == 2
    assert (copy.venv / "mine").exists()


def break_interpreter(copy):
    python = copy.venv / "bin" / "python"
    python.unlink()
    python.symlink_to(copy.folder / "gone")


def break_base(copy):
    config = copy.venv / "pyvenv.cfg"
    config.write_text(re.sub("home = .*", "home = /nowhere/bin", config.read_text()))


def break_off(copy):
    (copy.venv / ".installed").unlink()


def move(copy):
    copy.folder.rename(copy.folder.parent / "moved")
    copy.folder = copy.folder.parent / "moved"
    copy.venv = copy.folder / ".venv"


@posix_only
@pytest.mark.parametrize("damage", [break_interpreter, break_base, break_off, move])
def test_a_broken_environment_is_made_again(copy, damage, tried):
    copy.run("install")
    (copy.venv / "rest").mkdir()
    damage(copy)
    tried("environments broken")
    (copy.venv / "rest" / "file").touch()
    status, out, err = copy.run("split")
    assert status == 0 and f"cli ['split'] {copy.venv}" in out, err
    assert not (copy.venv / "rest").exists()
    assert copy.installs() == 2


@posix_only
@pytest.mark.parametrize("update", [False, True])
def test_a_killed_installation_leaves_no_mark_and_its_installer_is_waited_for(copy, update, tried):
    if update:
        copy.run("install")
        (copy.folder / "requirements.lock").write_text("# changed\n")
    copy.log.write_text("")
    late = copy.venv / "late"
    slow = f'sleep 3\ntouch "{late}" "{copy.log}.end"'
    script(copy.bin / "uv", f'echo "$@" >> "{copy.log}"\n{slow}')
    process = copy.start("install")
    while not copy.log.read_text():
        time.sleep(0.05)
    process.kill()
    process.wait()  # not communicate: the stand-in lives on, and holds the pipes open
    tried("installations killed")
    assert not (copy.venv / ".installed").exists()
    script(copy.bin / "uv", f'echo "$@" >> "{copy.log}"')
    status, _, err = copy.run("install")
    assert status == 0 and "Waiting" in err and "Setting up" in err
    while not Path(f"{copy.log}.end").exists():
        time.sleep(0.05)
    assert (copy.venv / ".installed").exists() and not late.exists()


@posix_only
def test_of_two_starts_one_installs_and_the_other_waits(tmp_path):
    copy = Copy(tmp_path / "project", uv="sleep 1")
    first = copy.start("train")
    while not copy.log.read_text():
        time.sleep(0.05)
    status, out, err = copy.run("split")
    assert status == 0 and "cli ['split']" in out and "Waiting" in err
    out, _ = first.communicate()
    assert first.returncode == 0 and "cli ['train']" in out
    assert copy.installs() == 1


@posix_only
def test_of_many_starts_at_the_same_moment_one_installs(tmp_path, tried):
    copy = Copy(tmp_path / "project", uv="sleep 1")
    starts = [copy.start("train", str(number)) for number in range(6)]
    for number, start in enumerate(starts):
        out, err = start.communicate(timeout=500)
        assert start.returncode == 0 and f"cli ['train', '{number}']" in out, err
        tried("starts at the same moment")
    assert copy.installs() == 1


@posix_only
@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_stands_in_the_way_of_the_environment_is_named(copy, kind):
    copy.venv.write_text("") if kind == "file" else copy.venv.symlink_to(copy.folder / "gone")
    status, _, err = copy.run("install")
    assert status == 1 and f"{copy.venv} is no folder. Delete it" in err


@posix_only
@pytest.mark.parametrize("installed", [False, True])
def test_what_a_link_leads_to_is_not_emptied(copy, tmp_path, installed):
    """A link to the environment of another copy of the course, or of somebody else."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "theirs").touch()
    if installed:
        (other / ".installed").write_text("hash\n/another/course\n")
    before = sorted(other.iterdir())
    copy.venv.symlink_to(other)
    status, _, err = copy.run("install")
    assert status == 1 and f"{copy.venv} is a link to {other}, which is not this course's" in err
    assert sorted(other.iterdir()) == before and copy.installs() == 0


@posix_only
def test_in_its_conda_environment_nothing_else_is_made(copy, tmp_path):
    # Like conda's: a prefix of its own, with no pyvenv.cfg that course.py would rely on.
    prefix = tmp_path / "conda"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", prefix], check=True)
    python = prefix / "bin" / "python"
    active = {"CONDA_DEFAULT_ENV": load_course().NAME, "CONDA_PREFIX": str(prefix)}
    for _ in range(2):
        status, out, err = copy.run("web", python=python, **active)
        assert status == 0 and f"cli ['web'] {prefix}" in out, err
    assert copy.installs() == 1
    assert not copy.venv.exists()
    # A Python from elsewhere, though the environment is active.
    status, out, err = copy.run("web", **active)
    assert status == 0 and f"cli ['web'] {copy.venv}" in out, err


# Installing for real, with pip --------------------------------------------------------------


def pins(*names):
    """Return the lines of requirements.lock that pin these packages."""
    lock = (ROOT / "requirements.lock").read_text()
    found = [re.search(rf"^{name}==.*(?:\n    .*)*\n", lock, re.MULTILINE) for name in names]
    return "".join(match.group() for match in found)


def python_of(minor):
    """Return another Python of this machine, or skip the test."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = [sys.executable] if sys.version_info[1] == minor else []
    found += [*pyenv.glob(f"versions/3.{minor}.*/bin/python"), shutil.which(f"python3.{minor}")]
    ask = ["-c", f"import sys; sys.exit(sys.version_info[1] != {minor})"]
    for python in filter(None, found):  # a shim of pyenv may stand for a Python that isn't there
        if not subprocess.run([python, *ask], capture_output=True).returncode:
            return python
    pytest.skip(f"there is no Python 3.{minor} here")


# For pip: nothing answers there.
NO_INDEX = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
NO_INDEX |= {"PIP_RETRIES": "1", "PIP_FIND_LINKS": "", "PIP_EXTRA_INDEX_URL": ""}


def without_rights():
    """The start of a command that runs without what root alone may do."""
    if os.geteuid() or sys.platform != "linux":
        return []
    return ["setpriv", "--bounding-set=-all"]


@posix_only
@pytest.mark.slow
@pytest.mark.parametrize("minor", [10, 11, 12, 13])
def test_pip_installs_for_real_on_each_python_where_the_path_is_awkward(tmp_path, minor, tried):
    """Without the rights of root, and with a home folder that may not be written to."""
    python = python_of(minor)
    copy = Copy(tmp_path / "Übung für Gesichter 脸", pins("setuptools", "six"), uv=None)
    home = tmp_path / "home"
    home.mkdir(mode=0o555)
    copy.before = without_rights()
    status, out, err = copy.run("lab", python=python, HOME=str(home))
    assert status == 0, err
    assert f"cli ['lab'] {copy.venv}" in out and "Everything is installed." in err
    assert list(home.iterdir()) == []
    check = "import sys, six, tooling; print(sys.version_info[1], tooling.__file__)"
    elsewhere = subprocess.check_output(
        [copy.venv / "bin" / "python", "-c", check], cwd=tmp_path, text=True, encoding="utf-8"
    )
    made, place = elsewhere.strip().split(" ", 1)
    assert int(made) == minor and Path(place).parent == copy.folder / "tooling"
    tried(f"installations with pip, Python 3.{minor}")


@posix_only
@pytest.mark.slow
def test_once_installed_no_network_is_needed(celeba, tmp_path, tried):
    alone = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*alone, "true"]).returncode:
        pytest.skip("this system lets nobody start a process without a network")
    marker = ROOT / ".venv" / ".installed"
    if not marker.is_file() or marker.read_text("utf-8").splitlines()[1:] != [str(ROOT)]:
        pytest.skip("the course is not installed in .venv")
    words = ["split", "--attribute", "glasses", "--data", celeba, "--out", tmp_path / "out"]
    command = [*alone, sys.executable, ROOT / "course.py", *words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out").rglob("*.png"))
    tried("commands of the course without a network")


@posix_only
@pytest.mark.slow
def test_no_network_and_wrong_hashes_are_said_in_words(tmp_path):
    copy = Copy(tmp_path / "project", pins("six"), uv="exit 1")
    status, _, err = copy.run("lab", **NO_INDEX)
    assert status == 1
    assert "uv could not do it" in err
    assert "No connection to the package index." in err and "Traceback" not in err
    assert not (copy.venv / ".installed").exists()

    lock = copy.folder / "requirements.lock"
    lock.write_text(re.sub("sha256:....", "sha256:0000", lock.read_text()))
    status, _, err = copy.run("lab")
    assert status == 1 and "THESE PACKAGES DO NOT MATCH THE HASHES" in err
