"""Searches on an index with a password, behind a proxy with one: nothing of either is shown or kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.local_index import LocalIndex, publish_build_backend
from support.proxies import LocalProxy
from support.shell import PYTHON, Command

SECRETS = ("hunter2", "sesame")
PROBE = """\
import os, sys

import demo

print(sorted(os.environ.items()))
sys.exit(0 if demo.works else 1)
"""


@pytest.fixture
def proxy() -> Iterator[LocalProxy]:
    with LocalProxy(credentials=("me", "sesame")) as found:
        yield found


@pytest.fixture
def private(command: Command, proxy: LocalProxy) -> Command:
    """The command, on an index with a password; all of its releases have to be built."""
    command.index.credentials = ("me", "hunter2")
    publish_build_backend(command.index, "1.0", uploaded="2020-01-01")
    for minor, works in enumerate((True, True, False, False)):
        modules = {"demo.py": f"works = {works}\n"}
        uploaded = f"2021-0{minor + 1}-01"
        command.index.add_sdist("demo", f"1.{minor}", uploaded=uploaded, modules=modules)
    command.write("leak.py", PROBE)
    command.environ |= {"HTTP_PROXY": proxy.address}
    return command


def in_a_netrc(command: Command) -> None:
    path = command.write("a-netrc", "machine 127.0.0.1 login me password hunter2\n")
    command.environ |= {"NETRC": str(path)}


def in_variables(command: Command) -> None:
    command.environ |= {
        "UV_DEFAULT_INDEX": f"corp={command.index.url}",
        "UV_INDEX_CORP_USERNAME": "me",
        "UV_INDEX_CORP_PASSWORD": "hunter2",
    }


def in_the_keyring(command: Command) -> None:
    folder = command.folder / "bin"
    folder.mkdir()
    (folder / "keyring").write_text("#!/bin/sh\n[ $3 = me ] && echo hunter2\n")
    (folder / "keyring").chmod(0o755)
    command.environ |= {
        "PATH": f"{folder}:{command.environ['PATH']}",
        "UV_DEFAULT_INDEX": command.index.url.replace("://", "://me@"),
        "UV_KEYRING_PROVIDER": "subprocess",
    }


@pytest.mark.parametrize("configure", [in_a_netrc, in_variables, in_the_keyring])
def test_releases_are_built_and_searched_and_no_secret_is_left(
    private: Command, proxy: LocalProxy, configure: object
) -> None:
    assert callable(configure)
    configure(private)
    arguments = ("demo", "--probe", "leak.py", "--python", PYTHON, "--jobs", "1", "--history", "none")

    document = private.document(*arguments)
    shown = private.run(*arguments, "--verbose", "--fresh")

    assert (document["exit_code"], document["last"], document["first"]) == (0, "1.1", "1.2")
    assert proxy.asked
    everything = str(document) + shown.stdout + shown.stderr
    assert [secret for secret in SECRETS if secret in everything] == []
    known = [private.folder / "a-netrc", private.folder / "bin"]
    left = [
        path for path in private.folder.rglob("*") if path.is_file() and not {path, path.parent} & set(known)
    ]
    assert [path for path in left if any(secret.encode() in path.read_bytes() for secret in SECRETS)] == []


def test_a_wrong_password_ends_the_search_with_its_place(private: Command) -> None:
    private.environ |= {"UV_DEFAULT_INDEX": private.index.url.replace("://", "://me:mistyped@")}

    done = private.run("demo", "--probe", "leak.py")

    assert done.returncode == 6
    assert done.stderr.endswith(
        "error: the package index refused the credentials from the address: "
        f"`{private.index.url}/demo/` (401 Unauthorized)\n\n"
        "hint: correct them, or ask for access to the index\n"
    )
    assert "mistyped" not in done.stdout + done.stderr


def test_a_proxy_that_is_not_there_ends_the_search_with_its_address(private: Command) -> None:
    with LocalProxy() as gone:
        address = gone.host
    private.environ |= {"HTTP_PROXY": f"http://me:sesame@{address}"}

    done = private.run("demo", "--probe", "leak.py")

    assert done.returncode == 6
    assert f"error: the proxy cannot be reached: `http://{address}` (" in done.stderr
    assert "sesame" not in done.stdout + done.stderr


def test_a_password_in_a_log_is_none(local_index: LocalIndex, private: Command) -> None:
    """A build that prints its variables has no proxy's password to print."""
    source = "import os\n\ndef get_requires_for_build_wheel(c=None):\n    return []\n\n"
    source += "def build_wheel(*a, **k):\n    raise RuntimeError(sorted(os.environ.items()))\n"
    local_index.add_wheel("printing", "1.0", uploaded="2020-01-01", modules={"printing.py": source})
    local_index.add_sdist(
        "other", "1.0", uploaded="2021-01-01", build_requires=("printing",), backend="printing"
    )
    in_a_netrc(private)

    done = private.run("check", "other==1.0", "--probe", "leak.py", "--python", PYTHON, "--verbose")

    assert done.returncode == 125, done.stderr
    assert "RuntimeError" in done.stdout
    assert [secret for secret in SECRETS if secret in done.stdout + done.stderr] == []
