"""Build the user's own projects before the search, and read their demands on the package."""

from __future__ import annotations

from collections.abc import Iterator

from bisect_asgi.core.cancel import CancelToken
from bisect_asgi.core.errors import BuildFailed, NoResult, UsageError, not_asked
from bisect_asgi.core.model import Excluded, Interpreter, ProjectMetadata
from bisect_asgi.core.plan import Plan
from bisect_asgi.core.plan.own_projects import GivenProject, demands_of
from bisect_asgi.core.releases.interpreters import holds, markers_of
from bisect_asgi.core.releases.selection import Demand
from bisect_asgi.core.services import Services
from bisect_asgi.core.text import plural


def build(plan: Plan, interpreter: Interpreter, services: Services) -> dict[str, ProjectMetadata]:
    """Return the metadata of the wheels of the user's projects, by name; they are built unless they exist.

    Raises:
        UsageError: one of them cannot be built, which no release can change.
        Unavailable: the index did not answer.
    """
    return {each.project.name: _built(each, interpreter, services) for each in plan.own}


def _built(given: GivenProject, interpreter: Interpreter, services: Services) -> ProjectMetadata:
    try:
        return services.trials.metadata(given.project, interpreter, CancelToken())
    except BuildFailed as error:
        raise UsageError(
            f"your project `{given.project.given}` cannot be built on Python {interpreter.version}: {error}",
            hint="`uv build --wheel` in its directory shows all that its build prints; "
            "`--python` chooses another Python",
        ) from error
    except NoResult as error:
        raise not_asked(error) from error


def demands(plan: Plan, interpreter: Interpreter, services: Services) -> tuple[Demand, ...]:
    """Return what the user's projects and files demand of the package, on an interpreter.

    Raises:
        UsageError, Unavailable: as `build`.
    """
    built = build(plan, interpreter, services)
    if plan.is_free:
        return ()
    environment = markers_of(interpreter)
    found = [each for each in plan.demands if holds(each.marker, environment, file=each.of)]
    for given in plan.own:
        metadata = built[given.project.name]
        of = f"`{given.project.name}`"
        found += demands_of(metadata, given.extras, plan.project, environment, of=of)
    return tuple(dict.fromkeys(found))


def notes(demanded: tuple[Demand, ...], excluded: tuple[Excluded, ...]) -> Iterator[str]:
    """Yield what the user should know: which demand excludes how many releases."""
    for demand in demanded:
        count = sum(out.reason == demand.reason for out in excluded)
        if count:
            yield (
                f"{demand.reason}: {plural(count, 'release')} excluded; "
                f"`--override {demand.name}` has them installed all the same"
            )
