"""The quick profile fits itself to the machine, and says beforehand what a run will take."""

import json

import pytest

from helpers import pace, profiles
from tooling import notebooks


@pytest.fixture
def measured(monkeypatch):
    """What the next measurements say, in seconds; a machine that was not measured before."""
    seconds = []
    monkeypatch.delenv("COURSE_PACE")
    monkeypatch.setattr(pace, "_measure", lambda: seconds.pop(0))
    return seconds


def test_a_machine_is_measured_once(measured, tmp_path):
    measured.append(2 * pace.REFERENCE)
    assert pace.pace(tmp_path) == pytest.approx(2)
    assert pace.pace(tmp_path) == pytest.approx(2) and not measured


def test_another_machine_or_a_damaged_file_is_measured_anew(measured, tmp_path):
    kept = tmp_path / "pace.json"
    for content in ("", "{", "[]", json.dumps({"machine": "another", "pace": 9})):
        kept.write_text(content)
        measured.append(3 * pace.REFERENCE)
        assert pace.pace(tmp_path) == pytest.approx(3) and not measured
        assert json.loads(kept.read_text())["pace"] == 3


def test_where_nothing_can_be_written_it_is_measured_each_time(measured, tmp_path):
    (tmp_path / "file").write_text("")
    measured += [pace.REFERENCE, pace.REFERENCE]
    for _ in range(2):
        assert pace.pace(tmp_path / "file" / "folder") == pytest.approx(1)


@pytest.mark.parametrize(
    ("machine", "steps"), [("0.5", 1200), ("1", 1200), ("1.5", 800), ("2.9", 400), ("20", 400)]
)
def test_a_slow_machine_takes_fewer_steps(monkeypatch, machine, steps):
    monkeypatch.setenv("COURSE_PACE", machine)
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    assert profiles.load_profile().steps == steps


@pytest.mark.slow
def test_the_work_is_done_and_takes_a_time():
    assert 0.001 < pace._measure() < 10


def test_what_a_run_will_take(monkeypatch):
    every = {path.name[:2]: notebooks.told_seconds(path) for path in notebooks.find_notebooks([])}
    assert len(every) == 13 and None not in every.values()
    alone, both = (notebooks.expected_seconds(every, jobs, 1) for jobs in (1, 2))
    assert 240 < both < alone < 900
    assert notebooks.expected_seconds(every, 2, 3) < 3 * both  # 08 takes fewer steps
    assert notebooks.expected_seconds({"00": 13}, 2, 4) == 4 * 13 / notebooks.SIDE_BY_SIDE
