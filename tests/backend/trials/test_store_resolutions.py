"""Resolutions are remembered as long as they hold, and made once for all who want the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.builders import day
from support.environments import THIS_PYTHON

from bisect_asgi.backend.environments.resolution import Resolution
from bisect_asgi.backend.environments.sdists import Sdist
from bisect_asgi.backend.trials.store import Learnt, Resolutions, Store
from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, Cancelled, Unresolvable
from bisect_asgi.core.model import EnvironmentSpec
from bisect_asgi.core.records import replace

PATIENCE_S = 30.0
PAST = EnvironmentSpec(interpreter=THIS_PYTHON, requirements=("demo==1.0",), exclude_newer=day("2020-01-01"))
LATEST = replace(PAST, exclude_newer=None)


def resolution(digest: str, step: str = "as of the date, wheels only") -> Resolution:
    return Resolution(
        digest=digest, pins=(), exclude_newer=None, exclude_newer_package=(), distributions=(), step=step
    )


class MadeUpResolver:
    """Answers in turn with the digests or errors that it is given; counts how often it was asked."""

    def __init__(
        self, *answers: str | Exception, meanwhile: Callable[[CancelToken], None] = lambda _: None
    ) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.likely: Sequence[Sdist] = ()
        self.is_asked = threading.Event()
        self.meanwhile = meanwhile

    def begin(self) -> None:
        """A new command knows no more than the one before."""

    def resolve(
        self,
        _: EnvironmentSpec,
        token: CancelToken,
        *,
        wheels_only: bool = False,
        likely: Sequence[Sdist] = (),
    ) -> Resolution:
        self.asked += 1
        self.likely = likely
        self.is_asked.set()
        self.meanwhile(token)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return resolution(answer)


class Waiting(CancelToken):
    """Shows when it is looked at: whoever waits for a lock does so all the time."""

    def __init__(self) -> None:
        super().__init__()
        self.waits = threading.Event()

    def check(self) -> None:
        self.waits.set()
        super().check()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "store.db")) as opened:
        yield opened


@pytest.fixture
def open_resolutions(store: Store, tmp_path: Path) -> Callable[[MadeUpResolver], Resolutions]:
    # The real one needs an index; what is tested is when it is asked, and not what it says.
    return lambda resolver: Resolutions(store, resolver, locks=tmp_path / "locks", indexes="")  # type: ignore[arg-type]


Open = Callable[[MadeUpResolver], Resolutions]


@pytest.mark.parametrize("spec", [PAST, LATEST], ids=["past", "latest"])
def test_a_resolution_is_made_once_and_then_remembered(open_resolutions: Open, spec: EnvironmentSpec) -> None:
    resolver = MadeUpResolver("one")
    resolutions = open_resolutions(resolver)

    found = [resolutions.resolve(spec, CancelToken()) for _ in range(2)]

    assert found == [resolution("one")] * 2
    assert resolutions.known(spec) == resolution("one")
    assert resolver.asked == 1


def test_trials_that_want_the_same_at_once_wait_for_one_resolution(open_resolutions: Open) -> None:
    second = Waiting()

    def until_the_second_waits(_: CancelToken) -> None:
        assert second.waits.wait(PATIENCE_S)

    resolver = MadeUpResolver("one", meanwhile=until_the_second_waits)
    resolutions = open_resolutions(resolver)
    with ThreadPoolExecutor(2) as pool:
        trials = [pool.submit(resolutions.resolve, PAST, CancelToken())]
        assert resolver.is_asked.wait(PATIENCE_S)
        trials.append(pool.submit(resolutions.resolve, PAST, second))

    assert [trial.result() for trial in trials] == [resolution("one")] * 2
    assert resolver.asked == 1


def test_who_waits_for_a_resolution_that_is_cancelled_makes_it(open_resolutions: Open) -> None:
    cancelled, waiting = CancelToken(), Waiting()

    def first_is_cancelled(token: CancelToken) -> None:
        if token is cancelled:
            assert waiting.waits.wait(PATIENCE_S)
            token.cancel()
        token.check()

    resolver = MadeUpResolver("one", meanwhile=first_is_cancelled)
    resolutions = open_resolutions(resolver)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(resolutions.resolve, PAST, cancelled)
        assert resolver.is_asked.wait(PATIENCE_S)
        second = pool.submit(resolutions.resolve, PAST, waiting)

    assert isinstance(first.exception(), Cancelled)
    assert second.result() == resolution("one")
    assert resolver.asked == 2


def test_what_is_wanted_fresh_is_resolved_once_in_a_command(open_resolutions: Open) -> None:
    resolver = MadeUpResolver("old", "new", "newer")
    earlier = open_resolutions(resolver)
    earlier.resolve(PAST, CancelToken())

    command = earlier.for_command()
    prepared = command.resolve(PAST, CancelToken(), fresh=True)
    run = command.resolve(PAST, CancelToken(), fresh=True)
    next_command = command.for_command().resolve(PAST, CancelToken(), fresh=True)

    assert [prepared, run, next_command] == [resolution("new"), resolution("new"), resolution("newer")]


@pytest.mark.parametrize("kind", [Unresolvable, BuildFailed])
def test_a_failure_of_a_past_date_is_remembered_until_it_is_mended(
    open_resolutions: Open, kind: type[Unresolvable | BuildFailed]
) -> None:
    resolver = MadeUpResolver(kind("it does not work"), "one")
    resolutions = open_resolutions(resolver)
    for _ in range(2):
        with pytest.raises(kind, match="it does not work"):
            resolutions.resolve(PAST, CancelToken())
    assert resolver.asked == 1

    fresh = resolutions.resolve(PAST, CancelToken(), fresh=True)
    afterwards = resolutions.for_command().resolve(PAST, CancelToken())

    assert fresh == afterwards == resolution("one")
    assert resolutions.failure(PAST) is None


def test_a_failure_that_an_upload_may_mend_is_asked_again(open_resolutions: Open) -> None:
    resolutions = open_resolutions(MadeUpResolver(Unresolvable("not yet"), "one"))
    with pytest.raises(Unresolvable):
        resolutions.resolve(LATEST, CancelToken())

    assert resolutions.failure(LATEST) is None
    assert resolutions.resolve(LATEST, CancelToken()) == resolution("one")


@pytest.mark.parametrize("spec", [PAST, LATEST], ids=["past", "latest"])
def test_a_resolution_of_wheels_is_that_of_the_spec(open_resolutions: Open, spec: EnvironmentSpec) -> None:
    resolver = MadeUpResolver("one")
    resolutions = open_resolutions(resolver)

    found = [resolutions.wheels(spec, CancelToken()) for _ in range(2)]

    assert found == [resolution("one")] * 2
    assert resolutions.resolve(spec, CancelToken()) == resolution("one")
    assert resolver.asked == 1


def test_that_there_are_no_wheels_is_remembered_of_a_past_date_and_says_nothing_of_builds(
    open_resolutions: Open,
) -> None:
    resolver = MadeUpResolver(Unresolvable("no wheels"), "built")
    resolutions = open_resolutions(resolver)

    assert [resolutions.wheels(PAST, CancelToken()) for _ in range(2)] == [None, None]
    assert resolver.asked == 1
    assert resolutions.resolve(PAST, CancelToken()) == resolution("built")


def test_that_there_are_no_wheels_yet_is_asked_again(open_resolutions: Open) -> None:
    resolutions = open_resolutions(MadeUpResolver(Unresolvable("no wheels"), "one"))

    found = [resolutions.wheels(LATEST, CancelToken()) for _ in range(2)]

    assert found == [None, resolution("one")]


@pytest.mark.parametrize(
    ("step", "has_wheels"),
    [
        ("as of the date, wheels only, what held requirements need may be newer", True),
        ("latest, wheels only", True),
        ("as of the date, building source distributions", False),
        ("without the date, wheels only", False),
    ],
)
def test_a_resolution_that_is_kept_tells_whether_it_is_of_wheels(
    store: Store, open_resolutions: Open, step: str, has_wheels: bool
) -> None:
    resolutions = open_resolutions(MadeUpResolver())
    kept = resolution("one", step)
    resolutions.learn(PAST, Learnt(resolution=kept, unresolvable=None, unbuildable=None))

    assert resolutions.wheels(PAST, CancelToken()) == (kept if has_wheels else None)


def test_a_spec_without_an_environment_has_no_wheels(open_resolutions: Open) -> None:
    resolver = MadeUpResolver(BuildFailed("it does not build"))
    resolutions = open_resolutions(resolver)
    with pytest.raises(BuildFailed):
        resolutions.resolve(PAST, CancelToken())

    assert resolutions.wheels(PAST, CancelToken()) is None
    assert resolver.asked == 1


def test_what_another_machine_learnt_takes_the_place_of_what_was_known(open_resolutions: Open) -> None:
    resolutions = open_resolutions(MadeUpResolver(Unresolvable("it did not work")))
    with pytest.raises(Unresolvable):
        resolutions.resolve(PAST, CancelToken())
    learnt = Learnt(resolution=resolution("one"), unresolvable=None, unbuildable=None)

    resolutions.learn(PAST, learnt)

    assert resolutions.learnt(PAST) == learnt
    assert resolutions.resolve(PAST, CancelToken()) == resolution("one")


# Failures.


def age(store: Store, hours: float) -> None:
    """Make everything that is kept older."""
    made = (datetime.now(UTC) - timedelta(hours=hours)).isoformat()
    for table in ("failure", "resolution"):
        store._rows(f"update {table} set made = ?", made)


def test_a_failure_holds_for_a_day_and_another_command_says_since_when(
    open_resolutions: Open, store: Store
) -> None:
    resolver = MadeUpResolver(Unresolvable("no"), "one")
    with pytest.raises(Unresolvable) as first:
        open_resolutions(resolver).resolve(PAST, CancelToken())
    age(store, 23)
    later = open_resolutions(resolver)

    with pytest.raises(Unresolvable) as second:
        later.resolve(PAST, CancelToken())
    age(store, 25)

    assert later.resolve(PAST, CancelToken()) == resolution("one")
    assert (str(first.value), str(second.value)) == ("no", "no")
    assert first.value.since is None
    assert second.value.since is not None
    assert resolver.asked == 2


@pytest.mark.parametrize(
    "error", [Unresolvable("a page", is_lasting=False), BuildFailed("x", is_lasting=False)]
)
def test_what_does_not_last_is_asked_again(open_resolutions: Open, error: Exception) -> None:
    resolutions = open_resolutions(MadeUpResolver(error, "one"))

    with pytest.raises((Unresolvable, BuildFailed)):
        resolutions.resolve(PAST, CancelToken())

    assert resolutions.failure(PAST) is None
    assert resolutions.resolve(PAST, CancelToken()) == resolution("one")


@pytest.mark.parametrize("answer", ["one", Unresolvable("no")], ids=["resolution", "failure"])
def test_what_one_index_says_holds_for_no_other(
    store: Store, tmp_path: Path, answer: str | Exception
) -> None:
    def opened(indexes: str, answer: str | Exception) -> Resolutions:
        resolver: Any = MadeUpResolver(answer)
        return Resolutions(store, resolver, locks=tmp_path / "locks", indexes=indexes)

    with suppress(Unresolvable):
        opened("here", answer).resolve(PAST, CancelToken())

    assert opened("there", "two").resolve(PAST, CancelToken()) == resolution("two")


def test_a_success_deletes_the_failure(open_resolutions: Open, store: Store) -> None:
    resolver = MadeUpResolver(Unresolvable("no"), "one")
    with pytest.raises(Unresolvable):
        open_resolutions(resolver).resolve(PAST, CancelToken())

    open_resolutions(resolver).resolve(PAST, CancelToken(), fresh=True)

    assert open_resolutions(resolver).failure(PAST) is None
