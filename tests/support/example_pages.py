"""A page with every part, and pages full of a hostile text."""

from __future__ import annotations

from bisect_asgi.report.page import (
    Cause,
    Comparison,
    Excerpt,
    Fact,
    Page,
    Reproduction,
    Table,
)

PAGE = Page(
    title="demo broke in 1.2 (2024-03-01)",
    hint="pass another `--bad`",
    facts=(Fact("Last good", "1.1: passed 4 of 4 runs"), Fact("History", "run it with `--history all`")),
    fixes=("demo<1.2", "dep<2"),
    excerpts=(Excerpt(title="demo 1.2 fails: AssertionError", text="Traceback\nAssertionError"),),
    status=Table(
        header=("Release", "Verdict", "Details"),
        rows=(("1.0 … 1.1", "good", "2 releases: inferred"), ("1.2", "bad", "AssertionError")),
        kinds=("good", "bad"),
        keys=((0, 1), (2,)),
        more=((), (Excerpt(title="Installed", text="demo==1.2 dep==2.0"),)),
    ),
    causes=(
        Cause(
            title="demo 1.1 → demo 1.2",
            sentences=("demo 1.1 is bad with dep 2.0",),
            combinations=Table(header=("Combination", "Verdict"), rows=(("demo 1.1 with dep 2.0", "bad"),)),
            below=(Cause(title="dep 2.0 is the first bad release"),),
        ),
    ),
    comparisons=(
        Comparison(
            title="What changed in dep 1.0 → 2.0",
            lines=("requires six (added)", "1 file differs: +1 -1"),
            diffs=(Excerpt(title="dep/core.py", text="--- a\n+++ b\n@@ -1 +1 @@\n-old\n+new"),),
            changelog="2.0\n- a change",
            links=(Fact("source", "https://example.org/dep"),),
        ),
    ),
    packages=Table(header=("Package", "1.1", "1.2"), rows=(("dep", "1.0", "2.0"), ("six", "–", "1.16"))),
    probe=Excerpt(title="leak.py", text="import demo\nassert demo.ok", language="python"),
    reproductions=(
        Reproduction(title="demo 1.2 (bad)", ways=(Fact("uv", "uv venv env &&\nenv/bin/python leak.py"),)),
    ),
    check="bisect-asgi check demo==1.2 --probe leak.py",
    excluded=Table(header=("Releases", "Reason"), rows=(("1.3b1", "pre-release"),)),
    footer="bisect-asgi 1.0, 2024-05-01",
)


def page_full_of(text: str) -> Page:
    """Return a page that has the text in every place that a probe, a package or an index can fill."""
    excerpt, fact = Excerpt(title=text, text=text), Fact(text, text)
    table = Table(header=(text, text), rows=((text, text),), kinds=("bad",), keys=((0,),), more=((excerpt,),))
    return Page(
        title=text,
        hint=text,
        facts=(fact,),
        fixes=(text,),
        excerpts=(excerpt,),
        status=table,
        causes=(Cause(title=text, sentences=(text,), combinations=table, below=(Cause(title=text),)),),
        comparisons=(Comparison(title=text, lines=(text,), diffs=(excerpt,), changelog=text, links=(fact,)),),
        packages=table,
        probe=excerpt,
        reproductions=(Reproduction(title=text, ways=(fact,)),),
        check=text,
        excluded=table,
        footer=text,
    )
