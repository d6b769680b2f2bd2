"""Break a command into lines that a shell takes as one."""

from __future__ import annotations

from rich.cells import cell_len

_INDENT = "  "


def continued(command: str, *, width: int, most: int) -> list[str]:
    r"""Return the lines of a command, all but the last with a `\` at the end; none if they do not fit.

    Args:
        command: the command, quoted for a shell.
        width: the width of a line in cells.
        most: the number of lines that fit.
    """
    if "\n" in command:
        return []
    if cell_len(command) <= width:
        return [command]
    lines = [""]
    for word in _words(command):
        line = f"{lines[-1]} {word}" if lines[-1].strip() else f"{lines[-1]}{word}"
        if cell_len(line) <= width - 2:
            lines[-1] = line
        else:
            lines.append(f"{_INDENT}{word}")
    if len(lines) > most or any(cell_len(line) > width - 2 for line in lines):
        return []
    return [*(f"{line} \\" for line in lines[:-1]), lines[-1]]


def _words(command: str) -> list[str]:
    """Return the quoted words of a command; an option stays on one line with its value."""
    words, open_quote = [""], ""
    for char in command:
        if char == " " and not open_quote:
            words.append("")
            continue
        words[-1] += char
        if char in "'\"" and open_quote in ("", char):
            open_quote = "" if open_quote else char
    return words
