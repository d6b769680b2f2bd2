"""Have a person judge each candidate, at a terminal (`--ask`)."""

from __future__ import annotations

import os
import selectors
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from bisect_asgi.cli.output import say
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.judge.person import Said, Say, observation_of, prompt, read_line
from bisect_asgi.core.records import replace
from bisect_asgi.core.text import printable

if TYPE_CHECKING:
    from bisect_asgi.backend.trials.runs import Held
    from bisect_asgi.core.model import Observation, Probe, TrialRequest
    from bisect_asgi.core.plan import Plan

Read = Callable[[str, CancelToken], str | None]
"""Shows a prompt and returns the line that is typed, or None at the end of the input."""


class StartAgain(Exception):
    """The search has to begin again without the verdict on one candidate; other verdicts stay."""

    def __init__(self, label: str) -> None:
        super().__init__(label)
        self.label = label


def check_terminal() -> None:
    """Raise UsageError if nobody can be asked."""
    if not (os.isatty(0) and os.isatty(2)):
        raise UsageError(
            "`--ask` asks a person at a terminal, and the standard input is none",
            hint="run it in a terminal, or have a script judge: `--probe FILE`",
        )


class Asking:
    """Decides on candidates by asking a person; verdicts last as long as the command."""

    def __init__(self, plan: Plan, read: Read | None = None) -> None:
        self._plan = plan
        self._words = [*(plan.term_old, plan.term_new), *list(Say)[2:]]
        self._read = read or read_from_terminal
        self._answers: dict[tuple[int, str], Observation] = {}
        self._order: list[str] = []

    def __call__(self, request: TrialRequest, held: Held, token: CancelToken) -> Observation:
        """Ask a person about a candidate, once; its further runs get the same observation.

        Raises:
            StartAgain: the person withdraws an earlier verdict.
            KeyboardInterrupt: the person quits, or the input has ended.
            Cancelled: the token was cancelled.
        """
        key = (request.stage, request.label)
        if key not in self._answers:
            self._answers[key] = self._ask(request, held, token)
            self._order.append(request.label)
        return self._answers[key]

    def _ask(self, request: TrialRequest, held: Held, token: CancelToken) -> Observation:
        python = request.spec.interpreter.version
        run = self._run_probe(request.probe, held)
        say(f"\n{self._plan.question}")
        while True:
            said = self._said(f"{request.label} on Python {python}: ", token)
            if said.word is Say.BACK:
                self._go_back(said.rest)
            elif said.word is Say.SHELL:
                open_shell(request, held, token)
            elif said.word is Say.RETRY:
                run = self._run_probe(request.probe, held)
            elif seen := observation_of(said, run=run):
                return seen

    def _said(self, question: str, token: CancelToken) -> Said:
        """Return the person's verdict; ask again until it can be read."""
        while True:
            line = self._read(question, token)
            if line is None:
                raise KeyboardInterrupt
            said = read_line(line, old=self._plan.term_old, new=self._plan.term_new)
            if said is not None and said.word is not Say.QUIT:
                return said
            if said is not None:
                raise KeyboardInterrupt
            say(f"type {prompt(self._words)}; a reason may follow, and `back` may name a release")

    def _go_back(self, label: str) -> None:
        """Raise StartAgain for a candidate, by default the last one that was judged."""
        wanted = label or (self._order[-1] if self._order else "")
        if not wanted:
            say("this command has no verdict yet; name the release: `back 1.0`")
            return
        self._order = [each for each in self._order if each != wanted]
        self._answers = {key: seen for key, seen in self._answers.items() if key[1] != wanted}
        raise StartAgain(wanted)

    def _run_probe(self, probe: Probe, held: Held) -> Observation | None:
        """Run the probe, if there is one, and show what it printed; return what it showed."""
        if not (probe.script or probe.command or probe.served):
            return None
        seen = held.run(replace(probe, decided_by=""))
        say(seen.output_tail.rstrip())
        end = seen.signature.shown if seen.signature else f"exit code {seen.exit_code}"
        say(f"the probe: {seen.outcome}, {end}")
        return seen


def open_shell(request: TrialRequest, held: Held, token: CancelToken) -> None:
    """Open a shell in a copy of the environment, which is dropped afterwards."""
    with held.bench() as bench:
        say(f"a shell with {request.label} in {bench.work}; `exit` ends it, and drops what was changed")
        bench.shell(printable(request.label), token)


def read_from_terminal(question: str, token: CancelToken) -> str | None:
    """Show a question on the standard error and return the typed line; None at the end of the input.

    Raises:
        Cancelled: the token was cancelled.
    """
    sys.stderr.write(question)
    sys.stderr.flush()
    reader, writer = os.pipe()
    try:
        with token.on_cancel(lambda: wake(writer)), selectors.DefaultSelector() as selector:
            selector.register(0, selectors.EVENT_READ)
            selector.register(reader, selectors.EVENT_READ)
            selector.select()
        token.check()
        line = os.read(0, 4096)  # a terminal returns one line at a time
        return line.decode(errors="replace") if line else None
    finally:
        os.close(reader)
        os.close(writer)


def wake(writer: int) -> None:
    """Make a pipe readable."""
    with suppress(OSError):
        os.write(writer, b"x")
