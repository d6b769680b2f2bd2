"""The words of an axis, as values that the event log has for reports.

The axes themselves, which make candidates, are in `session.axes`, one module each.
"""

from __future__ import annotations

from bisect_asgi.core.records import Struct


class AxisWords(Struct, frozen=True, kw_only=True):
    """The words for one search along an axis. The defaults are those for releases."""

    subject: str = ""
    """The thing that candidates belong to, which precedes a label, or "" if the label is enough."""
    noun: str = "release"
    """The noun for one candidate."""
    nouns: str = "releases"
    """The noun for several candidates."""
    context: str = ""
    """The packages that are the same for all candidates, such as `with fastapi==0.68.2`."""
    others: tuple[str, ...] = ()
    """The versions of the other packages, as one phrase for each group of packages."""
    title: str = "Release"
    """The title of the candidates' column in a table."""
    dated: str = "Uploaded"
    """The title of the column with the candidates' dates."""
    headline: str = "{name} is the first {verdict} {noun} {context}"
    """The result as a sentence about the first candidate of the newer side."""
    clause: str = ""
    """The result of a stage as an addition to the sentence of the run, or "" for none."""
    is_ordered: bool = True
    """Whether the order of the candidates means something."""
    has_known_ends: bool = True
    """Whether a stage begins with two candidates that were run before it."""
    has_versions: bool = True
    """Whether labels are versions (PEP 440), so that specifiers can describe ranges of them."""

    def name(self, label: str) -> str:
        """Return the name of a candidate, such as `fastapi 0.69.0`."""
        return f"{self.subject} {label}".strip()

    def counted(self, count: int) -> str:
        """Return a number of candidates with the noun: `1 release`, `28 releases`."""
        return f"{count:,} {self.noun if count == 1 else self.nouns}"

    def sentence(self, template: str, label: str, verdict: str) -> str:
        """Return `headline` or `clause`, filled in for one candidate."""
        text = template.format(
            name=self.name(label),
            label=label,
            verdict=verdict,
            subject=self.subject,
            noun=self.noun,
            context=self.context,
        )
        return text.rstrip()


class EndHints(Struct, frozen=True, kw_only=True):
    """The hints for ends with another outcome than the user gave, with `{noun}` and `{end}` to fill in."""

    good_fails: str = "pass another {noun} with `--good`, or drop `--good` to search backward"
    bad_passes: str = "pass another `--bad`, `--python` or `--deps`"
    nothing_later: str = "pass another `--python` or `--deps`"
    """Of a bad end that passes, if all that are newer were run and pass as well."""
    untestable: str = "pass another {noun} with `--{end}`, another `--python`, or another `--deps`"
