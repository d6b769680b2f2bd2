"""Kill processes of searches at random: the answer must be the same, and nothing lost or left.

    make soak                                 # 200 kills
    python benchmarks/soak.py --kills 20 --seed 3

A round is a search over made-up releases on an index of this machine, by one command or by two that share a
cache. The probe is a script or a served app, or a dependency of the releases has to be built. Meanwhile
processes are killed with SIGKILL: the command, its fork server, a supervisor, uv, a process that uv runs, the
process of the probe, or the driver and the server of a served probe. The depth in the process tree is chosen
first, each depth equally often. The killer then waits for a process at that depth, into the next rounds if
needed, because most of the time the command is the only process. A command that was killed is started again,
as its user would do. At the end, the commands must have the same results as without kills. No process and no
temporary file may be left.

Two processes of a probe are spared. The process that the script itself starts is one: its end is what the
script reports. The other is a run that repeats a killed one, because a second kill counts as a failure.

The number of stored observations is not compared: a search that continues knows more than one that begins,
and so runs other candidates. Instead, the event logs of all commands are compared with the store. Each
observation that a command reported is stored, once. Before a command made an observation, it knew all stored
ones of that environment, so that it repeated no run.
"""

from __future__ import annotations

import argparse
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.local_index import LocalIndex, publish_build_backend
from support.processes import eventually
from support.shell import PYTHON, Shell, publish

from bisect_asgi.core import codec
from bisect_asgi.core.events import Event, StageEvent, TrialFinished
from bisect_asgi.core.model import Observation, Outcome
from bisect_asgi.report.log import read

_LONGEST_S = 900.0
"""How long a search may take on a busy machine."""
_DEEPEST, _POLL_S = 4, 0.01
HISTORIES = ("+++++---", "---++++++++", "++x+x---", "------++", "+++++++++++-")
SCRIPT = """\
import subprocess, sys
import demo
subprocess.run([sys.executable, "-c", "import time; time.sleep(0.05)"], check=True)
assert demo.works, "it does not work"
"""
APP = """\
async def app(scope, receive, send):
    import demo
    if scope["type"] == "http":
        status = 200 if demo.works else 500
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

def probe(server):
    assert server.client.get("/").status_code == 200, "it does not work"
"""
SERVER = ("uvicorn==0.17.6", "h11==0.13.0", "click==8.1.3", "asgiref==3.5.2")
COMMAND = ("demo", "--probe", "probe.py", "--python", PYTHON, "--jobs", "1", "--history", "none", "--quiet")
SERVED = ("--with", SERVER[0], "--uvicorn", "lifespan=off")


_OF_A_RUN = re.compile(r"/runs/(\d+)-(\d+)/")
"""In the working directory of all processes of a run: the command's process number, and the run's number."""

WAYS = ("script", "served", "built")
"""A script or an app as the probe, or a script on releases whose dependency has to be built."""


class Kind(NamedTuple):
    """What a round searches, and in which of the ways."""

    history: str
    way: str


class Round:
    """A search in a directory of its own, and its expected result."""

    def __init__(self, index: LocalIndex, folder: Path, kind: Kind) -> None:
        folder.mkdir()
        self.shell = Shell(index, folder)
        is_served = kind.way == "served"
        self.shell.write("probe.py", APP if is_served else SCRIPT)
        self.command = (*COMMAND, *(SERVED if is_served else ()))

    def start(self) -> subprocess.Popen[str]:
        """Start the command."""
        return self.shell.start(*self.command)

    def wrong(self) -> str:
        """Return what the logs and the store do not agree on, or an empty text."""
        logs = sorted((self.shell.cache / "logs").glob("*.jsonl"))
        told = [list(made_known(read(log))) for log in logs if log.stat().st_size]
        with closing(sqlite3.connect(self.shell.cache / "store.db")) as store:
            kept: dict[str, list[Observation]] = defaultdict(list)
            for key, value in store.execute("select key, value from observation order by key, place"):
                kept[key].append(codec.from_json(value, Observation))
        return disagreement(told, list(kept.values()))

    def left(self) -> list[str]:
        """Return what is left behind: processes that run in the directory, and temporary files there."""
        running = [
            " ".join(process.cmdline())
            for process in psutil.process_iter()
            if process.pid != psutil.Process().pid and str(self.shell.folder) in _environ(process)
        ]
        return running + [str(path) for path in self.shell.folder.glob("tmp*")]


class Told(NamedTuple):
    """What a command told of one trial: how many of its observations were made before, and all of them."""

    environment: str
    remembered: int
    observations: tuple[Observation, ...]


def made_known(events: Iterable[Event]) -> Iterator[Told]:
    """Yield what a command told of its trials, whichever search they were for."""
    for event in events:
        inner = event.event if isinstance(event, StageEvent) else event
        if isinstance(inner, TrialFinished) and inner.trial.environment:
            trial = inner.trial
            seen = tuple(each for each in trial.observations if each.outcome is not Outcome.ERROR)
            yield Told(trial.environment.digest, trial.remembered, seen)


def disagreement(told: Sequence[Sequence[Told]], kept: Sequence[Sequence[Observation]]) -> str:
    """Return which observations were lost or made twice, or an empty text.

    Args:
        told: the observations that each command reported, in the order of its events.
        kept: the stored observations of each environment, in the order in which they were made.
    """
    place = {_name(each): (rows, number) for rows in kept for number, each in enumerate(rows)}
    if len(place) != sum(map(len, kept)):
        return "an observation is kept twice"
    for trials in told:
        known: set[str] = set()
        for trial in trials:
            known |= set(map(_name, trial.observations))
            for made in trial.observations[trial.remembered :]:
                if _name(made) not in place:
                    return f"lost {made}"
                rows, number = place[_name(made)]
                if unused := [each for each in rows[:number] if _name(each) not in known]:
                    return f"made {made} although {unused[0]} was there"
    return ""


def _name(observation: Observation) -> str:
    """Return what tells an observation from every other one: its times are to the nanosecond."""
    return codec.digest(observation)


def _environ(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.environ().get("HOME", "")
    return ""


class Killer:
    """Kills one process after the other, at depths that are chosen before it looks for processes.

    Args:
        kills: the number of processes to kill.
        chance: the source of the random choices.
        depth: that of the first process; None for a random one.
    """

    def __init__(self, kills: int, chance: random.Random, *, depth: int | None = None) -> None:
        self.left = kills
        self.killed: Counter[str] = Counter()
        self._chance = chance
        self._spared: set[tuple[int, int]] = set()
        self._depth = chance.randrange(_DEEPEST + 1) if depth is None else depth

    def kill_one(self, running: list[subprocess.Popen[str]]) -> bool:
        """Wait for a process at the chosen depth of those commands and kill it; False if all have ended."""
        while tree := _tree(running):
            found = [process for process, depth in tree if depth == self._depth and not self.spares(process)]
            if not found:
                time.sleep(_POLL_S)
                continue
            victim = self._chance.choice(found)
            with suppress(psutil.Error):
                name, run = f"depth {self._depth}: {_what(victim)}", run_of(victim)
                victim.kill()
                self.killed[name] += 1
                if run:
                    command, number = run
                    self._spared.add((command, number + 1))
                self.left -= 1
                self._depth = self._chance.randrange(_DEEPEST + 1)
                return True
        return False

    def spares(self, process: psutil.Process) -> bool:
        """Return whether the process is of a run that is made again because the one before was killed."""
        return run_of(process) in self._spared


def run_of(process: psutil.Process) -> tuple[int, int] | None:
    """Return the command and the number of the run that the process belongs to, or None."""
    with suppress(psutil.Error):
        if found := _OF_A_RUN.search(process.cwd()):
            return int(found[1]), int(found[2])
    return None


def _what(process: psutil.Process) -> str:
    """Return which part of the tool a process is, or its name."""
    line = " ".join(process.cmdline())
    if _is_script(line):
        return "probe"
    parts = {"supervisor.py": "supervisor", "backend.served": "driver", "bisect_asgi_serve": "server"}
    return next((part for mark, part in parts.items() if mark in line), process.name())


def _is_script(line: str) -> bool:
    return "probe.py" in line and "bisect_asgi" not in line


def _tree(running: list[subprocess.Popen[str]]) -> list[tuple[psutil.Process, int]]:
    """Return the processes of those commands, but those that the script starts, each with its depth."""
    tree = [(process, 0) for each in running if each.poll() is None for process in _alive(each.pid)]
    for process, _ in list(tree):
        with suppress(psutil.Error):
            below = process.children(recursive=True)
            tree.extend((child, _depth(child, process)) for child in below if not _is_of_the_probe(child))
    return tree


def _is_of_the_probe(process: psutil.Process) -> bool:
    """Return whether the probe's script has started the process."""
    with suppress(psutil.Error):
        return any(_is_script(" ".join(parent.cmdline())) for parent in process.parents()[:1])
    return False


def _alive(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return [psutil.Process(pid)]
    return []


def _depth(process: psutil.Process, top: psutil.Process) -> int:
    with suppress(psutil.Error, ValueError):  # its parents may have been killed meanwhile
        return [parent.pid for parent in process.parents()].index(top.pid) + 1
    return 1


def disturbed(one: Round, commands: int, kills: int, chance: random.Random, killer: Killer) -> list[str]:
    """Run so many commands while processes of theirs are killed; return what they said in the end."""
    running = [one.start() for _ in range(commands)]
    said: list[str] = []
    while running:
        if kills and killer.left:
            time.sleep(chance.uniform(0, 2))  # the kill is to hit a random moment of the search
            kills -= killer.kill_one(running)
        is_over = not (kills and killer.left)
        for process in [each for each in running if is_over or each.poll() is not None]:
            running.remove(process)
            stdout, stderr = process.communicate(timeout=_LONGEST_S)
            if process.returncode < 0 or "was killed" in stderr:  # we killed it, so it is started again
                running.append(one.start())
            else:
                said.append(stdout or stderr)
            assert "Traceback" not in stderr, stderr
    return said


def main() -> int:
    """Run rounds until so many processes were killed; return 1 if a round came to something else."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--kills", type=int, default=200)
    options.add_argument("--seed", type=int, default=0)
    wanted = options.parse_args()
    chance, faults = random.Random(wanted.seed), 0
    killer = Killer(wanted.kills, chance)
    kinds = [Kind(history, way) for history in HISTORIES for way in WAYS]
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        server = _server(Path(folder, "wheels"))
        references = {kind: _undisturbed(kind, server, Path(folder)) for kind in kinds}
        number = 0
        while killer.left:
            number += 1
            kind, commands = chance.choice(kinds), chance.choice([1, 1, 2])
            with _index(kind, server) as index:
                one = Round(index, Path(folder) / str(number), kind)
                said = disturbed(one, commands, chance.randint(1, 5), chance, killer)
                wrong = _wrong(one, said, references[kind])
            faults += bool(wrong)
            what = f"{kind.history:14} {kind.way} {commands}"
            print(f"{killer.killed.total():4} {what} {wrong or 'as undisturbed'}", flush=True)
    print(
        *(f"{count:4} {what}" for what, count in sorted(killer.killed.items())), f"{faults} faults", sep="\n"
    )
    return 1 if faults else 0


def _server(folder: Path) -> list[Path]:
    """Download what serves an app, from the index that pip is configured for."""
    how = ("--quiet", "--no-deps", "--disable-pip-version-check", "--dest", str(folder))
    subprocess.run([sys.executable, "-m", "pip", "download", *how, *SERVER], check=True)
    return sorted(folder.iterdir())


@contextmanager
def _index(kind: Kind, server: Sequence[Path]) -> Iterator[LocalIndex]:
    with LocalIndex() as index:
        publish(index, kind.history, requires=("source",) if kind.way == "built" else ())
        publish_build_backend(index, "1.0", "2020-01-01")
        for minor in range(len(kind.history)):  # each release requires another version, which has to be built
            index.add_sdist("source", f"1.{minor}", uploaded=f"2021-{minor + 1:02}-01")
        for wheel in server:
            index.add_file(
                wheel.name.partition("-")[0], wheel.name, wheel.read_bytes(), uploaded="2020-01-01"
            )
        yield index


def _undisturbed(kind: Kind, server: Sequence[Path], folder: Path) -> str:
    with _index(kind, server) as index:
        one = Round(index, folder / f"undisturbed-{kind.history}-{kind.way}", kind)
        stdout, stderr = one.start().communicate(timeout=_LONGEST_S)
        assert stdout, stderr
        assert not one.wrong(), one.wrong()
        return stdout


def _wrong(one: Round, said: list[str], answer: str) -> str:
    """Return what is not as undisturbed, or an empty text."""
    if others := [each for each in said if each != answer]:
        return f"said {others[0]!r}, not {answer!r}"
    if wrong := one.wrong():
        return wrong
    with suppress(AssertionError):
        eventually(lambda: not one.left())
    return f"left {one.left()}" if one.left() else ""


if __name__ == "__main__":
    sys.exit(main())
