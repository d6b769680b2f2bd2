"""Which level of the sandbox a machine has, what is said of less, and what a run may not read."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.processes import PATIENCE_S
from support.sandboxes import sandbox

from bisect_asgi.backend.process import sandbox_kept
from bisect_asgi.backend.process.sandbox import Sandbox
from bisect_asgi.core.errors import Unavailable, UsageError
from bisect_asgi.core.model import Confinement, SandboxLevel

AUTO, STRONG, BASIC, NONE = SandboxLevel


def machine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, reasons: Mapping[tuple[SandboxLevel, bool], str]
) -> Sandbox:
    """A machine on which trials end as they do in `reasons`: a level, and with or without a network."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Sandbox, "_try", lambda _, level, *, network: reasons.get((level, network), ""))
    return Sandbox(folder)


NO_NAMESPACES = {(STRONG, True): "unshare: Operation not permitted"}
NO_LANDLOCK = {**NO_NAMESPACES, (BASIC, True): "the kernel has no Landlock, or it is switched off"}
NO_NETWORK = {(STRONG, False): "unshare: Operation not permitted"}


@pytest.mark.parametrize(
    ("reasons", "asked", "level"),
    [
        pytest.param({}, Confinement(), STRONG, id="all-there-is"),
        pytest.param({}, Confinement(level=BASIC), BASIC, id="less-by-name"),
        pytest.param({}, Confinement(level=NONE), NONE, id="none-by-name"),
        pytest.param({}, Confinement(network=False), STRONG, id="no-network"),
        pytest.param(NO_NAMESPACES, Confinement(), BASIC, id="no-namespaces"),
        pytest.param(NO_LANDLOCK, Confinement(), NONE, id="nothing"),
    ],
)
def test_the_strongest_level_is_taken_or_the_one_that_was_asked_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reasons: Mapping[tuple[SandboxLevel, bool], str],
    asked: Confinement,
    level: SandboxLevel,
) -> None:
    assert machine(tmp_path, monkeypatch, reasons).level(asked) is level


@pytest.mark.parametrize(
    ("reasons", "asked", "message"),
    [
        pytest.param(
            NO_NAMESPACES,
            Confinement(level=STRONG),
            "`--sandbox strong` cannot be had on this machine: unshare: Operation not permitted",
            id="strong",
        ),
        pytest.param(
            NO_LANDLOCK,
            Confinement(level=BASIC),
            "`--sandbox basic` cannot be had on this machine: "
            "the kernel has no Landlock, or it is switched off",
            id="basic",
        ),
        pytest.param(
            NO_NAMESPACES,
            Confinement(network=False),
            "`--no-network` cannot be had on this machine: unshare: Operation not permitted",
            id="network-without-namespaces",
        ),
        pytest.param(
            NO_NETWORK,
            Confinement(network=False),
            "`--no-network` cannot be had on this machine: unshare: Operation not permitted",
            id="network",
        ),
    ],
)
def test_what_was_asked_for_by_name_and_cannot_be_had_is_an_error_with_a_hint(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reasons: Mapping[tuple[SandboxLevel, bool], str],
    asked: Confinement,
    message: str,
) -> None:
    with pytest.raises(Unavailable) as caught:
        machine(tmp_path, monkeypatch, reasons).level(asked)

    assert str(caught.value) == message
    assert "bisect-asgi doctor" in str(caught.value.hint)


@pytest.mark.parametrize("level", [BASIC, NONE])
def test_a_level_that_leaves_the_network_is_no_fault_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: SandboxLevel
) -> None:
    with pytest.raises(UsageError) as caught:
        machine(tmp_path, monkeypatch, {}).level(Confinement(level=level, network=False))

    assert str(caught.value) == f"`--no-network` needs `--sandbox strong`, not `{level}`"
    assert "`--sandbox strong`" in str(caught.value.hint)


def test_elsewhere_than_on_linux_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    found = Sandbox(tmp_path).found()

    assert found.level is NONE
    assert next(found.notes()) == "`--sandbox strong` cannot be had: it needs Linux"


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")
def test_this_machine_is_tried_for_real_and_the_trial_leaves_nothing() -> None:
    found = sandbox().found()

    assert found.level in (STRONG, BASIC, NONE)
    assert os.listdir(sandbox()._cache / "runs") == []
    assert (found.level is STRONG) == (not found.reasons)


def test_secrets_of_the_cache_and_of_the_home_are_hidden_if_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, cache = tmp_path / "home", tmp_path / "cache"
    for folder in (
        home / ".ssh",
        home / ".config/uv",
        cache / "uv-1",
        cache / "logs",
        cache / "environments",
    ):
        folder.mkdir(parents=True)
    for file in (cache / "store.db", cache / "store.db-wal", home / "real-netrc", home / "elsewhere.toml"):
        file.write_text("")
    (home / ".netrc").symlink_to("real-netrc")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("UV_CONFIG_FILE", str(home / "elsewhere.toml"))

    rules = machine(cache, monkeypatch, {}).rules(Confinement(), tmp_path / "box")

    assert rules is not None
    found = {path.removeprefix(f"{tmp_path}/") for path in rules["secrets"] if path.startswith(str(tmp_path))}  # type: ignore[attr-defined]
    assert found == {
        *("home/.ssh", "home/.config/uv", "home/real-netrc", "home/elsewhere.toml"),
        *("cache/uv-1", "cache/logs", "cache/store.db", "cache/store.db-wal"),
    }
    assert rules["protected"] == [os.getpid(), os.getpgrp()]


def test_a_trial_that_nobody_waited_for_leaves_nothing(tmp_path: Path) -> None:
    begun = Sandbox(tmp_path)
    begun.begin()

    begun.close()

    assert not (tmp_path / "runs").exists() or os.listdir(tmp_path / "runs") == []


@pytest.mark.parametrize("moment", ["before its thread is made", "before its thread runs"])
def test_an_interrupt_while_it_begins_leaves_nothing_to_wait_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    if moment == "before its thread is made":
        monkeypatch.setattr(sandbox_kept, "recall", interrupt)
    else:
        monkeypatch.setattr(threading.Thread, "start", interrupt)
    begun = Sandbox(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        begun.begin()
    monkeypatch.undo()
    closing = threading.Thread(target=begun.close, daemon=True)

    closing.start()
    closing.join(PATIENCE_S)

    assert not closing.is_alive()


# --- What another command found out


class Trials:
    """Counts the trials of a machine, which end as it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reasons: dict[tuple[SandboxLevel, bool], str] = {}
        self.made: list[tuple[SandboxLevel, bool]] = []

        def attempt(_: Sandbox, level: SandboxLevel, *, network: bool) -> str:
            self.made.append((level, network))
            return self.reasons.get((level, network), "")

        monkeypatch.setattr(Sandbox, "_try", attempt)


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> Trials:
    return Trials(monkeypatch)


linux = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox needs Linux")


@linux
def test_the_strongest_level_is_tried_once_for_all_commands(tmp_path: Path, trials: Trials) -> None:
    first = Sandbox(tmp_path).found()
    tried = len(trials.made)

    assert Sandbox(tmp_path).found() == first
    assert len(trials.made) == tried


@linux
@pytest.mark.parametrize("reasons", [NO_NAMESPACES, NO_LANDLOCK, NO_NETWORK])
def test_less_than_all_is_tried_by_each_command(
    tmp_path: Path, trials: Trials, reasons: Mapping[tuple[SandboxLevel, bool], str]
) -> None:
    trials.reasons |= reasons
    less = Sandbox(tmp_path).found()
    trials.reasons.clear()

    assert less.level is not STRONG or less.network_fault
    assert Sandbox(tmp_path).found().level is STRONG


@linux
def test_a_run_that_is_not_confined_as_remembered_ends_the_command_and_the_next_one_takes_less(
    tmp_path: Path, trials: Trials
) -> None:
    Sandbox(tmp_path).found()
    trials.reasons |= NO_NAMESPACES
    remembering = Sandbox(tmp_path)
    remembering.level(Confinement())

    with pytest.raises(Unavailable) as caught:
        remembering.doubt()

    assert "`strong`" in str(caught.value)
    assert NO_NAMESPACES[STRONG, True] in str(caught.value)
    assert "run the same command again" in str(caught.value.hint)
    assert Sandbox(tmp_path).level(Confinement()) is BASIC


@linux
def test_a_run_that_failed_for_another_reason_leaves_the_level(tmp_path: Path, trials: Trials) -> None:
    Sandbox(tmp_path).found()
    remembering = Sandbox(tmp_path)
    remembering.level(Confinement())
    trials.made.clear()

    remembering.doubt()
    remembering.doubt()

    assert trials.made == [(STRONG, True), (STRONG, False)]
    assert remembering.level(Confinement()) is STRONG


@linux
def test_what_this_command_has_tried_is_not_in_doubt(tmp_path: Path, trials: Trials) -> None:
    trying = Sandbox(tmp_path)
    trying.found()
    trials.reasons |= NO_NAMESPACES

    trying.doubt()

    assert trying.level(Confinement()) is STRONG


@linux
def test_who_asks_what_the_machine_has_gets_no_memory(tmp_path: Path, trials: Trials) -> None:
    Sandbox(tmp_path).found()
    trials.reasons |= NO_NAMESPACES

    assert Sandbox(tmp_path).try_anew().level is BASIC
