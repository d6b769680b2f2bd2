"""The tests of a module are found by its name."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "bisect_asgi"
ROOMS = ("backend", "cli", "core", "library", "report", "session")
FILES = sorted(file.relative_to(TESTS) for room in ROOMS for file in (TESTS / room).rglob("test_*.py"))


def test_a_test_lies_where_what_it_tests_lies() -> None:
    """Its name begins with a module's or its folder's, or its folder is that of one module."""
    assert FILES
    assert not [str(file) for file in FILES if not is_in_its_place(file)]


def is_in_its_place(file: Path) -> bool:
    folder = PACKAGE / file.parent
    modules = {path.stem for path in folder.glob("*.py")} | {path.name for path in folder.glob("[a-z]*/")}
    names = {*modules, folder.name} - {"__init__"}

    is_of_one_module = folder.with_suffix(".py").exists()
    return is_of_one_module or any(f"{file.stem}_".startswith(f"test_{name}_") for name in names)
