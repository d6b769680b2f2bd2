"""`--offline`: a search on what is cached."""

from __future__ import annotations

import pytest
from support.shell import PYTHON, Command, publish, told

ARGUMENTS = ("demo", "--probe", "probe.py", "--python", PYTHON, "--jobs", "1", "--history", "none")


@pytest.fixture
def offline(command: Command) -> Command:
    """The command after one search on an index that has gone since, and another probe."""
    publish(command.index, "++--", requires=["dep"])
    command.index.add_wheel("dep", "1.0", uploaded="2020-01-01")
    command.write("probe.py", "import demo\nassert demo.works\n")
    assert command.document(*ARGUMENTS)["first"] == "1.2"
    command.index.down = True
    command.index.requests.clear()
    command.write("probe.py", "import demo, dep\nassert demo.works, 'another probe'\n")
    return command


@pytest.mark.parametrize("how", [("--offline",), ()])
def test_another_probe_is_searched_on_what_is_cached(offline: Command, how: tuple[str, ...]) -> None:
    if not how:
        offline.environ["UV_OFFLINE"] = "1"

    document = offline.document(*ARGUMENTS, *how)

    assert (document["exit_code"], document["last"], document["first"]) == (0, "1.1", "1.2")
    assert offline.index.requests == []


def test_without_anything_cached_it_says_so_once(offline: Command) -> None:
    offline.environ["BISECT_ASGI_CACHE_DIR"] = str(offline.folder / "another")

    done = offline.run(*ARGUMENTS, "--offline")

    assert done.returncode == 6
    assert done.stderr.endswith(
        told(
            "the releases of `demo` are not cached, and the network is off (`--offline`)",
            "run the same command once without `--offline`, and without `UV_OFFLINE`",
        )
    )
    assert offline.index.requests == []


def test_a_release_that_is_not_cached_is_named(offline: Command) -> None:
    offline.index.down = False
    offline.run("releases", "demo")
    publish(offline.index, "++---")
    offline.run("releases", "demo")

    done = offline.run("check", "demo==1.4", "--probe", "probe.py", "--python", PYTHON, "--offline")

    assert done.returncode == 134
    assert "`demo" in done.stderr
    assert "not cached, and the network is off (`--offline`)" in done.stderr


def test_the_search_goes_around_what_is_not_cached(command: Command) -> None:
    publish(command.index, "++++----")
    command.write("probe.py", "import demo\nassert demo.works\n")
    for version in ("1.0", "1.3", "1.5", "1.7"):
        command.run("check", f"demo=={version}", *ARGUMENTS[1:5])
    command.index.down = True

    done = command.run(*ARGUMENTS, "--offline")

    assert done.returncode == 6
    assert "1.3 good, cached" in done.stderr
    assert "1.5 bad" in done.stderr
    assert "error: no result for demo 1.4: `demo==1.4` is not cached" in done.stderr
    assert "hint: run the same command once without `--offline`, and without `UV_OFFLINE`" in done.stderr


def test_the_doctor_does_not_ask_either(offline: Command) -> None:
    done = offline.run("doctor", "--offline")

    assert done.returncode == 0, done.stderr
    assert " off " in done.stdout
    assert offline.index.requests == []
