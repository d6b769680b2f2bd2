"""`bisect-asgi releases` as a user meets it."""

from __future__ import annotations

import json
import sys

from support.shell import PYTHON, Shell


def test_releases_are_listed_with_dates_and_with_reasons_for_those_left_out(shell: Shell) -> None:
    shell.index.add_wheel("demo", "1.0", uploaded="2021-01-01")
    shell.index.add_wheel("demo", "1.1", uploaded="2021-02-01", yanked="loses data")
    shell.index.add_wheel("demo", "1.2rc1", uploaded="2021-03-01")
    shell.index.add_wheel("demo", "2.0", uploaded="2021-04-01", requires_python=">=4")

    plain = shell.run("releases", "Demo")
    with_switches = shell.run("releases", "demo", "--pre", "--yanked", "--python", PYTHON)

    assert plain.stdout.splitlines() == [
        "1.0              2021-01-01",
        "2.0              2021-04-01",
        "1.1              2021-02-01  excluded: yanked: loses data (include with `--yanked`)",
        "1.2rc1           2021-03-01  excluded: pre-release (include with `--pre`)",
    ]
    short = "{}.{}".format(*sys.version_info[:2])
    assert with_switches.stdout.splitlines() == [
        "1.0              2021-01-01",
        "1.1              2021-02-01",
        "1.2rc1           2021-03-01",
        f"2.0              2021-04-01  excluded: requires Python >=4, not {short}",
    ]


def test_releases_are_a_document(shell: Shell) -> None:
    shell.index.add_wheel("demo", "1.0", uploaded="2021-01-01")
    shell.index.add_wheel("demo", "1.1", uploaded="2021-02-01", yanked="loses data")

    document = json.loads(shell.run("releases", "Demo", "--json").stdout)
    on_one = json.loads(shell.run("releases", "demo", "--json", "--python", PYTHON).stdout)

    assert (document["schema"], document["package"]) == ("bisect-asgi.releases/1", "demo")
    assert [(each["version"], each["uploaded"][:10]) for each in document["releases"]] == [
        ("1.0", "2021-01-01")
    ]
    (out,) = document["excluded"]
    assert (out["version"], out["reason"]) == ("1.1", "yanked: loses data (include with `--yanked`)")
    assert document["python"] is None
    assert on_one["python"] == "{}.{}.{}".format(*sys.version_info[:3])
