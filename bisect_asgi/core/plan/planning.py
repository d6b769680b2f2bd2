"""Check the options of a command and make a plan of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.model import Probe
from bisect_asgi.core.plan import (
    DEFAULT_BUILD_TIMEOUT_S,
    DEPENDENCY,
    LOCKS,
    RELEASES,
    Claim,
    DependencyPolicy,
    History,
    HistoryKind,
    LockText,
    Plan,
    PolicyKind,
    parsing,
    pinned_version,
)
from bisect_asgi.core.plan.amounts import read_duration
from bisect_asgi.core.plan.axis_traits import AxisTraits
from bisect_asgi.core.plan.metric_options import measuring_of, read_budget, read_confidence, read_rules
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.own_projects import Wanted, demand_in
from bisect_asgi.core.plan.parsing import (
    malformed,
    names_several,
    parse_package,
    parse_pythons,
    parse_requirement,
    parse_specifiers,
    parse_version,
)
from bisect_asgi.core.plan.tables import ProbeMetadata
from bisect_asgi.core.records import replace
from bisect_asgi.core.releases.selection import Demand
from bisect_asgi.core.text import listing

SERVER = "uvicorn"
"""The server of served apps; installed in every environment unless its releases are the candidates."""


def make_plan(
    options: Options,
    probe: Probe,
    metadata: ProbeMetadata,
    *,
    axes: Mapping[str, AxisTraits],
    probe_path: str = "",
    locks: tuple[LockText, ...] = (),
    wanted: Wanted | None = None,
) -> Plan:
    """Check every option and return the plan.

    Args:
        options: the command's, with those of the probe's table.
        metadata: the other contents of the probe's table.
        axes: all axes by name.
        probe_path: the probe as the user gave it.
        locks: the two lock files, if they are compared.
        wanted: the requirements of `--with`, files and projects; None: only `--with` and the probe's table
            have any.

    Raises:
        UsageError: an option is missing, malformed or out of range; the message has its value.
    """
    wanted = wanted or Wanted(stated=options.with_, of_probe=metadata.dependencies)
    if options.ask is not None:
        options = _for_a_person(options)
    if locks:
        plan = _plan(options, probe, metadata, probe_path, wanted, moving=())
        plan = replace(plan, over=LOCKS, locks=locks, history=plan.history.of_a_stage)
    else:
        plan = _package_plan(options, probe, metadata, probe_path, wanted, axes)
    _check_together(plan, options, axes[plan.over])
    return plan


def _for_a_person(options: Options) -> Options:
    """Return the options of a search that asks a person: one at a time, once, and only what was asked for.

    Raises:
        UsageError: an option needs something other than a person's verdict.
    """
    if not (options.ask or "").strip():
        raise UsageError("`--ask` asks nothing", hint="pass a question: `--ask 'is the page right?'`")
    conflicts = (
        ("--metric", options.metric),
        ("--match", options.match),
        ("--executor", options.executor),
        ("--python", options.python if options.python and names_several(options.python) else None),
    )
    for flag, value in conflicts:
        if value is not None:
            raise UsageError(
                f"`{flag} {value}` conflicts with `--ask`: a person judges one release at a time",
                hint=f"drop `{flag}`",
            )
    return replace(
        options,
        jobs=1,
        confirm=0 if options.confirm is None else options.confirm,
        history=HistoryKind.NONE if options.history is None else options.history,
        culprit=options.culprit is True,
    )


def _package_plan(
    options: Options,
    probe: Probe,
    metadata: ProbeMetadata,
    probe_path: str,
    wanted: Wanted,
    axes: Mapping[str, AxisTraits],
) -> Plan:
    """Return the plan of a search that has a package."""
    if not options.package:
        raise UsageError(
            "no package given",
            hint="pass PACKAGE, or set `package` in the probe's `[tool.bisect-asgi]` table",
        )
    package = parse_package(options.package)
    project = canonicalize_name(package.name)
    pinned = _pinned(package, wanted.of_probe)
    over = options.over or RELEASES
    axis = _axis(over, axes)
    dependency = axis.read_over(over, package, pinned)
    moving = {project, dependency} - {""}
    own_override, overrides = _overrides(options.override, project)
    return replace(
        _plan(options, probe, metadata, probe_path, wanted, moving=moving),
        project=project,
        extras=tuple(sorted(package.extras)),
        over=axis.name,
        dependency=dependency,
        pinned=pinned if axis.holds_package else SpecifierSet(),
        good=None if options.good is None else axis.read_end(options.good, "--good"),
        bad=None if options.bad is None else axis.read_end(options.bad, "--bad"),
        repository=options.repo,
        first_parent=options.first_parent is not False,
        releases=parse_specifiers(options.releases, "--releases") & (own_override or SpecifierSet()),
        overrides=overrides,
        is_free=own_override is not None,
        demands=_demands(wanted, project),
        claim=_claim(options),
    )


def _plan(
    options: Options,
    probe: Probe,
    metadata: ProbeMetadata,
    probe_path: str,
    wanted: Wanted,
    *,
    moving: Collection[str],
) -> Plan:
    """Return a plan with what every plan has; projects in `moving` cannot be held."""
    criteria = read_rules(options)
    if options.if_newest_fails and criteria.threshold_search:
        raise UsageError(
            f"`--if-newest-fails` needs a threshold for `{criteria.metric}`: it runs one release alone",
            hint="pass one with a unit, such as `--bad-above '250 ms'`",
        )
    limiting = [line.text for line in wanted.constraints if not _is_about(line.text, moving)]
    return Plan(
        project="",
        extras=(),
        probe=probe,
        probe_path=probe_path,
        pre=bool(options.pre),
        yanked=bool(options.yanked),
        by_upload=options.order == "upload",
        held=_held(wanted, probe, moving=moving),
        overrides=_overrides(options.override, "")[1],
        constraints=tuple(limiting),
        constraint_files=options.constraint,
        hashes=tuple(line for line in wanted.hashes if not _is_about(line.split()[0], moving)),
        own=tuple(given for given in wanted.own if given.is_built),
        copied=tuple(given for given in wanted.own if not given.is_built),
        policy=parse_policy(options.deps or PolicyKind.AS_OF_RELEASE),
        python=None if options.python is None else ",".join(parse_pythons(options.python)),
        requires_python=_requires_python(metadata, wanted),
        python_of=_python_of(metadata, wanted),
        criteria=criteria,
        sampling=measuring_of(criteria),
        app=options.app,
        include=options.include,
        jobs=cores() if options.jobs is None else options.jobs,
        most_jobs=_MOST_PER_CORE * cores() if options.jobs is None else options.jobs,
        confirm=options.confirm,
        confidence=read_confidence(options.confidence),
        budget=read_budget(options.budget),
        history=parse_history(options.history or HistoryKind.AUTO),
        if_newest_fails=bool(options.if_newest_fails),
        culprit=options.culprit is not False,
        drill=bool(options.drill),
        time_limit_s=None
        if options.time_limit is None
        else read_duration(options.time_limit, "--time-limit"),
        build_timeout_s=DEFAULT_BUILD_TIMEOUT_S
        if options.build_timeout is None
        else read_duration(options.build_timeout, "--build-timeout"),
        fresh=bool(options.fresh),
        question=options.ask or "",
        undone=options.undo,
        term_old=options.term_old or "good",
        term_new=options.term_new or "bad",
    )


def _axis(over: str, axes: Mapping[str, AxisTraits]) -> AxisTraits:
    """Return the axis that `--over` names; a name that is none of them is a dependency's."""
    named = axes.get(over)
    return named if named and named.is_option else axes[DEPENDENCY]


def cores() -> int:
    """Return how many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # only Linux has it
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _check_together(plan: Plan, options: Options, axis: AxisTraits) -> None:
    if plan.good is not None and plan.bad is not None and axis.is_same_end(plan.good, plan.bad):
        raise UsageError(
            f"`--good` and `--bad` are the same: `{options.good}`",
            hint="pass two different ones, or one alone",
        )
    for option, value in (("--deps", options.deps), ("--python", options.python)):
        if value is not None and axis.replaces == option:
            raise UsageError(
                f"`{option} {value}` conflicts with `--over {axis.name}`", hint="drop one of them"
            )
    if plan.repository is not None and not (axis.has_repository or plan.drill):
        raise UsageError(
            f"`--repo {plan.repository}` has no effect without `--over commits` or `--drill`",
            hint="add one of them, or drop `--repo`",
        )
    if plan.criteria.match is not None and plan.criteria.any_failure:
        raise UsageError("`--match` conflicts with `--any-failure`", hint="drop one of them")
    if plan.term_old == plan.term_new:
        raise UsageError(
            f"`--term-old` and `--term-new` are the same word: `{plan.term_old}`", hint="choose two words"
        )


def parse_policy(text: str) -> DependencyPolicy:
    """Read `as-of-release`, `latest`, `as-of 2022-01-10` or `as-of 2022-01-10T12:00`.

    Raises:
        UsageError: `text` is none of them.
    """
    try:
        match text.split(maxsplit=1):
            case [PolicyKind.AS_OF_RELEASE | PolicyKind.LATEST as kind]:
                return DependencyPolicy(kind=PolicyKind(kind))
            case [PolicyKind.AS_OF, moment]:
                return DependencyPolicy(kind=PolicyKind.AS_OF, moment=parsing.read_moment(moment.strip()))
    except ValueError as error:
        raise malformed("--deps", text, _POLICY_FORM) from error
    raise malformed("--deps", text, _POLICY_FORM)


_MOST_PER_CORE = 5
"""Trials in parallel for each core if trials mostly wait; each needs memory of its own.

With ten on two cores, a hundred releases are searched in two rounds after both ends; with eight, in three.
"""
_POLICY_FORM = "`as-of-release`, `latest`, `as-of 2022-01-10` or `as-of 2022-01-10T12:00`"


def _pinned(package: Requirement, of_probe: Sequence[str]) -> SpecifierSet:
    """Return the releases of the package that may be installed: the given ones, else those of the probe."""
    own = (parse_requirement(text, "the probe's dependencies") for text in of_probe)
    stated = (r.specifier for r in own if canonicalize_name(r.name) == canonicalize_name(package.name))
    return package.specifier or next(stated, SpecifierSet())


def _held(wanted: Wanted, probe: Probe, *, moving: Collection[str]) -> tuple[str, ...]:
    """Return the held requirements: those of `--with`, and those of the probe that these do not replace.

    A served app also needs a server. A probe that can run by itself requires the package under test. That
    requirement is dropped, because the package's releases are the candidates. That of a file or a project
    becomes a demand.
    """
    stated = [parse_requirement(text, "--with") for text in wanted.stated]
    stated += [Requirement(given.requirement) for given in wanted.own if given.is_built]
    if both := [text for text in stated if canonicalize_name(text.name) in moving]:
        raise UsageError(
            f"`{both[0].name}` is searched, and cannot be held as well",
            hint="drop it from `--with`, or limit its range with `--releases`",
        )
    replaced = {*moving, *(canonicalize_name(requirement.name) for requirement in stated)}
    own = [parse_requirement(text, "the probe's dependencies") for text in wanted.of_probe]
    kept = [requirement for requirement in own if canonicalize_name(requirement.name) not in replaced]
    lines = [parse_requirement(line.text, line.of) for line in wanted.lines]
    kept += [requirement for requirement in lines if canonicalize_name(requirement.name) not in moving]
    names = {*moving, *(canonicalize_name(requirement.name) for requirement in kept + stated)}
    served = [Requirement(SERVER)] if probe.served and SERVER not in names else []
    return tuple(dict.fromkeys(str(requirement) for requirement in kept + stated + served))


def _is_about(text: str, names: Collection[str]) -> bool:
    return canonicalize_name(Requirement(text).name) in names


def _demands(wanted: Wanted, project: str) -> tuple[Demand, ...]:
    """Return the demands of files, and of projects that are not built, on the package.

    A pin in a file is no demand: a tool has recorded today's version, and the search varies that version.
    """
    lines = [
        line
        for line in (*wanted.lines, *wanted.constraints)
        if not (line.is_file and pinned_version(line.text))
    ]
    found = [demand_in(line.text, project, of=line.of) for line in lines]
    # The requirements of the wheel count. Those without a marker are known before an interpreter is chosen.
    for given in wanted.own:
        own = (text for text in given.requires if Requirement(text).marker is None)
        found += [demand_in(text, project, of=f"`{given.project.name}`") for text in own if given.is_built]
    return tuple(dict.fromkeys(demand for demand in found if demand))


def _requires_python(metadata: ProbeMetadata, wanted: Wanted) -> SpecifierSet:
    """Return the Pythons that the probe and the user's projects ask for."""
    found = parse_specifiers(metadata.requires_python, "requires-python")
    for given in wanted.own:
        found &= parse_specifiers(given.requires_python, f"requires-python of `{given.project.given}`")
    return found


def _python_of(metadata: ProbeMetadata, wanted: Wanted) -> str:
    """Return who asks for Pythons, as messages show it."""
    projects = [f"`{given.project.name}`" for given in wanted.own if given.requires_python]
    return listing([*(["the probe"] if metadata.requires_python or not projects else []), *projects])


def _overrides(said: tuple[str, ...], package: str) -> tuple[SpecifierSet | None, tuple[str, ...]]:
    """Return the override of the package itself, or None, and the other overrides.

    Raises:
        UsageError: it has one release of the package, which is what the search varies.
    """
    overrides = [parse_requirement(text, "--override") for text in said]
    own = [override for override in overrides if canonicalize_name(override.name) == package]
    for override in own:
        if pinned_version(str(override)):
            raise UsageError(
                f"`--override {override}` names one release of the package itself",
                hint=f"name releases by `--good`, `--bad` or `--releases`; `--override {override.name}` "
                "has each of them installed whatever requires another one",
            )
    others = tuple(str(override) for override in overrides if override not in own)
    return (own[0].specifier if own else None), others


def _claim(options: Options) -> Claim | None:
    if options.fixed_in is not None and options.broken_in is not None:
        raise UsageError(
            "a claim is `--fixed-in` or `--broken-in`, not both", hint="verify them one after the other"
        )
    source = options.source or ""
    if options.fixed_in is not None:
        return Claim(version=str(parse_version(options.fixed_in, "--fixed-in")), fixed=True, source=source)
    if options.broken_in is not None:
        return Claim(version=str(parse_version(options.broken_in, "--broken-in")), fixed=False, source=source)
    return None


def parse_history(said: float | str) -> History:
    """Read the value of `--history`: a word, or a time.

    Raises:
        UsageError: it is neither.
    """
    kinds = {kind.value: kind for kind in HistoryKind if kind is not HistoryKind.TIME}
    if said in kinds:
        return History(kind=kinds[str(said)])
    form = "`auto`, `all`, `none`, or a time, such as `30 s` or `2 min`"
    seconds = read_duration(said, "--history", form=form, least=0)
    return History(kind=HistoryKind.TIME, seconds=seconds)
