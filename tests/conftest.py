"""Quiet TensorFlow, fixtures that many tests share, and the report of a run."""

import datetime
import os
import platform
import subprocess
from collections import Counter, defaultdict

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("COURSE_PACE", "3")  # the shortest quick profile, whatever the machine

import pytest
from made_up import write_celeba


@pytest.fixture
def course(monkeypatch, capsys):
    """Call the command line with some arguments: gives the exit code and all that was printed."""
    from tooling import cli

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["course.py", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = stop.code or 0
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


@pytest.fixture
def eagerly():
    """Compute step by step: for one or two small steps, building their graph takes far longer."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def celeba(tmp_path):
    return write_celeba(tmp_path / "celeba")


@pytest.hookimpl(optionalhook=True)  # xdist's: who runs a few tests may do without
def pytest_xdist_make_scheduler(config, log):
    """Give the page's tests to one process, as if they were one file: two browsers are slow."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class PageTogether(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "tests/web" if file.startswith("tests/web/") else file

    return PageTogether(config, log)


# --- The report: course.py test --report -----------------------------------------------------

# How often the report's run tries what others try a few times; a variable that is set wins.
REPORTED = {"KILLS": 100, "DAMAGES": 100, "INPUTS": 3000, "REQUESTS": 5000, "NOTEBOOKS": 99}


def pytest_addoption(parser):
    where = "and write a table of it: build/test-report.md"
    parser.addoption("--report", action="store_true", help=f"try hostile input often, {where}")


def pytest_configure(config):
    if config.getoption("report"):
        for name, count in REPORTED.items():
            os.environ.setdefault(f"SURVIVAL_{name}", str(count))


@pytest.fixture
def tried(request):
    """Count for the report: tried("kills of a run") each time, or tried("requests", 300) once."""
    counts = {}  # nothing but what can go from one process to another
    request.node.user_properties.append(("tried", counts))

    def count(what, times=1):
        counts[what] = counts.get(what, 0) + times

    return count


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("report"):
        from helpers.files import write_text

        text = report(terminalreporter.stats, config)
        path = config.rootpath / "build" / "test-report.md"
        path.parent.mkdir(exist_ok=True)
        write_text(path, text)
        terminalreporter.write(f"\n{text}\nThis report: {path}\n")


def report(stats, config):
    """Return as Markdown what was tried, how often, and whether every test of it passed."""
    times, held = Counter(), {}
    files, skipped = defaultdict(Counter), Counter()
    for outcome in ("passed", "failed", "error", "skipped"):
        for test in stats.get(outcome, []):
            if test.when == "call" or outcome != "passed":
                files[test.nodeid.split("::")[0]][outcome] += 1
            if outcome == "skipped" and isinstance(test.longrepr, tuple):
                skipped[test.longrepr[2].removeprefix("Skipped: ")] += 1
            for _, counts in (p for p in test.user_properties if p[0] == "tried"):
                if test.when == "call":
                    times.update(counts)
                    held.update(
                        {what: held.get(what, True) and outcome == "passed" for what in counts}
                    )
    git = ["git", "-C", str(config.rootpath), "describe", "--always", "--dirty"]
    version = subprocess.run(git, capture_output=True, text=True).stdout.strip() or "no git"
    words = [f"Python {platform.python_version()}", platform.platform(), f"{os.cpu_count()} cores"]
    now = datetime.datetime.now(datetime.timezone.utc)
    called = " ".join(["course.py test", *config.invocation_params.args])
    return "\n".join(
        [
            "# What was tried",
            "",
            f"`{called}` on {now:%Y-%m-%d %H:%M} UTC, version {version}, {', '.join(words)}.",
            "The tests counted this themselves, in this run.",
            "",
            "| what | how often | held |",
            "| --- | ---: | --- |",
            *(f"| {what} | {n} | {'yes' if held[what] else 'NO'} |" for what, n in times.items()),
            "",
            "| tests | passed | failed | skipped |",
            "| --- | ---: | ---: | ---: |",
            *(
                f"| {name} | {n['passed']} | {n['failed'] + n['error']} | {n['skipped']} |"
                for name, n in sorted(files.items())
            ),
            "",
            *(f"- skipped {n}: {why}" for why, n in skipped.items()),
        ]
    )
