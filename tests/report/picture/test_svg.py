"""Elements of SVG and files of them."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from support.pictures import drawn_report

from bisect_asgi.report.picture.history import history
from bisect_asgi.report.picture.svg import document, element, render


def test_attributes_have_the_names_of_svg() -> None:
    assert render(element("text", text="a < b", class_="faint", text_anchor="end", x=1.25)) == (
        '<text class="faint" text-anchor="end" x="1.2">a &lt; b</text>'
    )


def test_a_file_is_a_picture_of_its_own_that_loads_nothing() -> None:
    text = document(history(drawn_report("gb")))
    root = ET.fromstring(text)
    namespace = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{namespace}svg"
    assert len(root.findall(f"{namespace}g")) == 2
    style = root.findtext(f"{namespace}style", "")
    assert "prefers-color-scheme: dark" in style
    assert not {"url(", "@import", "href"} & {word for word in ("url(", "@import", "href") if word in text}
