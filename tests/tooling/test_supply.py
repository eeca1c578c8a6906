"""What the course is made of: pinned, checked by hash, and no file of numbers can run code."""

import ast
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import nbformat
import numpy as np
import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

import course
from helpers import classifier, networks, weight_files
from helpers.errors import CourseError
from tooling import page

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# The lock and environment.yml ---------------------------------------------------------------


def locked():
    """Return the lock as [(requirement, hashes)]."""
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    entries = []
    for block in re.split(r"\n(?=[A-Za-z0-9])", "\n" + re.sub(r"^#.*\n", "", text, flags=re.M)):
        if block.strip():
            first, *hashes = block.replace("\\\n", "\n").strip().split("\n")
            entries.append((Requirement(first.strip()), [line.strip() for line in hashes]))
    return entries


def asked_for():
    project = PROJECT["project"]
    lines = [project["dependencies"], *project["optional-dependencies"].values()]
    return [Requirement(line) for line in sum(lines, [])]


def test_the_lock_has_hashes_and_no_addresses():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE)
    for requirement, hashes in locked():
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert hashes and all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", h) for h in hashes)


@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
@pytest.mark.parametrize("python", ["3.10", "3.11", "3.12", "3.13"])
def test_the_lock_gives_every_system_what_pyproject_asks_for(system, python):
    environment = {
        **default_environment(),
        "python_version": python,
        "python_full_version": python + ".4",
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
        "os_name": "nt" if system == "win32" else "posix",
        "platform_machine": {"linux": "x86_64", "darwin": "arm64", "win32": "AMD64"}[system],
    }
    versions = {}
    for requirement, _ in locked():
        if not requirement.marker or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in versions, f"{name} is pinned twice"
            versions[name] = Version(str(requirement.specifier)[2:])
    for requirement in asked_for():
        version = versions.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name}: python3 course.py lock"
        assert requirement.specifier.contains(version), f"{requirement} is pinned at {version}"


def test_the_lock_is_complete_though_installed_without_dependencies():
    left_out = set(PROJECT["tool"]["uv"]["exclude-dependencies"])
    overridden = {Requirement(r).name for r in PROJECT["tool"]["uv"]["override-dependencies"]}
    missing = []
    for name in {canonicalize_name(requirement.name) for requirement, _ in locked()}:
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue  # for another system
        for line in wanted:
            requirement = Requirement(line)
            other = canonicalize_name(requirement.name)
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            if other in left_out or other in overridden:
                continue
            try:
                found = requirement.specifier.contains(metadata.version(other), prereleases=True)
            except metadata.PackageNotFoundError:
                found = False
            if not found:
                missing.append(f"{name} needs {requirement}")
    assert not missing


def test_environment_yml_agrees_with_pyproject():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert environment["name"] == PROJECT["project"]["name"] == course.NAME
    packages = dict(line.partition("=")[::2] for line in environment["dependencies"])
    supported = SpecifierSet(PROJECT["project"]["requires-python"])
    assert supported.contains(packages.pop("python") + ".0")
    assert "pip" in packages
    # Two managers of one package would undo each other's work.
    pinned = {canonicalize_name(requirement.name) for requirement, _ in locked()}
    assert not pinned & set(packages)


def test_course_py_and_the_workflow_know_which_pythons_the_project_supports():
    supported = SpecifierSet(PROJECT["project"]["requires-python"])
    minors = [minor for minor in range(30) if supported.contains(f"3.{minor}.0")]
    assert sorted(course.MINORS) == minors
    tests = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8"))
    # And one that is too new, with which course.py has to bring another.
    wanted = [f"3.{minor}" for minor in [*minors, minors[-1] + 1]]
    assert tests["jobs"]["test"]["strategy"]["matrix"]["python"] == wanted


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == PROJECT["project"]["version"]
    assert citation["license"] == PROJECT["project"]["license"]


# The page's lock ----------------------------------------------------------------------------


@pytest.mark.parametrize(("folder", "least"), [(".", 50), ("audit", 50), ("bench", 10)])
def test_the_npm_lock_has_checksums_and_no_addresses(folder, least, tried):
    """Where packages come from is the learner's npm's setting."""
    lock = json.loads((ROOT / "web" / folder / "package-lock.json").read_text("utf-8"))
    wanted = json.loads((ROOT / "web" / folder / "package.json").read_text("utf-8"))
    packages = dict(lock["packages"])
    root = packages.pop("")
    for kind in ("dependencies", "devDependencies"):
        assert root.get(kind) == wanted.get(kind), f"npm install, in web/{folder}"
    assert len(packages) >= least
    for name, entry in packages.items():
        assert "resolved" not in entry, name
        assert re.fullmatch(r"sha512-[\w+/]{86}==", entry["integrity"]), name
        tried("npm packages pinned by checksum")


# Nothing is unpickled -----------------------------------------------------------------------

# pickle under its names, and what unpacks archives or fetches files: the course needs neither.
REFUSED = {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
REFUSED |= {"tarfile", "zipfile", "urllib", "requests", "httpx"}
# keras.models.load_model runs what a .keras or .h5 file says; export and weights are arrays.
REFUSED_CALLS = {"load_model", "model_from_json", "read_pickle", "unpack_archive", "eval", "exec"}


def code_of_the_course():
    """Yield (where, code): every module, and every cell of every notebook."""
    modules = [path for wing in ("helpers", "tooling") for path in (ROOT / wing).rglob("*.py")]
    for path in [ROOT / "course.py", *sorted(modules)]:
        yield path.relative_to(ROOT).as_posix(), path.read_text("utf-8")
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                source = re.sub(r"^%%writefile.*", "", cell.source)
                source = re.sub(r"^(\s*)[!%].*$", r"\1pass", source, flags=re.M)
                yield f"{path.stem}: {cell.id}", source


def dangers(code):
    """Return what code imports or calls that could run what a file says."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names if name.name.split(".")[0] in REFUSED]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found += [node.module] if node.module.split(".")[0] in REFUSED else []
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called.split(".")[-1] in REFUSED_CALLS or called in ("torch.load", "yaml.load"):
                found.append(called)
            # NumPy's own default is False.
            words = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if words.get("allow_pickle", "False") != "False":
                found.append("allow_pickle")
    return found


def test_dangers_are_seen():
    for code in (
        "import pickle",
        "from joblib import load",
        "import urllib.request",
        "keras.models.load_model('a.keras')",
        "np.load('a.npy', allow_pickle=True)",
        "torch.load('a.pt')",
    ):
        assert dangers(code), code
    assert not dangers("np.load('a.npy'); np.load('a.npz', allow_pickle=False)")


def test_no_code_of_the_course_unpickles_downloads_or_unpacks():
    found = {where: dangers(code) for where, code in code_of_the_course()}
    assert len(found) > 300
    # Photos are read out of an archive, one by one into memory; nothing is unpacked to the disk.
    assert found.pop("helpers/pixels.py") == ["zipfile"]
    assert {where: names for where, names in found.items() if names} == {}


LOAD_ALL = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from pathlib import Path
import numpy as np
from helpers import classifier, detection, export, gauge, identity, weight_files
named, files = set(), 0
def hook(event, arguments):
    if event == "pickle.find_class":
        named.add(".".join(arguments))
sys.addaudithook(hook)
root = Path(sys.argv[1])
for path in (root / "weights").rglob("*.npz"):
    kind, _, attribute = path.stem.rpartition("-")
    if kind == "left":
        gauge.load(path, attribute)
    else:
        (classifier.load if kind == "classifier" else weight_files.load_generator)(path)
    files += 1
for path in (root / "web" / "public" / "models").glob("*/model.json"):
    export.check_export(path.parent)
    files += 1
identity.load_embedder()
detection.find_faces(np.zeros((64, 64, 3), np.uint8))
print(files, *sorted(named))
"""


@pytest.mark.slow
def test_loading_every_model_names_no_code(tmp_path, tried):
    """Python itself reports each name that a pickle looks up."""
    page.fill_in(ROOT / "web" / "public" / "models", ROOT / "weights")
    done = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, str(ROOT)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    count, *named = done.stdout.splitlines()[-1].split()
    assert int(count) > 10 and named == []
    tried("models of the course loaded, without a pickle", int(count))


class Evil:
    """An object whose pickle, when it is read, makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("load", [weight_files.load_generator, classifier.load])
def test_weights_that_hold_a_pickle_are_refused(load, tmp_path, tried):
    card = {"size": 32, "width": 4, "network": "attention", "direction": "add"}
    path = tmp_path / "evil.npz"
    weight_files.save_generator(path, networks.attention_generator(32, 4), card)
    with np.load(path) as file:
        arrays = dict(file)
    for name in ("card", sorted(arrays)[0]):
        evil = np.array([Evil(tmp_path / "owned")], object)
        np.savez(path, **arrays | {name: evil})
        with pytest.raises(CourseError, match="evil.npz"):
            load(path)
        assert not (tmp_path / "owned").exists()
        tried("weights that would run code")


@pytest.mark.parametrize("load", [weight_files.load_generator, classifier.load])
def test_what_is_no_npz_is_not_said_to_be_a_pickle(load, tmp_path):
    """numpy's own words for it advise to load it unsafely."""
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(CourseError, match="text.npz.*is no .npz") as refused:
        load(tmp_path / "text.npz")
    assert "pickle" not in str(refused.value)


def test_a_card_that_asks_for_what_cannot_be_is_refused(tmp_path):
    card = {"size": 32, "width": 4, "network": "attention", "direction": "add"}
    path, generator = tmp_path / "glasses-add.npz", networks.attention_generator(32, 4)
    for told in ({"headroom": 0.5, "attribute": "glasses"}, {"attribute": "Big_Nose"}):
        weight_files.save_generator(path, generator, card | told)
        weight_files.load_generator(path)
    wrong = [{"headroom": number} for number in (0.9999, 1.0, -5, float("nan"), "x", [0.1])]
    wrong += [{"attribute": name} for name in ("../../hat", "a\\b", "", None, 3)]
    for told in wrong:
        weight_files.save_generator(path, generator, card | {"attribute": "glasses"} | told)
        with pytest.raises(CourseError, match="glasses-add.npz.*its (headroom|attribute) is"):
            weight_files.load_generator(path)


@pytest.mark.parametrize("load", [weight_files.load_generator, classifier.load])
@pytest.mark.parametrize("bomb", [{"width": 100_000}, {"size": 10**9}, {"size": -8}, "zeros"])
def test_weights_that_would_take_all_memory_are_refused(load, bomb, tmp_path, tried):
    card = {"size": 32, "width": 4, "network": "attention", "direction": "add"}
    if load is classifier.load:
        card |= {"network": "plain", "columns": ["Eyeglasses"]}
    zeros = np.zeros(1 if isinstance(bomb, dict) else 1 << 27, np.float32)  # 512 MB
    card |= bomb if isinstance(bomb, dict) else {}
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, card=json.dumps(card), w=zeros)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(CourseError, match="bomb.npz.*(unpacks to 512 MB|its network has a )"):
        load(path)
    tried("weights that would take all memory")
