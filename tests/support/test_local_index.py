"""The local index is believed by real uv and by httpx: what it serves resolves, builds and installs."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from typing import Literal

import httpx
import pytest

from support.local_index import HTML_TYPE, JSON_TYPE, LocalIndex, publish_build_backend

UV = Path(sys.executable).with_name("uv")


class Uv:
    """Runs uv against one index, with a cache and a home of its own."""

    def __init__(self, index: LocalIndex, folder: Path) -> None:
        self.index = index
        self.folder = folder

    def run(self, *arguments: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        clean = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "UV_NO_CONFIG": "1", **env}
        return subprocess.run(
            [UV, *arguments, "--no-config", "--cache-dir", str(self.folder / "cache")],
            input=stdin,
            env=clean,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def compile(
        self, requirements: str, *options: str, exclude_newer: str | None = "2024-01-01T00:00:00Z", **env: str
    ) -> subprocess.CompletedProcess[str]:
        dated = () if exclude_newer is None else ("--exclude-newer", exclude_newer)
        arguments = ["pip", "compile", "-", "--default-index", self.index.url, "--format", "pylock.toml"]
        return self.run(*arguments, "--python", sys.executable, *dated, *options, stdin=requirements, **env)

    def venv(self) -> Path:
        done = self.run("venv", "--python", sys.executable, str(self.folder / "venv"))
        assert done.returncode == 0, done.stderr
        return self.folder / "venv" / "bin" / "python"

    def install(self, python: Path, *requirements: str) -> None:
        target = ["--python", str(python), "--default-index", self.index.url]
        done = self.run("pip", "install", *target, *requirements)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def uv(local_index: LocalIndex, tmp_path: Path) -> Uv:
    return Uv(local_index, tmp_path)


def locked(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The version of each package in the lock that uv wrote."""
    assert done.returncode == 0, done.stderr
    return {package["name"]: package["version"] for package in tomllib.loads(done.stdout)["packages"]}


def output(*command: str | Path) -> str:
    return subprocess.run(command, env={}, capture_output=True, text=True, check=True, timeout=60).stdout


def test_a_resolution_sees_only_what_had_been_uploaded(local_index: LocalIndex, uv: Uv) -> None:
    local_index.add_wheel("dep", "1.0", uploaded="2020-01-01")
    local_index.add_wheel("dep", "2.0", uploaded="2022-01-01T12:00:00+02:00")
    local_index.add_wheel("demo", "1.0", uploaded="2020-01-01", requires=["dep>=1"], requires_python=">=3.6")

    before = uv.compile("demo", exclude_newer="2022-01-01T10:00:00Z")
    after = uv.compile("demo", exclude_newer="2022-01-01T10:00:01Z")

    assert locked(before) == {"demo": "1.0", "dep": "1.0"}
    assert locked(after) == {"demo": "1.0", "dep": "2.0"}


@pytest.mark.parametrize("style", ["json", "html"])
def test_resolving_wheels_fetches_their_metadata_and_not_the_wheels(
    local_index: LocalIndex, uv: Uv, style: Literal["json", "html"]
) -> None:
    local_index.style = style
    wheel = local_index.add_wheel("demo", "1.0", uploaded="2020-01-01")

    lock = tomllib.loads(uv.compile("demo", exclude_newer=None).stdout)

    assert [request.path for request in local_index.requests] == ["/simple/demo/", f"{wheel.path}.metadata"]
    assert lock["packages"][0]["wheels"][0]["hashes"]["sha256"] == hashlib.sha256(wheel.content).hexdigest()


@pytest.mark.parametrize("style", ["json", "html"])
def test_uv_passes_over_yanked_foreign_and_unreadable_files(
    local_index: LocalIndex, uv: Uv, style: Literal["json", "html"]
) -> None:
    local_index.style = style
    local_index.add_wheel("demo", "1.0")
    local_index.add_wheel("demo", "2.0", yanked="loses data")
    local_index.add_wheel("demo", "3.0", requires_python=">=4")
    local_index.add_wheel("demo", "4.0", tag="cp36-cp36m-win32")
    local_index.add_file("demo", "demo-5.0.exe", b"not for uv")
    local_index.add_file("demo", "demo-6.0-py3-none-any.whl", b"not a zip")

    assert locked(uv.compile("demo", exclude_newer=None)) == {"demo": "1.0"}


def test_uv_names_a_wheel_it_cannot_read_when_there_is_no_other(local_index: LocalIndex, uv: Uv) -> None:
    local_index.add_file("demo", "demo-1.1-py3-none-any.whl", b"not a zip", uploaded="2020-01-01")

    done = uv.compile("demo")

    assert done.returncode == 1
    assert "The structure of `demo` (v1.1) was invalid" in done.stderr


def test_the_html_style_has_no_upload_times_so_a_dated_resolution_finds_nothing(
    local_index: LocalIndex, uv: Uv
) -> None:
    local_index.style = "html"
    local_index.add_wheel("demo", "1.0", uploaded="2020-01-01")

    assert locked(uv.compile("demo", exclude_newer=None)) == {"demo": "1.0"}
    assert uv.compile("demo").returncode == 1


def test_a_wheel_installs_with_its_requirements_extras_and_scripts(local_index: LocalIndex, uv: Uv) -> None:
    source = "import dep, more.part\ndef main():\n    print(dep.__version__, more.part.__name__)\n"
    local_index.add_wheel("dep", "1.0")
    local_index.add_wheel("more", "1.0", modules={"more/__init__.py": "", "more/part.py": ""})
    local_index.add_wheel(
        "My.Demo",
        "1.0",
        requires=["dep>=1", "more; extra == 'all'"],
        modules={"my_demo.py": source},
        entry_points={"my-demo": "my_demo:main"},
    )
    python = uv.venv()

    uv.install(python, "my-demo[all]")

    assert output(python.with_name("my-demo")) == "1.0 more.part\n"


def test_an_sdist_builds_and_installs(local_index: LocalIndex, uv: Uv) -> None:
    publish_build_backend(local_index, "1.0", "2020-01-01")
    local_index.add_wheel("dep", "1.0")
    modules = {"my_demo/__init__.py": "from dep import __version__", "my_demo/data.txt": "text"}
    local_index.add_sdist("my-demo", "0.9", requires=["dep>=1"], modules=modules)
    python = uv.venv()

    uv.install(python, "my-demo")

    assert output(python, "-c", "import my_demo; print(my_demo.__version__)") == "1.0\n"
    freeze = uv.run("pip", "freeze", "--python", str(python))
    assert freeze.stdout.split() == ["dep==1.0", "my-demo==0.9"]


def test_a_date_limits_the_build_backend_too(local_index: LocalIndex, uv: Uv) -> None:
    publish_build_backend(local_index, "1.0", "2020-01-01", works=False)
    publish_build_backend(local_index, "2.0", "2022-01-01")
    local_index.add_sdist("demo", "0.9", uploaded="2020-01-01", build_requires=["minibuild>=1"])

    then = uv.compile("demo", exclude_newer="2021-01-01T00:00:00Z")
    now = uv.compile("demo", exclude_newer="2023-01-01T00:00:00Z")

    assert then.returncode != 0
    assert "RuntimeError: minibuild is too old" in then.stderr
    assert locked(now) == {"demo": "0.9"}


def test_an_sdist_with_newer_metadata_resolves_without_being_built(local_index: LocalIndex, uv: Uv) -> None:
    local_index.add_wheel("dep", "1.0", uploaded="2020-01-01")
    local_index.add_sdist(
        "demo", "0.9", uploaded="2020-01-01", requires=["dep"], metadata_version="2.2", backend="absent"
    )

    assert locked(uv.compile("demo")) == {"demo": "0.9", "dep": "1.0"}


def test_uv_revalidates_its_cached_page_by_etag(local_index: LocalIndex, uv: Uv) -> None:
    local_index.etags = True
    local_index.add_wheel("demo", "1.0", uploaded="2020-01-01")
    uv.compile("demo")
    local_index.requests.clear()

    again = uv.compile("demo", "--refresh")

    page = local_index.requests[0]
    assert page.path == "/simple/demo/"
    assert httpx.get(f"{local_index.url}/demo/", headers=page.headers, trust_env=False).status_code == 304
    assert locked(again) == {"demo": "1.0"}


def test_an_etag_is_honoured_until_the_page_changes(local_index: LocalIndex) -> None:
    local_index.etags = True
    local_index.add_wheel("demo", "1.0")
    page = f"{local_index.url}/demo/"
    known = {"If-None-Match": httpx.get(page, trust_env=False).headers["ETag"]}

    unchanged = httpx.get(page, headers=known, trust_env=False)
    local_index.add_wheel("demo", "2.0")
    changed = httpx.get(page, headers=known, trust_env=False)

    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert (changed.status_code, changed.json()["versions"]) == (200, ["1.0", "2.0"])


def test_uv_tries_again_after_a_failure(local_index: LocalIndex, uv: Uv) -> None:
    local_index.add_wheel("demo", "1.0", uploaded="2020-01-01")
    local_index.fail_next(1)

    done = uv.compile("demo", UV_HTTP_RETRIES="1")

    assert locked(done) == {"demo": "1.0"}
    assert [request.path for request in local_index.requests[:2]] == ["/simple/demo/"] * 2


def test_uv_gives_up_on_an_index_that_fails_or_is_down(local_index: LocalIndex, uv: Uv) -> None:
    local_index.add_wheel("demo", "1.0", uploaded="2020-01-01")

    local_index.fail_next(1, status=500)
    failing = uv.compile("demo", UV_HTTP_RETRIES="0")
    local_index.down = True
    down = uv.compile("demo", UV_HTTP_RETRIES="0")
    local_index.down = False

    assert failing.returncode == down.returncode == 2
    assert "500 Internal Server Error" in failing.stderr
    assert "error sending request" in down.stderr
    assert locked(uv.compile("demo")) == {"demo": "1.0"}


def test_the_json_page_says_what_pep_700_asks_for(local_index: LocalIndex) -> None:
    wheel = local_index.add_wheel("demo", "1.0+a", uploaded="2020-01-01", requires_python=">=3.6", yanked="")
    assert wheel.metadata is not None

    page = httpx.get(f"{local_index.url}/demo/", trust_env=False)

    assert page.headers["Content-Type"] == JSON_TYPE
    assert json.loads(page.text) == {
        "meta": {"api-version": "1.1"},
        "name": "demo",
        "versions": ["1.0+a"],
        "files": [
            {
                "filename": "demo-1.0+a-py3-none-any.whl",
                "url": "/files/demo-1.0%2Ba-py3-none-any.whl",
                "hashes": {"sha256": hashlib.sha256(wheel.content).hexdigest()},
                "size": len(wheel.content),
                "yanked": True,
                "upload-time": "2020-01-01T00:00:00.000000Z",
                "requires-python": ">=3.6",
                "core-metadata": {"sha256": hashlib.sha256(wheel.metadata).hexdigest()},
            }
        ],
    }
    assert httpx.get(page.url.join(wheel.path), trust_env=False).content == wheel.content


def test_the_html_page_escapes_its_attributes(local_index: LocalIndex) -> None:
    local_index.style = "html"
    local_index.add_wheel("demo", "1.0", requires_python=">=3.6", yanked='"bad"')

    page = httpx.get(f"{local_index.url}/demo/", trust_env=False)

    assert page.headers["Content-Type"] == HTML_TYPE
    assert 'data-requires-python="&gt;=3.6" data-yanked="&quot;bad&quot;"' in page.text


@pytest.mark.parametrize(
    ("path", "status", "location"),
    [
        pytest.param("/", 200, None, id="all-projects"),
        pytest.param("/my-demo/", 200, None, id="project"),
        pytest.param("/My.Demo/", 301, "/simple/my-demo/", id="other-spelling"),
        pytest.param("/my-demo", 301, "/simple/my-demo/", id="no-slash"),
        pytest.param("/absent/", 404, None, id="absent-project"),
        pytest.param("/../files/absent.whl", 404, None, id="absent-file"),
    ],
)
def test_pages_are_where_pypi_has_them(
    local_index: LocalIndex, path: str, status: int, location: str | None
) -> None:
    local_index.add_wheel("My_Demo", "1.0")

    answer = httpx.get(local_index.url + path, trust_env=False)

    assert (answer.status_code, answer.headers.get("Location")) == (status, location)


def test_leaving_waits_for_no_client_and_leaves_no_thread() -> None:
    before = threading.active_count()

    with LocalIndex() as index:
        port = httpx.URL(index.url).port
        silent = socket.create_connection(("127.0.0.1", port))
        assert httpx.get(index.url, follow_redirects=True, trust_env=False).status_code == 200

    assert silent.recv(1) == b""
    silent.close()
    assert threading.active_count() == before
