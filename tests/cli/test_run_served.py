"""Served probes from the command to the report, and from its Markdown to both sides without bisect-asgi."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support import fake_uvicorn
from support.processes import PATIENCE_S
from support.shell import PYTHON, Shell

from bisect_asgi.backend.network.configured import binary

APP = """\
def app():
    import demo

    async def answer(scope, receive, send):
        if scope["path"] == "/slow" and not demo.works:
            import asyncio

            await asyncio.sleep(3600)
        body = b"x" * (10 if demo.works else 30)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return answer

"""
ASSERTION = """
def probe(server):
    size = len(server.client.get("/").content)
    assert size == 10, f"{size} bytes instead of 10"
"""
METRIC = """
def probe(server):
    return {"size": f"{len(server.client.get('/').content)} B"}
"""
HANG = """
def probe(server):
    with server.connection(timeout_s=1) as connection:
        connection.send_request("GET", "/slow")
        assert connection.response().status == 200
"""
TIME_OUT = """
def probe(server):
    server.client.get("/slow", timeout=60)
"""


def publish(shell: Shell, works: str) -> None:
    shell.index.add_wheel(
        "uvicorn", "0.17.6", uploaded="2020-01-01", modules=fake_uvicorn.MODULES, requires=["h11"]
    )
    shell.index.add_wheel("h11", "0.14.0", uploaded="2020-01-01", modules=fake_uvicorn.h11_modules())
    for minor, mark in enumerate(works):
        source = f"works = {mark == '+'}\n"
        shell.index.add_wheel(
            "demo", f"1.{minor}", uploaded=f"2021-{minor + 1:02}-01", modules={"demo.py": source}
        )


class Reader:
    """Somebody with nothing but the Markdown, an empty folder, uv and pip."""

    def __init__(self, markdown: str, folder: Path, shell: Shell) -> None:
        self.markdown = markdown
        self.folder = folder
        folder.mkdir()
        path = [str(Path(binary()).parent), str(Path(PYTHON).parent), os.defpath]
        self.environ = {
            "PATH": os.pathsep.join(path),
            "HOME": str(folder),
            "UV_CACHE_DIR": str(folder / "uv-cache"),
            "UV_DEFAULT_INDEX": shell.index.url,
            "PIP_INDEX_URL": shell.index.url,
            "PIP_NO_CACHE_DIR": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        found = re.findall(
            r"<summary>Save as (\S+): [^<]*</summary>\n\n(````*)python\n(.*?)\n\2\n", markdown, re.DOTALL
        )
        for name, _, text in found:
            (folder / name).write_text(text + "\n")

    def paste(self, side: str, way: str) -> subprocess.CompletedProcess[str]:
        """Run the command of `side`, such as `demo 1.1 (bad)`, for `uv` or `pip`."""
        part = self.markdown.partition(f"**{side}**")[2]
        command = part.partition(f"With {way}:\n\n```sh\n")[2].partition("\n```")[0]
        assert command, self.markdown
        return subprocess.run(
            ["sh", "-c", command],
            cwd=self.folder,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )


@pytest.mark.parametrize(
    ("probe", "arguments", "good", "bad"),
    [
        pytest.param(ASSERTION, (), "good", "bad: AssertionError: 30 bytes instead of 10", id="assertion"),
        pytest.param(
            METRIC,
            ("--metric", "size", "--bad-above", "20 B"),
            "good: size = 10 (bad: above 20)",
            "bad: size = 30 (bad: above 20)",
            id="metric",
        ),
        pytest.param(HANG, (), "good", "bad: TimeoutError: no response: nothing came within 1 s", id="hang"),
        pytest.param(TIME_OUT, ("--timeout", "5"), "good", "bad: no result within 5 s", id="time-out"),
    ],
)
def test_both_sides_are_shown_by_what_the_markdown_has(
    shell: Shell, tmp_path: Path, probe: str, arguments: tuple[str, ...], good: str, bad: str
) -> None:
    publish(shell, "++--")
    shell.write("leak.py", APP + probe)

    done = shell.bisect("-o", "issue.md", "-o", "issue.html", "-o", "issue.txt", *arguments)

    assert done.returncode == 0, done.stderr
    reader = Reader((shell.folder / "issue.md").read_text(), tmp_path / "reader", shell)
    assert {path.name for path in reader.folder.iterdir()} == {"leak.py", "reproduce.py"}
    for way in ("uv", "pip") if probe == ASSERTION else ("uv",):  # to install pip takes seconds
        for side, code, told in (("demo 1.1 (good)", 0, good), ("demo 1.2 (bad)", 1, bad)):
            shown = reader.paste(side, way)
            assert shown.returncode == code, (way, shown.stdout, shown.stderr)
            assert shown.stdout.rstrip().splitlines()[-1] == told
        for folder in reader.folder.glob("env-*"):
            shutil.rmtree(folder)
    script = (reader.folder / "reproduce.py").read_text()
    assert script.rstrip() in (shell.folder / "issue.txt").read_text()
    assert "Save as reproduce.py: " in (shell.folder / "issue.html").read_text()


COUNTED = """
def probe(server):
    import os
    with open(os.environ["DIARY"], "a+") as runs:
        runs.write("run\\n")
        runs.seek(0)
        number = len(runs.readlines())
    if number % 2 and {pid}:
        os.kill({pid}, 9)
    assert len(server.client.get("/").content) == 10, "another size"
"""


@pytest.mark.parametrize("pid", ["server.pid", "os.getpid()"], ids=["server", "driver"])
def test_a_search_has_the_same_result_if_each_run_is_killed_once(shell: Shell, pid: str) -> None:
    publish(shell, "++--")

    def searched(pid: str) -> tuple[dict[str, Any], int]:
        shell.write("leak.py", APP + COUNTED.format(pid=pid))
        shell.diary.unlink(missing_ok=True)
        report: dict[str, Any] = shell.report("--confirm", "1", "--no-culprit")
        return report, len(shell.diary.read_text().splitlines())

    undisturbed, runs = searched("0")
    disturbed, attempts = searched(pid)

    assert attempts == 2 * runs
    for part in ("headline", "affected"):
        assert disturbed[part] == undisturbed[part]
    told = [(row["version"], row["verdict"]) for row in undisturbed["rows"]]
    assert [(row["version"], row["verdict"]) for row in disturbed["rows"]] == told
    kills = [
        f"a run on {label} was killed (SIGKILL) by something else, such as the kernel when memory runs out; "
        "it was made again"
        for label, verdict in told
    ]
    assert sorted(disturbed["notes"]) == kills
