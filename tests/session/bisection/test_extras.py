"""Extras that are asked for: what no release has ends the search, and what some lack is noted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest
from packaging.version import Version
from support.builders import passed
from support.services import FakeIndex, FakeInterpreters, FakeTrials, fake_services
from support.sessions import FakeWorld, a_plan, always, broke_in

from bisect_asgi import session
from bisect_asgi.core import events, extras
from bisect_asgi.core.errors import Unavailable, Unresolvable, UsageError
from bisect_asgi.core.events import ResultKind
from bisect_asgi.core.extras import Extra
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Declared,
    Distribution,
    EnvironmentSpec,
    Interpreter,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.plan import Claim, Plan
from bisect_asgi.core.records import replace
from bisect_asgi.core.release_diff import Contents, Metadata
from bisect_asgi.core.services import RunTrial, Services

Extras = Callable[[str], Sequence[str]]
"""The extras of fastapi in a release, by its version."""


class ExtrasWorld(FakeWorld):
    """Releases of fastapi with these extras, and uvicorn, whose only extra is `standard`.

    Args:
        unknown: what is asked for releases that are not built does not answer.
    """

    def __init__(self, own: Extras, *, unknown: Exception | None = None) -> None:
        super().__init__(broke_in("0.7"))
        self.extras = own
        self.unknown = unknown
        self.opened: list[str] = []

    def _trial(self, request: TrialRequest) -> Trial:
        installed = (Distribution(name="fastapi", version=request.label),)
        built = BuiltEnvironment(digest=request.label, distributions=installed, step="")
        return replace(super()._trial(request), environment=built)

    def declared(self, built: BuiltEnvironment) -> Mapping[str, Declared]:
        own = tuple(self.extras(built.digest))
        return {"fastapi": Declared(extras=own), "uvicorn": Declared(extras=("standard",))}

    def resolved(self, spec: EnvironmentSpec) -> Sequence[Distribution] | None:
        if isinstance(self.unknown, Unavailable):
            raise self.unknown
        version = next(line for line in spec.requirements if line.startswith("fastapi")).partition("==")[2]
        return [Distribution(name="uvicorn", version="1.0"), Distribution(name="fastapi", version=version)]

    def contents(self, distribution: Distribution, _: Interpreter) -> Contents:
        self.opened.append(distribution.version)
        if self.unknown:
            raise self.unknown
        own = ("standard",) if distribution.name == "uvicorn" else tuple(self.extras(distribution.version))
        metadata = Metadata(name=distribution.name, version=distribution.version, extras=own)
        return Contents(metadata=metadata, files=())

    def services(self, run_trial: RunTrial | None = None, releases_of: object = None) -> Services:
        return fake_services(
            index=FakeIndex(lambda _: self.releases, contents=self.contents),
            interpreters=FakeInterpreters(*self.interpreters),
            trials=FakeTrials(self.run_trial, declared=self.declared, wheels=self.resolved),
        )

    @property
    def notes(self) -> list[str]:
        """The notes on extras."""
        return [each.text for each in self.events if isinstance(each, events.Note) and "extra" in each.text]


def asks(*names: str, held: tuple[str, ...] = ()) -> Plan:
    return replace(a_plan(), extras=names, held=held, culprit=False)


def test_an_extra_that_no_release_has_ends_the_search_after_two_of_them() -> None:
    world = ExtrasWorld(lambda _: ("all", "standard"))

    finished = world.bisect(asks("standrad"))

    assert finished.kind is ResultKind.NOT_ASKED
    assert finished.message == "`fastapi` has no extra `standrad` (tried with fastapi 0.11 and fastapi 0.12)"
    assert finished.hint == "pass `fastapi[standard]`"
    assert len(world.runs) == 2


def test_the_extra_of_what_is_held_ends_it_too() -> None:
    finished = ExtrasWorld(lambda _: ()).bisect(asks(held=("uvicorn[nope]",)))

    assert finished.kind is ResultKind.NOT_ASKED
    assert finished.message.startswith("`uvicorn` has no extra `nope` (tried with ")
    assert finished.hint == "pass an extra of `uvicorn`: `standard`; or drop `[nope]`"


@pytest.mark.parametrize("unknown", [Unavailable("no index"), Unresolvable("no file")], ids=lambda e: str(e))
def test_what_the_index_does_not_say_of_other_releases_does_not_help(unknown: Exception) -> None:
    finished = ExtrasWorld(lambda _: (), unknown=unknown).bisect(asks("all"))

    assert (finished.kind, finished.hint) == (ResultKind.NOT_ASKED, "drop `[all]`: `fastapi` has no extras")


@pytest.mark.parametrize(
    "has",
    [
        pytest.param({"0.1", "0.2", "0.3"}, id="removed"),
        pytest.param({f"0.{minor}" for minor in range(7, 13)}, id="added"),
        pytest.param({"0.6", "0.7"}, id="in-the-middle"),
    ],
)
def test_an_extra_that_some_releases_have_is_a_note(has: set[str]) -> None:
    world = ExtrasWorld(lambda version: ("all",) if version in has else ())

    finished = world.bisect(asks("all"))

    assert finished.kind is ResultKind.FOUND
    assert world.boundary() == ("0.6", "0.7")
    ran = sorted(world.runs, key=Version)
    note = extras.missing_in(Extra(package="fastapi", name="all"), {each: each not in has for each in ran})
    assert world.notes == [note]


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(asks(), id="none"),
        pytest.param(asks("all"), id="of-the-package"),
        pytest.param(asks(held=("uvicorn[standard]", "absent[x] ; python_version < '3'")), id="held"),
    ],
)
def test_extras_that_exist_say_nothing_and_ask_nothing(plan: Plan) -> None:
    world = ExtrasWorld(lambda _: ("all",))

    assert world.bisect(plan).kind is ResultKind.FOUND
    assert (world.notes, world.opened) == ([], [])


def test_the_claim_of_a_probe_with_such_an_extra_is_not_judged() -> None:
    world = ExtrasWorld(lambda _: ())

    with pytest.raises(UsageError, match=r"`fastapi` has no extra `all`") as caught:
        session.verify(asks("all"), Claim(version="0.7", fixed=False), world.services(), world.events.append)

    assert caught.value.hint == "drop `[all]`: `fastapi` has no extras"
    assert world.finished.kind is ResultKind.NOT_ASKED


def test_a_release_that_is_checked_alone_may_lack_it() -> None:
    world = ExtrasWorld(lambda _: ())
    world.behaviour = always(passed())

    session.check(asks("all"), "0.7", world.services(), world.events.append)

    assert world.notes == ["`fastapi` has no extra `all` in 0.7: runs were made without it"]
