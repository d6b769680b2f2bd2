"""What pytest prints if something keeps it from its tests."""

from __future__ import annotations

import pytest

from bisect_asgi.core.judge.runners import pytest as pytest_output
from bisect_asgi.core.judge.tracebacks import FailingTest

SITE = "/cache/env/lib/python3.12/site-packages"
STDLIB = "/usr/lib/python3.12"


COLLECTING = """\
==================================== ERRORS ====================================
________________________ ERROR collecting test_app.py _________________________
ImportError while importing test module '/srv/test_app.py'.
Hint: make sure your test modules/packages have valid Python names.
Traceback:
/usr/lib/python3.12/importlib/__init__.py:90: in import_module
    return _bootstrap._gcd_import(name[level:], package, level)
<frozen importlib._bootstrap>:1387: in _gcd_import
    ???
test_app.py:1: in <module>
    import nosuchmodule
E   ModuleNotFoundError: No module named 'nosuchmodule'
=========================== short test summary info ============================
ERROR test_app.py
!!!!!!!!!!!!!!!!!!!! Interrupted: 1 error during collection !!!!!!!!!!!!!!!!!!!!
=============================== 1 error in 0.32s ===============================
"""


SYNTAX = """\
==================================== ERRORS ====================================
_________________________ ERROR collecting test_app.py _________________________
test_app.py:9: in <module>
    import pool
E     File "/srv/pool.py", line 1
E       def f(:
E             ^
E   SyntaxError: invalid syntax
"""


CONFTEST = """\
ImportError while loading conftest '/srv/sub/conftest.py'.
sub/conftest.py:1: in <module>
    import nosuchmodule
E   ModuleNotFoundError: No module named 'nosuchmodule'
"""


INTERNAL = f"""\
collected 1 item
INTERNALERROR> Traceback (most recent call last):
INTERNALERROR>   File "{SITE}/_pytest/main.py", line 213, in wrap_session
INTERNALERROR>     session.exitstatus = doit(config, session) or 0
INTERNALERROR>
INTERNALERROR> During handling of the above exception, another exception occurred:
INTERNALERROR>
INTERNALERROR> Traceback (most recent call last):
INTERNALERROR>   File "/srv/conftest.py", line 1, in pytest_runtest_protocol
INTERNALERROR>     raise TypeError("oops")
INTERNALERROR> TypeError: oops

========================= no tests ran in 0.02 seconds =========================
"""


INTERRUPTED = """\
test_app.py

!!!!!!!!!!!!!!!!!!!!!!!!!!!!!! KeyboardInterrupt !!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!
/srv/test_app.py:1: KeyboardInterrupt
(to show a full traceback on KeyboardInterrupt use --full-trace)
============================ no tests ran in 0.73s =============================
"""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param(
            COLLECTING,
            FailingTest(
                name="test_app.py",
                step="collecting",
                type="ModuleNotFoundError",
                message="No module named 'nosuchmodule'",
                frames=(
                    (f"{STDLIB}/importlib/__init__.py", 90, "import_module"),
                    ("<frozen importlib._bootstrap>", 1387, "_gcd_import"),
                    ("test_app.py", 1, "<module>"),
                ),
            ),
            id="collecting",
        ),
        pytest.param(
            SYNTAX,
            FailingTest(
                name="test_app.py",
                step="collecting",
                type="SyntaxError",
                message="invalid syntax",
                frames=(("test_app.py", 9, "<module>"),),
            ),
            id="syntax-error",
        ),
        pytest.param(
            CONFTEST,
            FailingTest(
                name="conftest.py",
                step="collecting",
                type="ModuleNotFoundError",
                message="No module named 'nosuchmodule'",
                frames=(("sub/conftest.py", 1, "<module>"),),
            ),
            id="conftest",
        ),
        pytest.param(
            INTERNAL,
            FailingTest(
                step="internal error",
                type="TypeError",
                message="oops",
                frames=(("/srv/conftest.py", 1, "pytest_runtest_protocol"),),
            ),
            id="internal-error",
        ),
        pytest.param(
            INTERRUPTED,
            FailingTest(type="KeyboardInterrupt", frames=(("/srv/test_app.py", 1, ""),)),
            id="interrupted",
        ),
        pytest.param(
            "=== FAILURES ===\n!!! Exit: enough !!!\n",
            FailingTest(type="Exit", message="enough"),
            id="sections-without-a-test",
        ),
    ],
)
def test_what_keeps_pytest_from_its_tests_is_read(output: str, expected: FailingTest) -> None:
    assert pytest_output.failing_tests(output) == (expected,)
