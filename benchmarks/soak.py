"""Kill processes of searches at random: the answer must be the same, and nothing lost or left.

    make soak                                 # 200 kills
    python benchmarks/soak.py --kills 20 --seed 3

A round is a search over made-up releases on an index of this machine, by one command or by two that share
a cache. Meanwhile processes are killed with SIGKILL: the command, its fork server, a supervisor, uv or what
uv runs, whichever is there at that moment. The probe's own are not: that would be a failure of the probe. A
command that was killed is started again, as its user would. At the end the commands must say what they say
undisturbed. A command alone must have kept exactly the observations of an undisturbed one. No process and no
temporary file may be left.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from support.local_index import LocalIndex
from support.processes import PATIENCE_S, eventually
from support.shell import PYTHON, Shell, publish

HISTORIES = ("+++++---", "---++++++++", "++x+x---", "------++", "+++++++++++-")
PROBE = """\
import subprocess, sys
import demo
subprocess.run([sys.executable, "-c", "import time; time.sleep(0.05)"], check=True)
assert demo.works, "it does not work"
"""
COMMAND = ("demo", "--probe", "probe.py", "--python", PYTHON, "--jobs", "1", "--history", "none", "--quiet")


class Round:
    """One search in a folder of its own, and what it should come to."""

    def __init__(self, index: LocalIndex, folder: Path) -> None:
        folder.mkdir()
        self.shell = Shell(index, folder)
        self.shell.write("probe.py", PROBE)

    def start(self) -> subprocess.Popen[str]:
        """Start the command."""
        return self.shell.start(*COMMAND)

    def kept(self) -> str:
        """Return the line about observations that the store has."""
        lines = self.shell.run("cache").stdout.splitlines()
        return next(line for line in lines if line.startswith("store")).partition(",")[0]

    def left(self) -> list[str]:
        """Return what is left behind: processes that run in the folder, and temporary files there."""
        running = [
            " ".join(process.cmdline())
            for process in psutil.process_iter()
            if process.pid != psutil.Process().pid and str(self.shell.folder) in _environ(process)
        ]
        return running + [str(path) for path in self.shell.folder.glob("tmp*")]


def _environ(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.environ().get("HOME", "")
    return ""


def kill_one(running: list[subprocess.Popen[str]], chance: random.Random) -> str | None:
    """Kill one process of those commands, at any depth; return what it was, or None if all have ended."""
    tree = [(process, 0) for each in running if each.poll() is None for process in _alive(each.pid)]
    for process, _ in list(tree):
        with suppress(psutil.Error):
            below = process.children(recursive=True)
            tree.extend((child, _depth(child, process)) for child in below if not _is_of_the_probe(child))
    if not tree:
        return None
    depth = chance.choice(sorted({depth for _, depth in tree}))  # each depth is as likely as the others
    victim = chance.choice([process for process, own in tree if own == depth])
    with suppress(psutil.Error):
        name = f"depth {depth}: {Path(victim.exe()).name}"
        victim.kill()
        return name
    return None


def _is_of_the_probe(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        own = [" ".join(each.cmdline()) for each in (process, *process.parents()[:1])]
        return any("probe.py" in line and "bisect_asgi" not in line for line in own)
    return False


def _alive(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return [psutil.Process(pid)]
    return []


def _depth(process: psutil.Process, top: psutil.Process) -> int:
    with suppress(psutil.Error):
        return [parent.pid for parent in process.parents()].index(top.pid) + 1
    return 1


def disturbed(
    one: Round, commands: int, kills: int, chance: random.Random, killed: Counter[str]
) -> list[str]:
    """Run so many commands while processes of theirs are killed; return what they said in the end."""
    running = [one.start() for _ in range(commands)]
    said: list[str] = []
    while running:
        if kills:
            time.sleep(chance.uniform(0, 2))  # a moment of the search, any
            if victim := kill_one(running, chance):
                killed[victim] += 1
                kills -= 1
        for process in [each for each in running if not kills or each.poll() is not None]:
            running.remove(process)
            stdout, stderr = process.communicate(timeout=PATIENCE_S)
            if process.returncode < 0 or "killed" in stderr:  # by us; its user starts it again
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
    chance, killed, faults = random.Random(wanted.seed), Counter[str](), 0
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        references = {history: _undisturbed(history, Path(folder)) for history in HISTORIES}
        number = 0
        while killed.total() < wanted.kills:
            number += 1
            history, commands = chance.choice(HISTORIES), chance.choice([1, 1, 2])
            with LocalIndex() as index:
                publish(index, history)
                one = Round(index, Path(folder) / str(number))
                said = disturbed(one, commands, chance.randint(1, 5), chance, killed)
                wrong = _wrong(one, said, *references[history], alone=commands == 1)
            faults += bool(wrong)
            print(f"{killed.total():4} {history:16} {commands} {wrong or 'as undisturbed'}", flush=True)
    print(dict(killed.most_common()), f"{faults} faults", sep="\n")
    return 1 if faults else 0


def _undisturbed(history: str, folder: Path) -> tuple[str, str]:
    with LocalIndex() as index:
        publish(index, history)
        one = Round(index, folder / f"undisturbed {history}")
        done = one.shell.run(*COMMAND)
        return done.stdout or done.stderr, one.kept()


def _wrong(one: Round, said: list[str], answer: str, kept: str, *, alone: bool) -> str:
    """Return what is not as undisturbed, or an empty text."""
    if others := [each for each in said if each != answer]:
        return f"said {others[0]!r}, not {answer!r}"
    if alone and one.kept() != kept:
        return f"kept {one.kept()!r}, not {kept!r}"
    with suppress(AssertionError):
        eventually(lambda: not one.left())
    return f"left {one.left()}" if one.left() else ""


if __name__ == "__main__":
    sys.exit(main())
