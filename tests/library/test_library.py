"""The library as other programs use it: a local index, real environments, real runs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from support.processes import eventually
from support.shell import PYTHON, Shell, publish

import bisect_asgi
from bisect_asgi import (
    Environment,
    Event,
    Report,
    UsageError,
    abisect,
    acheck,
    averify,
    bisect,
    check,
    verify,
)
from bisect_asgi.core.claims import ClaimVerdict
from bisect_asgi.core.errors import ExitCode
from bisect_asgi.core.events import RunFinished, TrialStarted


def works(env: Environment) -> object:
    """A function as the probe."""
    return env.run("python", "-c", "import demo; assert demo.works")


def alone(shell: Shell) -> dict[str, object]:
    """The options with which no run is made beside those that are counted."""
    return {"python": PYTHON, "jobs": 1, "history": "none", "env": ["DIARY"], "sandbox": "none"}


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_a_script_is_bisected_and_nothing_is_printed(shell: Shell, capfd: pytest.CaptureFixture[str]) -> None:
    publish(shell.index, "+++--")
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    others = set(children())
    events: list[Event] = []

    report = bisect("demo", probe="leak.py", on_event=events.append, **alone(shell))  # type: ignore[arg-type]

    assert report.headline == str(report)
    assert "1.3" in report.headline
    assert report.boundary is not None
    assert (report.boundary.last, report.boundary.first) == ("1.2", "1.3")
    assert (report.affected, report.cause, report.hint) == ((">=1.3",), "by itself", None)
    assert (report.exit_code, report.changes) == (ExitCode.FOUND, (report.boundary,))
    assert [row.version for row in report.rows] == ["1.0", "1.1", "1.2", "1.3", "1.4"]
    assert list(report.reproduce) == ["1.2", "1.3"]
    assert json.loads(report.to_json())["headline"] == report.headline
    assert repr(report) == f"<Report: {report.headline}>"
    assert "<td>1.3</td>" in report._repr_html_()
    assert isinstance(events[-1], RunFinished)
    assert report.log.exists()
    assert capfd.readouterr() == ("", "")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    assert set(children()) <= others


def test_the_command_uses_what_the_library_has_run(shell: Shell) -> None:
    publish(shell.index, "++--")
    bisect("demo", probe="leak.py", **alone(shell))  # type: ignore[arg-type]
    before = shell.noted("start")

    assert shell.bisect().returncode == 0
    assert shell.noted("start") == before


def test_a_search_without_a_boundary_is_a_report(shell: Shell) -> None:
    publish(shell.index, "+++")

    report = bisect("demo", probe="leak.py", **alone(shell))  # type: ignore[arg-type]

    assert (report.exit_code, report.boundary, report.affected) == (ExitCode.NOT_REPRODUCED, None, ())
    assert report.cause == ""
    assert report.hint


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"package": "nothing", "probe": "leak.py"}, "`nothing`", id="no-such-package"),
        pytest.param({"package": "demo"}, "no probe given", id="no-probe"),
        pytest.param(
            {"package": "demo", "probe": "leak.py", "check": works},
            "a function is the whole probe",
            id="both",
        ),
        pytest.param({"package": "demo", "probe": "leak.py", "key": "k"}, "names no function", id="key"),
        pytest.param(
            {"package": "demo", "probe": "leak.py", "python": "3.8,3.9"}, "several histories", id="pythons"
        ),
    ],
)
def test_what_is_wrong_is_raised(
    shell: Shell, given: dict[str, object], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    publish(shell.index, "+-")

    with pytest.raises(UsageError, match=message):
        bisect(**given)  # type: ignore[arg-type]

    assert capfd.readouterr() == ("", "")


def test_a_function_is_the_probe_and_a_key_keeps_its_runs(shell: Shell) -> None:
    publish(shell.index, "++--")
    called: list[str] = []

    def function(env: Environment) -> object:
        called.append(env.versions["demo"])
        return works(env)

    first, second, unnamed = (
        bisect("demo", check=function, key=key, **alone(shell))  # type: ignore[arg-type]
        for key in ("mine", "mine", None)
    )

    assert first.headline == second.headline == unnamed.headline
    assert first.document.first == "1.2"
    assert len(called) == first.document.runs + unnamed.document.runs
    assert sum(row.remembered for row in second.rows) == sum(row.runs for row in second.rows)


def test_one_release_is_checked(shell: Shell) -> None:
    publish(shell.index, "+-")

    good, bad = (check(f"demo==1.{minor}", check=works, python=PYTHON) for minor in (0, 1))

    assert (good.verdict, good.exit_code, good.reason) == ("good", 0, "")
    assert (bad.verdict, bad.exit_code, bad.version) == ("bad", 1, "1.1")
    assert "AssertionError" in bad.reason


def test_a_claim_is_verified(shell: Shell) -> None:
    publish(shell.index, "++--")

    found = verify("demo", probe=shell.write("asserts.py", "import demo\nassert demo.works"), broken_in="1.2")

    assert (found.verdict, found.truth) == (ClaimVerdict.CONFIRMED, "broken in 1.2")
    with pytest.raises(UsageError, match="there is no claim to verify"):
        verify("demo", probe="asserts.py")


def test_calls_run_side_by_side_in_threads(shell: Shell) -> None:
    publish(shell.index, "++---")
    publish(shell.index, "+++--", project="other")
    shell.write("other.py", "import demo\nassert demo.works")

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(bisect, "demo", check=works, python=PYTHON)
        other = pool.submit(bisect, "other", probe="other.py", python=PYTHON)

    assert one.result().boundary is not None
    assert [found.result().document.first for found in (one, other)] == ["1.2", "1.3"]


def test_calls_run_side_by_side_in_an_event_loop(shell: Shell) -> None:
    publish(shell.index, "++--")
    shell.write("asserts.py", "import demo\nassert demo.works")

    async def all_of_them() -> tuple[object, ...]:
        report, found, claim = await asyncio.gather(
            abisect("demo", probe="asserts.py", python=PYTHON),
            acheck("demo==1.3", check=works, python=PYTHON),
            averify("demo", probe="asserts.py", broken_in="1.2", python=PYTHON),
        )
        return report.document.first, found.verdict, claim.verdict

    assert asyncio.run(all_of_them()) == ("1.2", "bad", ClaimVerdict.CONFIRMED)


def test_a_canceled_call_ends_what_it_has_started(shell: Shell) -> None:
    publish(shell.index, "++--")
    shell.write("hangs.py", "import time\ntime.sleep(600)")
    others = set(children())

    async def canceled() -> None:
        begun, loop = asyncio.Event(), asyncio.get_running_loop()

        def on_event(event: Event) -> None:
            if isinstance(event, TrialStarted):
                loop.call_soon_threadsafe(begun.set)

        task = asyncio.create_task(abisect("demo", probe="hangs.py", python=PYTHON, on_event=on_event))
        await begun.wait()
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(canceled())
    assert set(children()) <= others
    # A thread ends a moment after its last call has.
    eventually(
        lambda: not [each for each in threading.enumerate() if each.name.startswith(("trial", "bisect"))]
    )


def test_an_exception_of_on_event_ends_the_search(shell: Shell) -> None:
    publish(shell.index, "++--")
    others = set(children())

    def on_event(event: Event) -> None:
        if isinstance(event, TrialStarted):
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        bisect("demo", check=works, python=PYTHON, on_event=on_event)
    assert set(children()) <= others


def test_an_interrupt_leaves_nothing_behind(shell: Shell) -> None:
    publish(shell.index, "++--")
    shell.write("hangs.py", f"{HANGS}\nimport time\ntime.sleep(600)")
    script = shell.write("calls.py", CALLS)

    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=shell.folder, env=shell.environ, stdout=subprocess.PIPE, text=True
    )
    eventually(shell.diary.exists)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=shell.patience_s)

    assert printed == "interrupted []\n"
    assert list((shell.cache / "runs").iterdir()) == []
    assert not psutil.pid_exists(int(shell.diary.read_text()))


HANGS = 'import os\nopen(os.environ["DIARY"], "w").write(str(os.getpid()))'
CALLS = f"""\
import psutil
from bisect_asgi import bisect

if __name__ == "__main__":
    try:
        bisect("demo", probe="hangs.py", python={PYTHON!r}, env=["DIARY"], sandbox="none", jobs=1)
    except KeyboardInterrupt:
        print("interrupted", psutil.Process().children(recursive=True))
"""


def test_the_examples_of_the_documentation_run(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    for minor, body in enumerate(["from html import escape"] * 2 + [""] * 2):
        shell.index.add_wheel(
            "jinja2", f"3.{minor}", uploaded=f"2021-0{minor + 1}-01", modules={"jinja2.py": body}
        )
    shell.write("escape.py", "import jinja2\njinja2.escape('<')")
    page = (Path(bisect_asgi.__file__).parents[1] / "docs" / "library.md").read_text()

    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    found: list[dict[str, object]] = [{} for _ in blocks]
    for block, names in zip(blocks, found, strict=True):
        exec(compile(block, "docs/library.md", "exec"), names)

    assert "3.2" in capsys.readouterr().out
    last = found[-1]["report"]
    assert isinstance(last, Report)
    assert last.exit_code is ExitCode.NOT_REPRODUCED  # without markupsafe the function passes


def test_importing_the_package_imports_none_of_it() -> None:
    asked = "import sys, bisect_asgi; print([m for m in sys.modules if m.startswith('bisect_asgi')])"
    done = subprocess.run(
        [sys.executable, "-c", asked],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(bisect_asgi.__file__).parent.parent)},
    )

    assert done.stdout == "['bisect_asgi']\n"
    assert {"bisect", "check", "verify", "Report"} <= set(dir(bisect_asgi))
    assert bisect_asgi.Report is Report
    with pytest.raises(AttributeError, match="has no attribute 'bisekt'"):
        bisect_asgi.bisekt  # type: ignore[attr-defined]  # noqa: B018
