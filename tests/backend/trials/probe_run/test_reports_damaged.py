"""Whatever a run leaves where its reports are read, there is an observation of it that can be kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import probe
from support.mutations import mutated

from bisect_asgi.backend.process.run import Run
from bisect_asgi.backend.trials import junit, probe_run, reports
from bisect_asgi.core import codec
from bisect_asgi.core.metrics import MarkedLines, of_lines
from bisect_asgi.core.model import Observation
from bisect_asgi.core.records import replace

EXCEPTION = (
    b'{"type": "ValueError", "message": "too old", "importing": false, "frames": [["leak.py", 3, "main"]]}'
)
JUNIT = b'<testsuite tests="1"><testcase name="test_a"><failure>E</failure></testcase></testsuite>'
LEFT = {
    "peak-7.txt": b"1048576",
    "imported-7.txt": b"/env/lib/demo.py\n/env/lib/dep.py\n",
    "exception-7.json": EXCEPTION,
    "stacks-7.txt": b'Thread 0x1:\n  File "leak.py", line 3 in main\n',
    "metrics.json": b'{"growth": "8 MiB", "rate": 3}',
    "junit.xml": JUNIT,
}
CONTENTS = {name: mutated(content) | st.binary(max_size=50) for name, content in LEFT.items()}


@given(st.fixed_dictionaries({}, optional=CONTENTS), st.sampled_from([0, 1, 125, -9, None]), st.booleans())
def test_whatever_is_reported_is_an_observation_that_can_be_kept(
    tmp_path_factory: pytest.TempPathFactory, left: dict[str, bytes], exit_code: int | None, is_command: bool
) -> None:
    folder = tmp_path_factory.mktemp("report")
    ran = Run(
        pid=7,
        exit_code=exit_code,
        timed_out=exit_code is None,
        wall_s=1.0,
        cpu_s=1.0,
        peak_bytes=1,
        output_tail=left.get("stacks-7.txt", b"").decode(errors="replace"),
    )
    asked = replace(probe(), command="pytest", script=None) if is_command else probe()
    with reports.opened(folder) as report:
        for name, content in left.items():
            (folder / name).write_bytes(content)

        seen = probe_run._observe(asked, ran, report)
        seen = probe_run._with_reported(seen, probe_run._reported(MarkedLines(), report))
        list(probe_run._imported(report))
        junit.read(report)

    assert codec.from_json(codec.to_json(seen), Observation) == seen


@given(mutated(b"@metric growth 8 MiB\nsome text\n@metric rate 3\n") | st.binary(max_size=80))
def test_whatever_is_printed_reports_metrics_or_none(output: bytes) -> None:
    marked = MarkedLines()
    marked.add(output)

    assert all(isinstance(value, float) for value in of_lines(marked.end()).values.values())
