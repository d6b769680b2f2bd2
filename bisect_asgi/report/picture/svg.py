"""Elements of SVG, and files of them."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from xml.etree import ElementTree as ET  # safe here: it only writes, and parses no text of others

from bisect_asgi.core.text import printable

Element = ET.Element

SHAPE = 7.0
"""Half the width of a mark."""


def element(tag: str, *children: Element, text: str = "", **attributes: str | float) -> Element:
    """Return an element; `_` in names stands for `-`, and a last one for nothing (`class_`)."""
    made = ET.Element(
        tag,
        {name.rstrip("_").replace("_", "-"): _value(value) for name, value in attributes.items()},
    )
    made.text = printable(text) or None
    made.extend(children)
    return made


def _value(value: str | float) -> str:
    return printable(value) if isinstance(value, str) else f"{value:.1f}".removesuffix(".0")


def label(text: str, x: float, y: float, *, anchor: str = "middle", class_: str = "") -> Element:
    """Return text at a place."""
    return element("text", text=text, x=x, y=y, text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, *, class_: str) -> Element:
    """Return a straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def rectangle(x: float, y: float, width: float, height: float, *, class_: str) -> Element:
    """Return a rectangle."""
    return element("rect", x=x, y=y, width=width, height=height, class_=class_)


def shape(kind: str, x: float, y: float, size: float = SHAPE) -> Element:
    """Return the mark of a verdict: a disc (good), a diamond (bad), a cross (skip) or a dot."""
    match kind:
        case "good":
            return element("circle", cx=x, cy=y, r=size * 0.85)
        case "bad":
            return _path(f"M{x},{y - size} L{x + size},{y} L{x},{y + size} L{x - size},{y} Z")
        case "skip":
            near = size * 0.7
            return _path(
                f"M{x - near},{y - near} L{x + near},{y + near} M{x - near},{y + near} L{x + near},{y - near}"
            )
        case _:
            return element("circle", cx=x, cy=y, r=size * 0.3)


def _path(where: str) -> Element:
    return element("path", d=where)


def picture(parts: Iterable[Element], *, width: float, height: float, title: str, class_: str) -> Element:
    """Return an `svg` element that scales with the page around it."""
    return element(
        "svg",
        element("title", text=title),
        *parts,
        class_=f"picture {class_}",
        width=width,
        viewBox=f"0 0 {width:.0f} {height:.0f}",
        role="group",
        aria_label=title,
    )


def render(made: Element) -> str:
    """Return an element as text, as HTML takes it."""
    return ET.tostring(made, encoding="unicode")


def document(made: Element) -> str:
    """Return a picture as a file of its own, with its style."""
    whole = ET.Element("svg", {**made.attrib, "xmlns": "http://www.w3.org/2000/svg"})
    style = files(__package__).joinpath("picture.css").read_text(encoding="utf-8")
    whole.append(element("style", text=f"{style}svg {{ background: var(--page) }}"))
    whole.extend(made)
    return f"{ET.tostring(whole, encoding='unicode')}\n"
