"""Requirements with which the probe passes, each with the runs behind it.

A requirement is written only if runs support it. The newest release that it selects was run and is good, or
lies beyond all releases of the range. `tried` names the runs.

- `>=0.85.0`, if the newest release that was run is good and an older one is bad. The bound is the first good
  release after the last bad one.
- `<0.69.0`, below a break. If yanked releases just before the break were run and are bad, the bound is the
  oldest of them. If untestable or excluded releases lie between the last good and the first bad one, the
  bound is the last good release: `<=0.68.2`.
- The older version of a dependency, if the newer release is good with it and does not require a newer one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from packaging.version import Version

from bisect_asgi.core.events import Explained
from bisect_asgi.core.model import Move, Outcome
from bisect_asgi.core.records import Struct
from bisect_asgi.core.releases.affected import ReleaseState
from bisect_asgi.core.releases.selection import between, is_version
from bisect_asgi.report.document import Fix, Report
from bisect_asgi.report.rows import Row, changed_before


class _Stretch(Struct, frozen=True, kw_only=True):
    """Neighboring candidates that were run and have one verdict."""

    rows: tuple[Row, ...]
    is_good: bool

    @property
    def ends(self) -> tuple[str, ...]:
        """The first and the last of them, or the only one."""
        return tuple(dict.fromkeys((self.rows[0].version, self.rows[-1].version)))


def fixes(report: Report) -> tuple[Fix, ...]:
    """Return the requirements, newest releases first; none if no change is known or no run supports one."""
    axis = report.plan.axis
    if report.first is None or report.last is None or not axis.is_ordered:
        return ()
    if axis.subject == "Python":
        return tuple(_of_pythons(report))
    if not axis.has_versions:
        return tuple(_of_sets(report))
    # `<` and `>=` compare versions: they cannot follow the order of uploads, or a label that is no version.
    if report.plan.order != "version" or not all(is_version(row.version) for row in report.rows):
        return tuple(_of_one_release(report))
    return (*_of_releases(report), *_of_dependencies(report))


def _of_one_release(report: Report) -> Iterator[Fix]:
    for row in map(report.row, (report.first, report.last)):
        if row and row.verdict == report.plan.term_old:
            yield Fix(requirement=f"{report.plan.axis.subject}=={row.version}", tried=(row.version,))


def _of_releases(report: Report) -> Iterator[Fix]:
    """Yield the newest releases if they are good, and those before the last break."""
    stretches, name = _stretches(report), report.plan.axis.subject
    places = range(len(stretches))
    if len(stretches) > 1 and stretches[-1].is_good:
        newest = stretches[-1]
        yield Fix(requirement=f"{name}>={newest.rows[0].version}", tried=newest.ends)
    breaks = [place for place in places[:-1] if stretches[place].is_good and not stretches[place + 1].is_good]
    if breaks:
        before, after = stretches[breaks[-1]], stretches[breaks[-1] + 1]
        bounds = [f">={before.rows[0].version}"] if breaks[-1] else []
        bounds.append(_below(report, before.rows[-1].version, after.rows[0].version))
        yield Fix(
            requirement=f"{name}{','.join(bounds)}", tried=before.ends if bounds[1:] else before.ends[-1:]
        )


def _stretches(report: Report) -> list[_Stretch]:
    """Return the stretches of releases that were run, oldest first."""
    plan, found = report.plan, list[_Stretch]()
    verdicts = (plan.term_old, plan.term_new)
    for row in report.rows:
        if row.how is not ReleaseState.RUN or row.verdict not in verdicts or row.yanked is not None:
            continue
        is_good = row.verdict == plan.term_old
        if found and found[-1].is_good == is_good:
            found[-1] = _Stretch(rows=(*found[-1].rows, row), is_good=is_good)
        else:
            found.append(_Stretch(rows=(row,), is_good=is_good))
    return found


def _below(report: Report, last: str, first: str) -> str:
    """Return the bound below a break; it selects no release between the last good and the first bad one."""
    labels = [row.version for row in report.rows if row.yanked is None]
    untestable = labels[labels.index(last) + 1 : labels.index(first)]
    changed, _ = changed_before(report.rows, first)
    high = Version(min((first, *changed), key=Version))
    is_clear = not (untestable or between(report.excluded, last, str(high)))
    # A pre-release as the bound would allow installers to select pre-releases.
    return f"<{high}" if is_clear and not high.is_prerelease else f"<={last}"


def _of_dependencies(report: Report) -> Iterator[Fix]:
    """Yield the older versions of the dependencies that caused the package's newest change."""
    every = _culprits(report)
    sets = [shown for why in every for shown in why.sets]
    moved = [move for shown in sets for move in shown.moved]
    is_free = all(not shown.required and len(shown.moved) == 1 for shown in sets)
    if _breaks(every) and is_free and _can_be_held(moved, every[0].package):
        yield Fix(
            requirement=" ".join(f"{move.name}{_old_bound(report, move)}" for move in moved),
            beside=every[0].new,
            tried=tuple(f"{move.name} {move.old}" for move in moved),
        )


def _culprits(report: Report) -> list[Explained]:
    """Return the boundary's culprits, further ones included, if runs show that they are all; else none."""
    why = report.why_of(report.first)
    every = [each for place, each in enumerate(why) if place == 0 or each.is_further]
    return every if all(map(_is_shown, every)) else []


def _breaks(every: Sequence[Explained]) -> bool:
    return bool(every) and every[0].new_is is Outcome.FAILED


def _can_be_held(moved: Sequence[Move], package: str | None) -> bool:
    """Return whether the newer package can be installed with all of them at their older version."""
    return bool(moved) and all(move.old and move.name != package for move in moved)


def _old_bound(report: Report, move: Move) -> str:
    """Return the bound that keeps a dependency at the version that was run, or below its own break."""
    for stage in report.stages:
        is_own = stage.plan.axis.subject == move.name and stage.plan.axis.has_versions
        if is_own and stage.last == move.old and stage.first and not stage.gap:
            return _below(stage, stage.last or "", stage.first)
    return f"<={move.old}"


def _of_sets(report: Report) -> Iterator[Fix]:
    """Yield the culprits' versions on the good side, for axes on which every package may differ."""
    every = _culprits(report)
    is_break = _breaks(every)
    moved = [move for why in every for shown in why.sets for move in shown.moved]
    versions = [move.old if is_break else move.new for move in moved]
    if every and every[0].package is None and versions and all(versions):
        bounds = [_old_bound(report, move) if is_break else f">={move.new}" for move in moved]
        yield Fix(
            requirement=" ".join(f"{move.name}{bound}" for move, bound in zip(moved, bounds, strict=True)),
            tried=tuple(f"{move.name} {version}" for move, version in zip(moved, versions, strict=True)),
        )


def _is_shown(why: Explained) -> bool:
    """Return whether a run shows that the culprits at the good side are enough."""
    return why.is_all and not why.problem and not any(shown.doubtful for shown in why.sets)


def _of_pythons(report: Report) -> Iterator[Fix]:
    """Yield the interpreters on the good side of the boundary."""
    last, first = report.row(report.last), report.row(report.first)
    if last is None or first is None:
        return
    is_break = first.verdict == report.plan.term_new
    good, other = (last, first) if is_break else (first, last)
    of_minor = [".".join(row.version.split(".")[:2]) for row in (good, other)]
    edge = (first if is_break else good).version
    bound = edge if of_minor[0] == of_minor[1] else ".".join(edge.split(".")[:2])
    yield Fix(requirement=f"python{'<' if is_break else '>='}{bound}", tried=(good.version,))
