"""The stream that reads in processes of its own: the same batches, and none left behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from helpers import dressing, pairing
from helpers.datasets import open_split
from helpers.profiles import ROOT

READ_ON = """
import sys
from pathlib import Path
from helpers import datasets, pairing

if __name__ == "__main__":
    split = datasets.open_split(sys.argv[1], "glasses")
    stream = iter(pairing.pair_stream(split, 32, 2, processes=2))
    for _ in range(8):
        next(stream)
    print(*[process.pid for process in pairing._pool(2)._processes.values()], flush=True)
    if sys.argv[2] == "waits":
        sys.stdin.read()
"""


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # One that nobody asked after stays in the table until its parent, or what adopted it, does.
    return "zombie" not in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.parametrize("dressed", [False, True])
def test_processes_give_the_batches_that_threads_do(celeba, dressed):
    split = open_split(celeba, "glasses")
    if dressed:
        split = dressing.dress(split, "add")
    damaged = Path(split.source, pairing.batch_names(split, 4)["without"][0])
    damaged.write_bytes(damaged.read_bytes()[:300])
    options = {"size": 32, "batch": 4, "tell_truth": dressed}
    streams = [pairing.pair_stream(split, **options, processes=n).take(8) for n in (0, 2)]
    for threads, processes in zip(*streams, strict=True):
        for one, other in zip(threads, processes, strict=True):
            np.testing.assert_array_equal(one, other)
    assert split.name(damaged) in split.unreadable


def test_where_the_system_ends_them_reading_goes_on_here(celeba):
    split = open_split(celeba, "glasses")
    expected = list(pairing.pair_stream(split, 32, 2, processes=0).take(6))
    stream = iter(pairing.pair_stream(split, 32, 2, processes=2))
    seen = [next(stream)]
    for process in list(pairing._pool(2)._processes.values()):
        process.kill()
    seen += [next(stream) for _ in range(5)]
    pairing._pool.cache_clear()
    for ours, theirs in zip(seen, expected, strict=True):
        np.testing.assert_array_equal(ours[0], theirs[0])


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="asks Linux which processes there are")
@pytest.mark.parametrize("way", ["ends", "waits"])
def test_none_is_left_behind(celeba, tmp_path, way):
    script = tmp_path / "read_on.py"
    script.write_text(READ_ON)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, script, celeba, way]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, text=True, **pipes) as process:
        readers = [int(pid) for pid in process.stdout.readline().split()]
        assert len(readers) == 2
        if way == "waits":
            assert all(map(alive, readers))
            process.kill()
        _, errors = process.communicate(timeout=60)
    assert process.returncode == (0 if way == "ends" else -9)
    assert "Traceback" not in errors
    end = time.monotonic() + 10
    while any(map(alive, readers)) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(map(alive, readers))


def test_processes_read_beside_a_gpu_where_there_are_cores_to_spare(celeba, monkeypatch):
    asked = []
    monkeypatch.setattr(
        pairing, "_read_elsewhere", lambda n, items, *_: asked.append(n) or [None] * len(items)
    )
    split = open_split(celeba, "glasses")
    for gpus, cores, expected in ([], 16, 0), ([1], 2, 0), ([1], 16, 15), ([1], 64, 16):
        monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind, g=gpus: g)
        monkeypatch.setattr("os.cpu_count", lambda n=cores: n)
        next(iter(pairing.pair_stream(split, 32, 2)))
        assert set(asked) == {expected}
        asked.clear()
