"""`--live`: pages about a command, served by it while it runs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
from contextlib import ExitStack, suppress

import httpx
import pytest
from support.blocking import third_run_hangs
from support.processes import PATIENCE_S, eventually
from support.shell import BISECT, PYTHON, Shell, publish

from bisect_asgi.cli.live import live_page
from bisect_asgi.cli.output import OutputOptions
from bisect_asgi.core.errors import UsageError

CLAIMING = """\
# /// script
# [tool.bisect-asgi]
# package = "demo"
# broken-in = "1.5"
# python = {python!r}
# sandbox = "none"
# env = ["DIARY"]
# ///
import os
import demo
assert demo.works, "it does not work"
"""


class Followed:
    """A command whose first page is open in a browser."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.told: list[str] = []
        self.events: list[tuple[str, str]] = []
        assert process.stderr
        for line in process.stderr:
            self.told.append(line)
            if found := re.fullmatch(r"live: (http://127\.0\.0\.1:\d+/\S+/)\n", line):
                self.address = found[1]
                break
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        eventually(lambda: bool(self.events) or not self._reader.is_alive())

    def _read(self) -> None:
        with httpx.stream("GET", f"{self.address}?news", timeout=PATIENCE_S, trust_env=False) as answer:
            kind = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    kind = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    self.events.append((kind, json.loads(line.removeprefix("data: "))))

    def end(self) -> tuple[str, str]:
        """Wait for both, and return what the command wrote."""
        out, errors = self.process.communicate(timeout=PATIENCE_S)
        self._reader.join(PATIENCE_S)
        assert not self._reader.is_alive()
        return out, "".join(self.told) + errors

    @property
    def last_page(self) -> str:
        return [text for kind, text in self.events if kind == "page"][-1]


def test_a_search_is_followed_to_its_result(shell: Shell) -> None:
    publish(shell.index, "+++++---")
    followed = Followed(shell.start(*BISECT, "--live"))
    out, errors = followed.end()

    assert followed.process.returncode == 0
    assert out.startswith("demo broke in 1.5 (2021-06-01)\n")
    assert errors.count("live: ") == 1
    assert "<h1>demo broke in 1.5 (2021-06-01)</h1>" in followed.last_page
    assert [text for kind, text in followed.events if kind == "ended"] == [
        "The command has ended. This page keeps what it shows, but cannot be loaded again."
    ]
    assert followed.events[-1][0] == "ended"


def test_json_and_quiet_stay_what_they_are(shell: Shell) -> None:
    publish(shell.index, "++--")
    process = shell.start(*BISECT, "--live", "--json", "--quiet")
    out, errors = process.communicate(timeout=PATIENCE_S)
    assert json.loads(out)["first"] == "1.2"
    assert re.fullmatch(r"live: http://127\.0\.0\.1:\d+/\S+/\n", errors)


def test_an_interrupt_ends_the_command_and_the_page_says_so(shell: Shell) -> None:
    publish(shell.index, "+++++---")
    process, _ = third_run_hangs(shell, "--confirm", "1", "--live")
    followed = Followed(process)
    process.send_signal(signal.SIGINT)
    _, errors = followed.end()

    assert process.returncode == 130
    assert errors.endswith("hint: finished runs are cached; run the same command to continue\n")
    assert "<h1>interrupted: demo 1.6 and demo 1.7 are bad</h1>" in followed.last_page
    assert followed.events[-1][0] == "ended"


def test_a_command_without_a_result_says_why_on_its_page(shell: Shell) -> None:
    followed = Followed(shell.start(*BISECT, "--live"))
    _, errors = followed.end()
    assert followed.process.returncode != 0
    assert "error: there is no package `demo` on the index\n" in errors
    assert "<h1>there is no package <code>demo</code> on the index</h1>" in followed.last_page


def test_an_error_before_anything_is_known_is_told_on_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    problem = UsageError("nothing is there", hint="look elsewhere")
    with httpx.Client(timeout=PATIENCE_S, trust_env=False) as client, ExitStack() as opened:
        with suppress(UsageError), live_page(OutputOptions(live=True), "Bisecting demo: leak.py"):
            address = capsys.readouterr().err.removeprefix("live: ").strip()
            answer = opened.enter_context(client.stream("GET", f"{address}?news"))
            raise problem
        *_, last = (line for line in answer.iter_lines() if line.startswith("data: "))
    assert last.endswith('It ended with this error: nothing is there"')


@pytest.mark.parametrize("command", ["suite", "verify"])
def test_several_probes_are_followed_on_a_board(shell: Shell, command: str) -> None:
    publish(shell.index, "+++++---")
    shell.write("leak.py", CLAIMING.format(python=PYTHON))
    shell.write("other.py", CLAIMING.format(python=PYTHON))
    followed = Followed(shell.start(command, ".", "--live"))
    followed.end()

    assert followed.process.returncode == 0
    assert followed.last_page.count('<tr class="good">') == 2
    assert 'href="leak.html"' in followed.last_page
    assert 'href="other.html"' in followed.last_page
