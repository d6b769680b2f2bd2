"""Servers that do not get ready, and what is said of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.served import HELLO, PASSES, left_behind, network, observe, served, shown

from bisect_asgi.backend.environments import Environment
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.judge import signature
from bisect_asgi.core.model import (
    FailureKind,
    Outcome,
    Phase,
)

# --- Servers that do not get ready


@network
def test_an_app_that_raises_while_it_is_imported_fails_in_the_import(
    served_by: Environment, runs: Path
) -> None:
    code = (
        "def app():\n    return load_settings()\n\ndef load_settings():\n    raise KeyError('DSN')\n" + PASSES
    )

    seen = observe(served(code), served_by, runs)

    assert seen.signature == signature.of_exception(
        "KeyError",
        "'DSN'",
        phase=Phase.IMPORT,
        frames=[("leak.py", 5, "load_settings")],
        probe_files={"leak.py": b""},
    )
    assert (seen.outcome, seen.phase) == (Outcome.FAILED, Phase.IMPORT)
    assert [(Path(file).name, line, name) for file, line, name in seen.frames][-2:] == [
        ("leak.py", 2, "app"),
        ("leak.py", 5, "load_settings"),
    ]
    assert "Traceback (most recent call last)" in seen.output_tail
    assert "KeyError: 'DSN'" in seen.output_tail
    assert left_behind(runs) == []


@network
def test_a_package_that_is_not_there_fails_in_the_import(served_by: Environment, runs: Path) -> None:
    seen = observe(served("def app():\n    import starlette\n" + PASSES), served_by, runs)

    assert shown(seen) == (
        Outcome.FAILED,
        Phase.IMPORT,
        "ModuleNotFoundError: No module named 'starlette'",
    )


@network
def test_a_lifespan_that_fails_fails_in_the_startup_with_its_traceback_in_the_output(
    served_by: Environment, runs: Path
) -> None:
    code = """
async def app(scope, receive, send):
    raise RuntimeError("no database")
"""
    seen = observe(served(code + PASSES, options={"lifespan": "on"}), served_by, runs)

    assert (seen.outcome, seen.phase) == (Outcome.FAILED, Phase.STARTUP)
    assert seen.signature is not None
    assert seen.signature.shown.endswith(" before it was ready; server: RuntimeError: no database")
    assert "RuntimeError: no database" in seen.output_tail
    assert left_behind(runs) == []


@network
@pytest.mark.parametrize("message", ["no database", "no broker"])
def test_a_lifespan_that_reports_its_traceback_is_told_by_it(
    served_by: Environment, runs: Path, message: str
) -> None:
    code = f"""
import traceback

async def app(scope, receive, send):
    await receive()
    try:
        raise RuntimeError("{message}")
    except RuntimeError:
        await send({{"type": "lifespan.startup.failed", "message": traceback.format_exc()}})
"""
    seen = observe(served(code + PASSES, options={"lifespan": "on"}), served_by, runs)

    assert seen.signature is not None
    assert seen.signature.shown.endswith(f"; server: RuntimeError: {message}")
    assert f"server: RuntimeError: {message} at ./leak.py in app" in seen.signature.text


@network
def test_an_option_that_this_uvicorn_does_not_have_fails_in_the_startup(
    served_by: Environment, runs: Path
) -> None:
    seen = observe(served(HELLO + PASSES, options={"no_such_option": 1}), served_by, runs)

    assert (seen.outcome, seen.phase) == (Outcome.FAILED, Phase.STARTUP)
    assert seen.signature is not None
    assert seen.signature.kind is FailureKind.EXCEPTION
    assert "TypeError" in seen.signature.shown
    assert "no_such_option" in seen.signature.shown


@network
def test_options_reach_uvicorn(served_by: Environment, runs: Path) -> None:
    code = "\ndef probe(server):\n    assert server.client.get('/').headers['server'] == 'mine'\n"
    options: dict[str, str | int | float | bool | None] = {"server_header": False, "http": "h11"}

    seen = observe(served(HELLO + code, options=options), served_by, runs)

    assert shown(seen) == (Outcome.FAILED, Phase.DRIVE, "KeyError: 'server'")


@network
def test_a_startup_that_hangs_is_a_time_out_with_its_stacks(served_by: Environment, runs: Path) -> None:
    code = """
import asyncio

async def opens_the_database():
    await asyncio.Event().wait()

async def app(scope, receive, send):
    await startup()

async def startup():
    await opens_the_database()
"""
    seen = observe(served(code + PASSES, options={"lifespan": "on"}, startup_s=1.5), served_by, runs)

    outcome, phase, failure = shown(seen)
    assert (outcome, phase) == (Outcome.FAILED, Phase.STARTUP)
    assert re.sub(r"\d+\)", "…)", failure or "") == (
        "TimeoutError: the app was not ready within 1.5 s; server in wait (locks.py:…), called from leak.py:5"
    )
    assert "in opens_the_database" in seen.stacks
    assert left_behind(runs) == []


@network
def test_an_import_that_hangs_is_a_time_out(served_by: Environment, runs: Path) -> None:
    code = "def app():\n    import threading\n    threading.Event().wait()\n"

    seen = observe(served(code + PASSES, startup_s=1), served_by, runs)

    assert shown(seen) == (Outcome.FAILED, Phase.IMPORT, "TimeoutError: the app was not ready within 1 s")
    assert left_behind(runs) == []


@network
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param(
            "import no_such_package\n" + HELLO + PASSES,
            "ModuleNotFoundError: No module named 'no_such_package'",
            id="needs-the-package-under-test",
        ),
        pytest.param("1 / 0\n" + HELLO + PASSES, "ZeroDivisionError: division by zero", id="raises"),
    ],
)
def test_a_driver_half_that_does_not_load_is_said_whole(
    served_by: Environment, runs: Path, code: str, reason: str
) -> None:
    with pytest.raises(UsageError) as caught:
        observe(served(code), served_by, runs)

    assert str(caught.value) == f"the driver half of `leak.py` does not load: {reason}"
    assert caught.value.hint == (
        "it is imported without the package under test: import what the app needs inside the "
        "function that makes it"
    )
    assert list(runs.iterdir()) == []
