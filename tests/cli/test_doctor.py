"""`bisect-asgi doctor` of this machine, as a document."""

from __future__ import annotations

import json
import platform

from support.shell import Shell


def test_this_machine_is_a_document(shell: Shell) -> None:
    done = shell.run("doctor", "--json")

    document = json.loads(done.stdout)
    (machine,) = document["machines"]
    assert document["schema"] == "bisect-asgi.doctor/1"
    assert (done.returncode, document["exit_code"]) == (0, 0), machine["faults"]
    assert (machine["name"], machine["python"]) == (platform.node(), platform.python_version())
    assert platform.python_version() in machine["interpreters"]
    assert machine["cache"] == str(shell.cache)
