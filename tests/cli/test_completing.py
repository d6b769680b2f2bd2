"""What a completion knows of this machine: cached versions, and what probes say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bisect_asgi.cli.completing import lines, sources
from bisect_asgi.core.plan.completing import Completion


def test_packages_and_versions_are_the_cached_ones(tmp_path: Path) -> None:
    folder = tmp_path / "index" / "versions"
    folder.mkdir(parents=True)
    (folder / "my-demo").write_text("1.0\t2021-01-01\n1.1\t-\n")
    known = sources(tmp_path)

    assert list(known.packages()) == ["my-demo"]
    assert list(known.versions("My.Demo")) == [("1.1", "-"), ("1.0", "2021-01-01")]


@pytest.mark.parametrize(
    "name", ["other", "../../secret", "", "x" * 300], ids=["none", "path", "empty", "long"]
)
def test_what_is_not_there_is_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("1.0\n")
    (tmp_path / "index" / "versions").mkdir(parents=True)

    assert list(sources(tmp_path).versions(name)) == []
    assert list(sources(tmp_path / "none").packages()) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param('# package = "demo"\nprint("@metric growth 3 B")', ("demo", ("growth",)), id="both"),
        pytest.param("# metric = 'p95'\n", ("", ("p95",)), id="metric-of-the-table"),
        pytest.param("import demo\n", ("", ()), id="neither"),
    ],
)
def test_a_probe_names_its_package_and_metrics(
    tmp_path: Path, text: str, found: tuple[str, tuple[str, ...]]
) -> None:
    probe = tmp_path / "probe.py"
    probe.write_text(text)

    assert sources(tmp_path).named_in(str(probe)) == found
    assert sources(tmp_path).named_in(str(tmp_path)) == ("", ())


def test_an_answer_is_a_line_for_each_word() -> None:
    hostile = Completion(values=(("1.0", "a\tb\x1b"), ("1.1", "")), paths="files")

    assert lines(hostile) == ["files", "value\t1.0\ta b�", "value\t1.1\t"]
