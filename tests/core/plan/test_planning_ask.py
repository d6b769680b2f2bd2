"""Plans of searches that ask a person."""

from __future__ import annotations

import pytest
from support.builders import make_plan, probe

from bisect_asgi.core.errors import UsageError
from bisect_asgi.core.plan import History, HistoryKind
from bisect_asgi.core.plan.options import Options
from bisect_asgi.core.plan.tables import ProbeMetadata


def test_a_person_is_asked_once_and_only_for_the_boundary() -> None:
    plan = make_plan(Options(package="demo", ask="is it right?", jobs=4), probe(), ProbeMetadata())

    assert (plan.question, plan.jobs, plan.most_jobs, plan.repeats) == ("is it right?", 1, 1, 0)
    assert (plan.history, plan.culprit) == (History(kind=HistoryKind.NONE), False)


def test_more_can_be_asked_of_a_person() -> None:
    options = Options(package="demo", ask="is it?", confirm=2, history="auto", culprit=True, undo=("1.0",))

    plan = make_plan(options, probe(), ProbeMetadata())

    assert (plan.repeats, plan.history, plan.culprit, plan.undone) == (2, History(), True, ("1.0",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(Options(ask=" "), "`--ask` asks nothing", id="nothing"),
        pytest.param(Options(ask="?", metric="wall"), "`--metric wall` conflicts with `--ask`", id="metric"),
        pytest.param(Options(ask="?", match="x"), "`--match x` conflicts with `--ask`", id="match"),
        pytest.param(Options(ask="?", executor="dask"), "`--executor dask` conflicts", id="executor"),
        pytest.param(Options(ask="?", python="3.8,3.9"), "`--python 3.8,3.9` conflicts", id="pythons"),
    ],
)
def test_what_a_person_cannot_do_is_refused(options: Options, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_plan(options, probe(), ProbeMetadata())


def test_one_python_is_no_conflict() -> None:
    options = Options(package="demo", ask="is it?", python="3.9")

    assert make_plan(options, probe(), ProbeMetadata()).python == "3.9"
