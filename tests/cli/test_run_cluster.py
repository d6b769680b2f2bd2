"""The command with its trials on other machines: what it answers, keeps and says is what it is locally."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support.clusters import HandMade
from support.processes import eventually
from support.shell import BISECT, DIARY, PROBE, PYTHON, Shell, publish, told

from bisect_asgi import __version__
from bisect_asgi.backend.executors import doctor
from bisect_asgi.backend.executors.dask.calls import WorkerKind
from bisect_asgi.backend.executors.doctor import Complaint, Health
from bisect_asgi.backend.process.sandbox import Found
from bisect_asgi.core.model import SandboxLevel
from bisect_asgi.core.records import replace

# What a run's own clock, process numbers and caches make different.
UNLIKE = {
    *("started", "elapsed_s", "build_s", "run_s", "wall_s", "cpu_s", "peak_bytes", "other_load", "hosts"),
    *("at_s", "timings"),
}

SIZES = """\
import demo
print("@metric size", 1 if demo.works else 2, "KiB")
"""


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory, known_machine: Path) -> Iterator[HandMade]:
    hosts = dict.fromkeys(["alpha", "beta"], __version__)
    with HandMade(tmp_path_factory.mktemp("machines"), hosts, known=known_machine) as machines:
        yield machines


def alike(value: Any) -> Any:
    """A report without what differs from run to run, and from cache to cache."""
    if isinstance(value, dict):
        return {key: alike(inner) for key, inner in value.items() if key not in UNLIKE}
    if isinstance(value, str):
        return re.sub(r"/\S+/runs/[\d-]+/", "RUN/", value)
    return [alike(inner) for inner in value] if isinstance(value, list) else value


def reported(shell: Shell, *arguments: str) -> dict[str, Any]:
    done = shell.bisect("--json", "--quiet", *arguments)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_a_cluster_answers_as_this_machine_does_and_this_machine_remembers_it(
    shell: Shell, machines: HandMade
) -> None:
    """A dependency carries the change, so that ends, search, confirmation and reason are all run there."""
    for minor in range(6):
        shell.index.add_wheel(
            "demo",
            f"1.{minor}",
            uploaded=f"2021-0{minor + 1}-10",
            modules={"demo.py": f"version = '1.{minor}'\n"},
            requires=["dep==1.0" if minor < 3 else "dep==2.0"],
        )
    for version, works in (("1.0", True), ("2.0", False)):
        source = f"works = {works}\n"
        shell.index.add_wheel("dep", version, uploaded="2020-01-01", modules={"dep.py": source})
    probe = PROBE.replace("import demo\n", "import demo, dep\n").replace("demo.works", "dep.works")
    shell.write("leak.py", probe)

    far = reported(shell, "--executor", machines.place)
    runs = shell.noted("start")
    again = reported(shell)
    assert shell.noted("start") == runs
    shutil.rmtree(shell.cache)
    here = reported(shell)

    assert far["headline"].startswith("demo broke in 1.3 (2021-04-10), because it requires dep 2.0")
    assert alike(far) == alike(here)
    assert {host for row in far["rows"] for host in row["hosts"]} <= {"alpha", "beta"}
    assert any(row["hosts"] for row in far["rows"])
    assert again["headline"] == far["headline"]
    assert all(row["remembered"] == row["passed"] + row["failed"] for row in again["rows"])


def test_what_is_measured_is_measured_on_one_host(shell: Shell, machines: HandMade) -> None:
    publish(shell.index, "+++---")
    shell.write("leak.py", SIZES)

    measuring = ("--executor", machines.place, "--metric", "size", "--jobs", "2")
    for more in ([], ["--fresh"]):
        report = reported(shell, *measuring, *more)

        assert (report["last"], report["first"]) == ("1.2", "1.3")
        assert {host for row in report["rows"] for host in row["hosts"]} == {"alpha"}


def test_a_worker_whose_disk_fails_is_left_out_and_named_where_all_do(shell: Shell, tmp_path: Path) -> None:
    publish(shell.index, "+-")
    check = ("check", "demo==1.1", "--probe", "leak.py", "--python", PYTHON, *DIARY)
    with HandMade(tmp_path, dict.fromkeys(["alpha", "beta"], __version__)) as machines:
        machines.cache("alpha").write_text("no folder")
        one = shell.run(*check, "--executor", machines.place, "--fresh")
        again = shell.run(*check, "--executor", machines.place, "--fresh")
        shutil.rmtree(machines.cache("beta"))
        machines.cache("beta").write_text("no folder")
        none = shell.run(*check, "--executor", machines.place, "--fresh")

    assert (one.returncode, again.returncode, none.returncode) == (1, 1, 134), none.stderr
    for host in ("alpha", "beta"):
        cause = f"cannot continue: the cache directory cannot be written: `{machines.cache(host)}`"
        assert re.search(rf"`{host} tcp://\S+` {re.escape(cause)}", none.stderr)


def test_output_and_hosts_are_shown(shell: Shell, machines: HandMade) -> None:
    publish(shell.index, "+-")
    shell.write("leak.py", "import demo, sys\nprint('it says:', demo.works)\nsys.exit(not demo.works)\n")

    done = shell.bisect("--executor", machines.place, "--verbose", "--full")

    assert done.returncode == 0
    assert re.search(r"^Hosts +(alpha|beta|alpha and beta)$", done.stdout, re.M)
    assert "it says: True" in done.stderr
    assert "it says: False" in done.stderr


def test_check_runs_elsewhere_and_fresh_runs_again(shell: Shell, machines: HandMade) -> None:
    publish(shell.index, "+-")
    check = ("check", "demo==1.1", "--probe", "leak.py", "--python", PYTHON, *DIARY)

    done = [shell.run(*check, "--executor", machines.place, *more) for more in ([], ["--fresh"], [])]

    assert [one.returncode for one in done] == [1, 1, 1]
    # The third asks a worker that has run it, or one that has not.
    assert shell.noted("start")["1.1"] in (2, 3)


def test_as_many_jobs_as_the_cluster_has_threads_unless_said(shell: Shell, machines: HandMade) -> None:
    publish(shell.index, "+-")
    command = (
        "demo",
        "--probe",
        "leak.py",
        "--python",
        PYTHON,
        "--env",
        "DIARY",
        *DIARY,
        "--json",
        "--quiet",
    )

    done = shell.run(*command, "--executor", machines.place)

    assert json.loads(done.stdout)["plan"]["jobs"] == 2


def test_commits_of_a_folder_stay_at_home(shell: Shell, machines: HandMade) -> None:
    publish(shell.index, "+-")
    folder = shell.folder / "clone"
    folder.mkdir()
    git = ("git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org")
    os.system(" ".join([*git, "init -q"]))
    for number in range(2):
        os.system(" ".join([*git, f"commit -q --allow-empty -m {number}"]))

    done = shell.run(
        *("demo", "--over", "commits", "--repo", str(folder), "--good", "HEAD~1", "--bad", "HEAD"),
        *("--probe", "leak.py", "--python", PYTHON, "--executor", machines.place, "--quiet"),
    )

    assert (done.returncode, done.stderr) == (
        2,
        told(
            f"commits of a directory cannot be built on other machines: `{folder}`",
            "name the repository's address instead: `--repo https://example.org/project.git`",
        ),
    )


def test_ctrl_c_ends_what_runs_in_a_cluster_of_ones_own_and_leaves_nothing(shell: Shell) -> None:
    publish(shell.index, "+-")
    shell.write("leak.py", PROBE.replace('note("end")', "import time; time.sleep(600)"))
    command = shell.start(*BISECT, "--executor", "dask", "--jobs", "1")
    eventually(lambda: bool(shell.noted("start")))
    family = psutil.Process(command.pid).children(recursive=True)

    # A terminal tells all of them, those that run the probe apart: they have sessions of their own.
    for process in (*family, psutil.Process(command.pid)):
        if os.getpgid(process.pid) == os.getpgid(command.pid):
            os.kill(process.pid, signal.SIGINT)
    _, stderr = command.communicate(timeout=60)

    assert command.returncode == 130
    assert "Traceback" not in stderr
    assert "interrupted" in stderr
    gone, alive = psutil.wait_procs(family, timeout=60)
    assert (len(gone), alive) == (len(family), [])


def test_the_doctor_looks_at_each_worker(shell: Shell, machines: HandMade) -> None:
    done = shell.run("doctor", "--executor", machines.place)

    title, *lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert title.split() == [
        *("machine", "bisect-asgi", "on", "Python", "platform", "cores", "uv", "git", "free", "index"),
        *("sandbox", "interpreters"),
    ]
    assert [line.split()[0] for line in sorted(lines)] == ["alpha", "beta"]
    assert all(f"  {__version__}  " in line and "answers" in line for line in lines)


def test_the_doctor_says_what_is_wrong_with_this_machine(shell: Shell) -> None:
    shell.environ["BISECT_ASGI_CACHE_DIR"] = str(shell.write("a-file", "") / "cache")

    done = shell.run("doctor")

    assert done.returncode == 6
    assert (
        f"the cache directory cannot be written: `{shell.folder}/a-file/cache` (Not a directory)"
        in done.stderr
    )


SOUND = Health(
    kind=WorkerKind(version="1.0", machine="linux x86_64"),
    host="one",
    cores=2,
    python="3.12.1",
    uv="0.13.0",
    uv_fault="",
    git="2.40.0",
    interpreters=("3.8.18",),
    cache="/cache",
    cache_fault="",
    free_bytes=2**40,
    index_faults=(),
    sandbox=Found(level=SandboxLevel.STRONG),
)


def test_a_sound_machine_has_no_complaints() -> None:
    assert doctor.complaints(SOUND, SOUND.kind) == ()


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        pytest.param(
            {"kind": WorkerKind(version="0.9", machine="linux x86_64")},
            "has bisect-asgi 0.9, not 1.0",
            id="version",
        ),
        pytest.param(
            {"kind": WorkerKind(version="1.0", machine="darwin arm64")},
            "runs on darwin arm64, not linux x86_64",
            id="machine",
        ),
        pytest.param({"uv": "", "uv_fault": "it is gone"}, "uv does not run: it is gone", id="uv"),
        pytest.param({"git": ""}, "git is missing", id="git"),
        pytest.param({"interpreters": ()}, "there is no Python for probes", id="interpreters"),
        pytest.param(
            {"cache_fault": "Read-only file system", "interpreters": (), "free_bytes": 0},
            "the cache directory cannot be written: `/cache` (Read-only file system)",
            id="cache",
        ),
        pytest.param({"free_bytes": 2**30}, "only 1.0 GiB is free for `/cache`", id="room"),
        pytest.param({"index_faults": ("no answer",)}, "no answer", id="index"),
    ],
)
def test_each_fault_is_one_complaint_with_a_hint(fault: dict[str, Any], text: str) -> None:
    (complaint,) = doctor.complaints(replace(SOUND, **fault), SOUND.kind)

    assert isinstance(complaint, Complaint)
    assert complaint.text == text
    assert complaint.hint


def test_interpreters_that_only_some_workers_have_are_told_also_of_one_machine() -> None:
    other = replace(SOUND, interpreters=("3.8.18", "3.13.0", "3.9.2"))
    broken = replace(SOUND, interpreters=(), cache_fault="full")

    found = {"vm a:1": SOUND, "vm b:2": other, "vm c:3": broken, "vm d:4": SOUND}

    assert doctor.missing_interpreters(found) == {("3.9.2", "3.13.0"): ("vm a:1", "vm d:4")}
