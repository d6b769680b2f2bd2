"""Check the options of a command and make a plan of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping

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
)
from bisect_asgi.core.plan.amounts import read_duration
from bisect_asgi.core.plan.axis_traits import AxisTraits
from bisect_asgi.core.plan.metric_options import measuring_of, read_budget, read_confidence, read_rules
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.parsing import (
    malformed,
    parse_package,
    parse_pythons,
    parse_requirement,
    parse_specifiers,
    parse_version,
)
from bisect_asgi.core.plan.tables import ProbeMetadata
from bisect_asgi.core.records import replace

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
) -> Plan:
    """Check every option and return the plan.

    Args:
        options: the command's, with those of the probe's table.
        metadata: what else the probe's table says.
        axes: all axes by name.
        probe_path: the probe as the user gave it.
        locks: the two lock files, if they are what is compared.

    Raises:
        UsageError: an option is missing, malformed or out of range; the message has its value.
    """
    if locks:
        plan = _plan(options, probe, metadata, probe_path, moving=())
        plan = replace(plan, over=LOCKS, locks=locks, history=plan.history.of_a_stage)
    else:
        plan = _package_plan(options, probe, metadata, probe_path, axes)
    _check_together(plan, options, axes[plan.over])
    return plan


def _package_plan(
    options: Options, probe: Probe, metadata: ProbeMetadata, probe_path: str, axes: Mapping[str, AxisTraits]
) -> Plan:
    """Return the plan of a search that has a package."""
    if not options.package:
        raise UsageError(
            "no package given",
            hint="pass PACKAGE, or set `package` in the probe's `[tool.bisect-asgi]` table",
        )
    package = parse_package(options.package)
    project = canonicalize_name(package.name)
    pinned = _pinned(package, metadata)
    over = options.over or RELEASES
    axis = _axis(over, axes)
    dependency = axis.read_over(over, package, pinned)
    moving = {project, dependency} - {""}
    return replace(
        _plan(options, probe, metadata, probe_path, moving=moving),
        project=project,
        extras=tuple(sorted(package.extras)),
        over=axis.name,
        dependency=dependency,
        pinned=pinned if axis.holds_package else SpecifierSet(),
        good=None if options.good is None else axis.read_end(options.good, "--good"),
        bad=None if options.bad is None else axis.read_end(options.bad, "--bad"),
        repository=options.repo,
        first_parent=options.first_parent is not False,
        releases=parse_specifiers(options.releases, "--releases"),
        overrides=_overrides(options.override, project),
        claim=_claim(options),
    )


def _plan(
    options: Options, probe: Probe, metadata: ProbeMetadata, probe_path: str, *, moving: Collection[str]
) -> Plan:
    """Return a plan with what every plan has; projects in `moving` cannot be held."""
    criteria = read_rules(options)
    return Plan(
        project="",
        extras=(),
        probe=probe,
        probe_path=probe_path,
        pre=bool(options.pre),
        yanked=bool(options.yanked),
        by_upload=options.order == "upload",
        held=_held(options.with_, metadata.dependencies, probe, moving=moving),
        overrides=_overrides(options.override, ""),
        policy=parse_policy(options.deps or PolicyKind.AS_OF_RELEASE),
        python=None if options.python is None else ",".join(parse_pythons(options.python)),
        requires_python=parse_specifiers(metadata.requires_python, "requires-python"),
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
        culprit=options.culprit is not False,
        drill=bool(options.drill),
        build_timeout_s=DEFAULT_BUILD_TIMEOUT_S
        if options.build_timeout is None
        else read_duration(options.build_timeout, "--build-timeout"),
        fresh=bool(options.fresh),
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
        raise UsageError(f"`--good` and `--bad` are the same: `{options.good}`", hint="name two, one or none")
    for option, value in (("--deps", options.deps), ("--python", options.python)):
        if value is not None and axis.replaces == option:
            raise UsageError(
                f"`{option} {value}` holds what `--over {axis.name}` moves", hint="choose one of the two"
            )
    if plan.repository is not None and not (axis.has_repository or plan.drill):
        raise UsageError(
            f"`--repo {plan.repository}` has no use here",
            hint="`--over commits` looks at commits; `--drill` goes on into them after a boundary",
        )
    if plan.criteria.match is not None and plan.criteria.any_failure:
        raise UsageError(
            "`--match` and `--any-failure` say two things about which runs are bad", hint="choose one of them"
        )
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


_MOST_PER_CORE = 4
"""Trials in parallel for each core if trials mostly wait; each needs memory of its own."""
_POLICY_FORM = "`as-of-release`, `latest`, `as-of 2022-01-10` or `as-of 2022-01-10T12:00`"


def _pinned(package: Requirement, metadata: ProbeMetadata) -> SpecifierSet:
    """Return the releases of the package that may be installed: the given ones, else those of the probe."""
    own = (parse_requirement(text, "the probe's dependencies") for text in metadata.dependencies)
    stated = (r.specifier for r in own if canonicalize_name(r.name) == canonicalize_name(package.name))
    return package.specifier or next(stated, SpecifierSet())


def _held(
    said: tuple[str, ...], of_probe: tuple[str, ...], probe: Probe, *, moving: Collection[str]
) -> tuple[str, ...]:
    """Return the held requirements: those of `--with`, and those of the probe that these do not replace.

    A served app also needs a server. A probe that runs by itself requires the package under test, whose
    releases are the candidates: that requirement is dropped.
    """
    stated = [parse_requirement(text, "--with") for text in said]
    if both := [text for text in stated if canonicalize_name(text.name) in moving]:
        raise UsageError(
            f"`{both[0].name}` is what moves; it cannot be held as well",
            hint="drop it from `--with`; `--releases` limits its range",
        )
    replaced = {*moving, *(canonicalize_name(requirement.name) for requirement in stated)}
    own = [parse_requirement(text, "the probe's dependencies") for text in of_probe]
    kept = [requirement for requirement in own if canonicalize_name(requirement.name) not in replaced]
    names = {*moving, *(canonicalize_name(requirement.name) for requirement in kept + stated)}
    served = [Requirement(SERVER)] if probe.served and SERVER not in names else []
    return tuple(str(requirement) for requirement in kept + stated + served)


def _overrides(said: tuple[str, ...], package: str) -> tuple[str, ...]:
    """Return the overrides.

    Raises:
        UsageError: one of them is about the package itself.
    """
    overrides = [parse_requirement(text, "--override") for text in said]
    for override in overrides:
        if canonicalize_name(override.name) == package:
            raise UsageError(
                f"`--override {override}` is about the package itself",
                hint="name its releases by `--good`, `--bad` or `--releases`",
            )
    return tuple(map(str, overrides))


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
    """Read how much of the history is looked at: a word, or a time.

    Raises:
        UsageError: it is neither.
    """
    kinds = {kind.value: kind for kind in HistoryKind if kind is not HistoryKind.TIME}
    if said in kinds:
        return History(kind=kinds[str(said)])
    form = "`auto`, `all`, `none`, or a time, such as `30 s` or `2 min`"
    seconds = read_duration(said, "--history", form=form, least=0)
    return History(kind=HistoryKind.TIME, seconds=seconds)
