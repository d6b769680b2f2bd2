"""Plans that compare two lock files."""

from __future__ import annotations

import pytest
from support.builders import make_plan, probe

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan import (
    LOCKS,
    LockText,
    Plan,
)
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.tables import ProbeMetadata

OLD_LOCK, NEW_LOCK = LockText(name="old.txt", text="alpha==1\n"), LockText(name="new.txt", text="alpha==2\n")


def test_two_lock_files_are_compared_whatever_package_the_probe_names() -> None:
    options = Options(
        package="fastapi",
        good="0.69",
        bad="0.69.0",
        releases="nonsense",
        repo="../fastapi",
        over="starlette",
        history="all",
        fixed_in="0.70",
        jobs=3,
        with_=("h11",),
    )

    plan = make_plan(options, probe(), ProbeMetadata(), probe_path="leak.py", locks=(OLD_LOCK, NEW_LOCK))

    assert plan == Plan(
        project="",
        extras=(),
        probe=probe(),
        probe_path="leak.py",
        over=LOCKS,
        locks=(OLD_LOCK, NEW_LOCK),
        held=("h11",),
        jobs=3,
        most_jobs=3,
    )


def test_two_lock_files_need_no_package() -> None:
    plan = make_plan(Options(jobs=1), probe(), ProbeMetadata(), locks=(OLD_LOCK, NEW_LOCK))

    assert (plan.project, plan.over, plan.named) == ("", LOCKS, "")


@pytest.mark.parametrize("name", ["any", "Any", "fastapi"])
def test_beside_two_lock_files_any_project_can_be_held_or_overridden(name: str) -> None:
    options = Options(package="fastapi", with_=(f"{name}==1",), override=(f"{name}==1",))

    plan = make_plan(options, probe(), ProbeMetadata(), locks=(OLD_LOCK, NEW_LOCK))

    assert (plan.held, plan.overrides) == ((f"{name}==1",), (f"{name}==1",))


def test_the_other_options_of_a_comparison_of_locks_are_checked() -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(Options(effect="5%"), probe(), ProbeMetadata(), locks=(OLD_LOCK, NEW_LOCK))

    assert str(caught.value) == "`--effect 5%` has no effect without a metric"
