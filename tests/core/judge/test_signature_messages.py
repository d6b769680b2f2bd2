"""Messages: what may differ between two sights of one failure is taken out, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bisect_asgi.core.judge.signature import normalize


@pytest.mark.parametrize(
    ("message", "normal"),
    [
        pytest.param("expected 200, got 500", "expected N, got N", id="numbers"),
        pytest.param("needs starlette 0.37.2", "needs starlette N", id="versions"),
        pytest.param("took 0.25 s", "took <time>", id="times"),
        pytest.param("used 12.5 MiB", "used <size>", id="sizes"),
        pytest.param("see https://a.org/2.5/x.", "see <url>", id="urls"),
        pytest.param(
            "cannot open '/tmp/probe-x1/app.py': denied", "cannot open '<path>': denied", id="posix-path"
        ),
        pytest.param(r"cannot open C:\Temp\app.py", "cannot open <path>", id="windows-path"),
        pytest.param("text/html or starlette.routing", "text/html or starlette.routing", id="no-path"),
        pytest.param("  too \t many\n blanks ", "too many blanks", id="blanks"),
        pytest.param("", "", id="empty"),
        pytest.param("the limit is reached.", "the limit is reached", id="full-stop"),
        pytest.param("no space left!", "no space left", id="exclamation"),
        pytest.param("ValueError: ", "ValueError", id="nothing-behind-the-type"),
        pytest.param("one of a, b, …: ; .", "one of a, b, …", id="several-marks"),
        pytest.param("why?", "why?", id="a-question-stays"),
        pytest.param(
            "f() takes no arguments (1 given)", "f() takes no arguments (N given)", id="brackets-stay"
        ),
        pytest.param("...", "", id="marks-alone"),
    ],
)
def test_what_may_differ_between_two_sights_is_taken_out(message: str, normal: str) -> None:
    assert normalize(message) == normal


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("port 8000 is taken", "port 54321 is taken", id="port"),
        pytest.param("balance -5", "balance 12", id="sign"),
        pytest.param("off by 1e-05", "off by 0.003", id="exponent"),
        pytest.param("1,234 left", "7 left", id="thousands"),
        pytest.param("0x7f3aBC00", "0xdeadbeef", id="address"),
        pytest.param("<Foo object at 0x7f3a>", "<Foo object at 0x91bc>", id="repr"),
        pytest.param("no 'x' (/a/site-packages/b.py)", "no 'x' (/c d/b/__init__.py)", id="path-in-brackets"),
        pytest.param("no '/home/me/x'", "no '/home/my other/x'", id="path-with-a-blank-in-quotes"),
        pytest.param("in ./a/b.txt", "in ../c.txt", id="relative-path"),
        pytest.param("in pkg/filters.py", "in pkg/core/utils.py", id="relative-source-file"),
        pytest.param(r"in C:\Users\me\x", r"in D:/x", id="windows-path"),
        pytest.param("in …/jinja2/utils.py", "in /opt/x/jinja2/filters.py", id="shortened-path"),
        pytest.param("GET http://127.0.0.1:8000/a?b=1", "GET http://127.0.0.1:81/", id="url"),
        pytest.param("('127.0.0.1', 8000)", "('127.0.0.1', 54321)", id="address-and-port"),
        pytest.param("localhost:8000 refused", "localhost:8001 refused", id="host-and-port"),
        pytest.param("needs 1.2.3rc1", "needs 2.0", id="pre-release"),
        pytest.param("needs v2.0.dev5+g1234abc", "needs v1.10", id="development-version"),
        pytest.param("needs 1.0.post1", "needs 2!1.0".replace("2!", ""), id="post-release"),
        pytest.param("python3.11 only", "python3.12 only", id="interpreter"),
        pytest.param("after 12.3ms", "after 1.5 s", id="time-in-other-units"),
        pytest.param("after 1min 3s", "after 59 seconds", id="time-in-two-units"),
        pytest.param("after 0:00:12", "after 1:03:00.25", id="time-of-a-clock"),
        pytest.param("at 2024-01-02", "at 2025-10-12", id="date"),
        pytest.param("at 2024-01-02T03:04:05.1+00:00", "at 2025-10-12 03:04:05Z", id="date-and-time"),
        pytest.param("at Mon, 01 Jan 2024 00:00:01 GMT", "at Tue, 12 Nov 2024 10:20:30 GMT", id="http-date"),
        pytest.param("used 900 KiB", "used 1.5 GiB", id="memory"),
        pytest.param(
            "id 123e4567-e89b-12d3-a456-426614174000", "id abcdefab-cdef-abcd-efab-cdefabcdefab", id="uuid"
        ),
        pytest.param("blob e3b0c44298fc1c14", "blob 98fc1c149afbf4c8", id="hash"),
        pytest.param("no table tmpab12cd_x", "no table tmpz9y8x7w6", id="temporary-name"),
        pytest.param("in Thread-3", "in Thread-12", id="thread"),
        pytest.param("in ThreadPoolExecutor-0_1", "in ThreadPoolExecutor-3_0", id="thread-of-a-pool"),
        pytest.param("<Task pending name='Task-4'>", "<Task pending name='Task-17'>", id="task"),
        pytest.param("lambda_140234711 failed", "lambda_139872348 failed", id="identity-in-a-name"),
        pytest.param("process 123 died", "process 45678 died", id="process"),
        pytest.param("unknown {'b', 'a'}", "unknown {'a', 'b'}", id="set"),
        pytest.param("frozenset({'b', 'a'})", "frozenset({'a', 'b'})", id="frozen-set"),
    ],
)
def test_two_sights_of_one_failure_are_the_same(one: str, other: str) -> None:
    assert normalize(one) == normalize(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("No module named 'a1'", "No module named 'b1'", id="module"),
        pytest.param("No module named 'httpx'", "No module named 'httpx2'", id="module-with-a-digit"),
        pytest.param("No module named 'h11'", "No module named 'h2'", id="modules-that-differ-in-digits"),
        pytest.param(
            "No module named 'pydantic.v1'", "No module named 'pydantic.v2'", id="version-in-a-name"
        ),
        pytest.param("unknown encoding: utf8", "unknown encoding: utf16", id="encoding"),
        pytest.param("no attribute 'app'", "no attribute 'router'", id="attribute"),
        pytest.param("unexpected argument 'proxies'", "unexpected argument 'proxy'", id="argument"),
        pytest.param("Client.close() failed", "BaseClient.close() failed", id="qualified-name"),
        pytest.param("expected text/html", "expected text/plain", id="media-type"),
        pytest.param("expected </b>", "expected </i>", id="tag"),
        pytest.param(r"got '\r\n'", r"got '\t'", id="escapes-are-no-paths"),
        pytest.param("key '/'", "key '/a'", id="root"),
        pytest.param("line of deadbeef", "line of facade", id="words-of-hexadecimal-letters"),
        pytest.param("no tmp_folder", "no tmpdirectory", id="names-that-begin-like-temporary-ones"),
        pytest.param("{'a': 'b', 'c': 'd'}", "{'c': 'd', 'a': 'b'}", id="a-dictionary-has-an-order"),
        pytest.param("after 5 s", "after 5 MB", id="time-and-size"),
        pytest.param("x86_64 only", "aarch64 only", id="architecture"),
    ],
)
def test_different_names_stay_different(one: str, other: str) -> None:
    assert normalize(one) != normalize(other)


NAMES = st.from_regex(r"\A[a-z]{1,4}[0-9]{0,2}(\.[a-z]{1,4})?\Z")
NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(str),
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)).map(
        lambda n: "{}.{}.{}".format(*n)
    ),
)
PATHS = st.lists(st.from_regex(r"\A[A-Za-z0-9_.~-]*[A-Za-z]\Z"), min_size=1, max_size=4).map(
    lambda parts: "/" + "/".join(parts)
)
KINDS = st.sampled_from([NAMES, NUMBERS, PATHS])
BETWEEN = st.sampled_from([" ", " = ", ", ", " (", ") ", ": ", "=", " '", "' "])


@given(st.data(), st.lists(st.tuples(KINDS, BETWEEN), max_size=6))
def test_other_numbers_and_paths_make_no_difference(
    data: st.DataObject, parts: list[tuple[st.SearchStrategy[str], str]]
) -> None:
    names = [data.draw(NAMES) for _ in parts]

    def worded() -> str:
        words = [
            name if kind is NAMES else data.draw(kind) for name, (kind, _) in zip(names, parts, strict=True)
        ]
        return "".join(f"{word}{between}" for word, (_, between) in zip(words, parts, strict=True))

    assert normalize(worded()) == normalize(worded())


@given(NAMES, NAMES)
def test_two_names_are_one_only_where_they_are_equal(one: str, other: str) -> None:
    same = normalize(f"No module named '{one}'") == normalize(f"No module named '{other}'")

    assert same == (one == other)


@given(st.text(alphabet="aNvrcb0159 ./\\:-_+'\"<>{},()xTZstmp…~\n", max_size=40) | st.text())
def test_to_normalise_twice_is_to_normalise_once(message: str) -> None:
    once = normalize(message)

    assert normalize(once) == once
