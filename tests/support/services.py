"""The five services of a session, made up: one fake for each port, whose answers a test gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from functools import lru_cache
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import Unresolvable, UsageError
from bisect_asgi.core.model import (
    BuiltEnvironment,
    Declared,
    Distribution,
    EnvironmentSpec,
    Interpreter,
    OwnProject,
    ProjectMetadata,
    Release,
    Step,
    Trial,
    TrialRequest,
)
from bisect_asgi.core.records import replace
from bisect_asgi.core.release_diff import Contents
from bisect_asgi.core.releases.installable import TargetPython
from bisect_asgi.core.services import Repository, Services
from support.builders import release, target


def never(*asked: object) -> Any:
    """A service that the test must not use: it fails if it is called."""
    raise AssertionError(f"it was asked for: {asked}")


def _no_contents(distribution: Distribution, _: Interpreter) -> Contents:
    raise Unresolvable(f"no files of {distribution} are made up")


class InlineExecutor(Executor):
    """Run each call at once, in the caller: no threads, so no order to think about."""

    def submit(self, fn, /, *args, **kwargs):  # type: ignore[no-untyped-def]
        future: Future[object] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


class FakeIndex:
    """An index that knows these releases and no other project.

    Args:
        releases: all releases, or a function that returns those of a project.
        contents: returns the contents of a release; without it, no release has contents.
        changelogs: returns a release's changelogs; without it, there are none.
    """

    def __init__(
        self,
        releases: Iterable[Release] | Callable[[str], Sequence[Release]] = (),
        *,
        contents: Callable[[Distribution, Interpreter], Contents] = _no_contents,
        changelogs: Callable[[Distribution], Sequence[str]] = lambda _: (),
    ) -> None:
        self.asked: list[tuple[str, Collection[str] | None]] = []
        """Each project that was asked for, with what a list of its releases had to have."""
        self._known: dict[str, list[Release]] = {}
        self._releases = releases if callable(releases) else self._look_up
        for each in () if callable(releases) else releases:
            self._known.setdefault(each.project, []).append(each)
        self._contents = contents
        self._changelogs = changelogs

    def releases(self, project: str, *, having: Collection[str] | None = None) -> Sequence[Release]:
        self.asked.append((project, having))
        return self._releases(project)

    def provider(self, module: str) -> str | None:
        return module if module in self._known else None

    def contents(self, distribution: Distribution, interpreter: Interpreter) -> Contents:
        return self._contents(distribution, interpreter)

    def changelogs(self, distribution: Distribution) -> Sequence[str]:
        return self._changelogs(distribution)

    def _look_up(self, project: str) -> Sequence[Release]:
        if project not in self._known:
            raise UsageError(f"there is no package `{project}` on the index", hint="look at its spelling")
        return self._known[project]


class FakeInterpreters:
    """A machine with these interpreters; each is found by its short version or its path.

    Args:
        find: returns the interpreter that the user means, instead of the default rule.
        downloadable: the versions that uv could install.
    """

    def __init__(
        self,
        *targets: TargetPython,
        find: Callable[[str], TargetPython] | None = None,
        downloadable: Sequence[TargetPython] = (),
    ) -> None:
        self.targets = targets
        self._find = find
        self._downloadable = downloadable

    def find_all(self) -> Sequence[TargetPython]:
        return self.targets

    def find(self, wish: str) -> TargetPython:
        if self._find:
            return self._find(wish)
        return next(each for each in self.targets if wish in (each.interpreter.short, each.interpreter.path))

    def target(self, interpreter: Interpreter) -> TargetPython:
        return replace(target(), interpreter=interpreter)

    def downloadable(self) -> Sequence[TargetPython]:
        return self._downloadable


class FakeRepositories:
    """Repositories that `open` and `tags` answer for; without them no repository may be asked for."""

    def __init__(
        self,
        open: Callable[[str], Repository] = never,  # noqa: A002 (as the port has it)
        *,
        tags: Callable[[str], Sequence[str]] = lambda _: (),
    ) -> None:
        self._open = open
        self._tags = tags

    def open(self, where: str) -> Repository:
        return self._open(where)

    def tags(self, address: str) -> Sequence[str]:
        return self._tags(address)


class FakeTrials:
    """Trials whose results `run` gives; nothing is cached, built or required unless a test says so.

    A test may also derive a class that records the requests.
    """

    def __init__(
        self,
        run: Callable[[TrialRequest, CancelToken], Trial] = never,
        *,
        recall: Callable[[TrialRequest], Trial | None] = lambda _: None,
        prepare: Callable[[TrialRequest, CancelToken], dict[Step, float]] = never,
        builders: Executor | None = None,
        is_built: Callable[[TrialRequest], bool] = lambda _: False,
        resolve: Callable[[EnvironmentSpec], Sequence[Distribution]] = never,
        wheels: Callable[[EnvironmentSpec], Sequence[Distribution] | None] = lambda _: None,
        declared: Callable[[BuiltEnvironment], Mapping[str, Declared]] = lambda _: {},
        metadata: Callable[[OwnProject, Interpreter], ProjectMetadata] = never,
    ) -> None:
        self._run = run
        self._recall = recall
        self._prepare = prepare
        self.builders = builders
        self._is_built = is_built
        self._resolve = resolve
        self._wheels = wheels
        self._declared = declared
        self._metadata = metadata

    def run(self, request: TrialRequest, token: CancelToken) -> Trial:
        return self._run(request, token)

    def prepare(self, request: TrialRequest, token: CancelToken) -> dict[Step, float]:
        return self._prepare(request, token)

    def recall(self, request: TrialRequest) -> Trial | None:
        return self._recall(request)

    def is_built(self, request: TrialRequest) -> bool:
        return self._is_built(request)

    def resolve(self, spec: EnvironmentSpec) -> Sequence[Distribution]:
        return self._resolve(spec)

    def wheels(self, spec: EnvironmentSpec, token: CancelToken) -> Sequence[Distribution] | None:
        return self._wheels(spec)

    def metadata(self, project: OwnProject, interpreter: Interpreter, token: CancelToken) -> ProjectMetadata:
        return self._metadata(project, interpreter)

    def declared(self, built: BuiltEnvironment) -> Mapping[str, Declared]:
        return self._declared(built)


def fake_services(**ports: Any) -> Services:
    """The services with one Python and inline trials; an index and trials answer only if they are given."""
    usual = {
        "index": FakeIndex(never),
        "interpreters": FakeInterpreters(target()),
        "repositories": FakeRepositories(),
        "trials": FakeTrials(),
        "executor": InlineExecutor(),
    }
    return Services(**{**usual, **ports})


Installed = Mapping[str, str]
"""The version of each distribution of an environment, by name."""


_read = lru_cache(maxsize=None)(Requirement)  # property tests parse the same ones thousands of times


class MadeUpIndex(FakeIndex):
    """Releases with requirements, and environments that are computed from specs.

    As uv does, it installs the newest release that the specifiers, the overrides and the date allow.

    Args:
        requires: the requirements of each release `name==version`, such as `engine>=2 pump`.
        days: the upload dates of some releases; all others were uploaded long before.
    """

    def __init__(self, requires: Mapping[str, str], days: Mapping[str, str] | None = None) -> None:
        self.requires = {pin: tuple(text.split()) for pin, text in requires.items()}
        on = dict.fromkeys(requires, "2020-02-01") | dict(days or {})
        pins = (pin.split("==") for pin in requires)
        self.listed = [
            release(version, uploaded=on[f"{name}=={version}"], project=name) for name, version in pins
        ]
        super().__init__(self.listed)

    def resolve(self, spec: EnvironmentSpec) -> tuple[Distribution, ...]:
        """Return the distributions that a spec installs, ordered by name.

        Raises:
            Unresolvable: no release of some package satisfies all requirements.
        """
        chosen: dict[str, str] = {}
        for _ in self.requires:
            criteria = self._rules(spec, chosen)
            names = sorted({rule.name for rule in criteria})
            if (found := {name: self._newest(name, criteria, spec) for name in names}) == chosen:
                break
            chosen = found
        return tuple(Distribution(name=name, version=version) for name, version in chosen.items())

    def metadata(self, project: OwnProject, interpreter: Interpreter, token: CancelToken) -> ProjectMetadata:
        return self._metadata(project, interpreter)

    def declared(self, built: BuiltEnvironment) -> dict[str, Declared]:
        """Return the declarations of each distribution of an environment."""
        return {each.name: Declared(requires=self.requires[str(each)]) for each in built.distributions}

    def _rules(self, spec: EnvironmentSpec, chosen: Installed) -> list[Requirement]:
        """The requirements of the spec and of what is chosen; overrides stand in for what they name."""
        own = [text for pin in chosen.items() for text in self.requires["==".join(pin)]]
        asked = list(map(_read, (*spec.requirements, *own)))
        overrides = list(map(_read, spec.overrides))
        replaced, names = {rule.name for rule in overrides}, {rule.name for rule in asked}
        criteria = [rule for rule in asked if rule.name not in replaced]
        criteria += [rule for rule in overrides if rule.name in names]
        return [rule for rule in criteria if not rule.marker or rule.marker.evaluate()]

    def _newest(self, name: str, criteria: Sequence[Requirement], spec: EnvironmentSpec) -> str:
        is_free = spec.exclude_newer is None or name in {
            exclude_newer_package.name for exclude_newer_package in spec.exclude_newer_package
        }
        fitting = [
            Version(each.version)
            for each in self.releases(name)
            if all(rule.specifier.contains(each.version) for rule in criteria if rule.name == name)
            and (is_free or (each.uploaded and spec.exclude_newer and each.uploaded < spec.exclude_newer))
        ]
        if not fitting:
            raise Unresolvable(f"no release of {name} suits all")
        return str(max(fitting))
