"""What a supervised command writes: its tail, its metrics, its encoding."""

from __future__ import annotations

from pathlib import Path

from support.supervised import python, supervise

from bisect_asgi.backend.process.run import TAIL_BYTES
from bisect_asgi.core.metrics import MarkedLines

# --- What the command says


def test_lines_of_metrics_are_kept_from_both_streams_however_long_the_output(tmp_path: Path) -> None:
    code = """
import os
os.write(1, b"@metric startup 0.25 s\\n@met")
os.write(1, b"ric size 3 B\\n")
for _ in range(100):
    os.write(2, b"e" * 10_000)
os.write(2, b"\\n@metric end 1")
"""

    marked = MarkedLines()
    run = supervise(tmp_path, python(code), on_chunk=marked.add)

    assert marked.end() == ("@metric startup 0.25 s", "@metric size 3 B", "@metric end 1")
    assert len(run.output_tail) == TAIL_BYTES


def test_ten_megabytes_on_two_streams_do_not_hang_and_only_the_tail_is_kept(tmp_path: Path) -> None:
    code = """
import os
for _ in range(500):
    os.write(1, b"o" * 10_000)
    os.write(2, b"e" * 10_000)
os.write(1, b"the end")
"""
    seen: list[str] = []

    run = supervise(tmp_path, python(code), on_output=seen.append)

    assert run.exit_code == 0
    assert len(run.output_tail) == TAIL_BYTES
    assert run.output_tail.endswith("eeeethe end")
    assert sum(len(text) for text in seen) == 500 * 20_000 + len("the end")


def test_the_tail_is_the_end_of_what_was_written_to_the_byte(tmp_path: Path) -> None:
    run = supervise(tmp_path, python(f"import os; os.write(1, b'a' * 1_000 + b'b' * {TAIL_BYTES})"))

    assert run.output_tail == "b" * TAIL_BYTES


def test_both_streams_are_one_text_in_the_order_of_writing(tmp_path: Path) -> None:
    run = supervise(tmp_path, python("import os; [os.write(n, b'%d' % n) for n in (1, 2, 2, 1)]"))

    assert run.output_tail == "1221"


def test_bytes_that_are_no_utf_8_are_shown_as_replaced(tmp_path: Path) -> None:
    run = supervise(tmp_path, python(r"import os; os.write(1, b'caf\xe9 caf\xc3\xa9 \xff\n')"))

    assert run.output_tail == "caf� café �\n"


def test_a_character_written_in_two_halves_is_seen_whole(tmp_path: Path) -> None:
    code = r"""
import os, time
os.write(1, b"tea\ncaf\xc3")
while not os.path.exists("seen"):
    time.sleep(0.01)
os.write(1, b"\xa9")
"""
    seen: list[str] = []

    def watch(text: str) -> None:
        seen.append(text)
        (tmp_path / "seen").touch()

    supervise(tmp_path, python(code), on_output=watch)

    assert "".join(seen) == "tea\ncafé"
