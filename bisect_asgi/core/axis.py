"""What an axis says of a search, as values: reports have its words from the event log alone.

How the candidates of an axis are made is in `session.axes`, where each axis has a module of its own.
"""

from __future__ import annotations

from bisect_asgi.core.records import Struct


class AxisWords(Struct, frozen=True, kw_only=True):
    """The words of one search along an axis; what is not said otherwise is as for releases."""

    subject: str = ""
    """What the candidates belong to, written before a label; empty if the label says it all."""
    noun: str = "release"
    """What one candidate is called."""
    nouns: str = "releases"
    """What several candidates are called."""
    context: str = ""
    """What is the same for all candidates: `with fastapi==0.68.2`."""
    others: tuple[str, ...] = ()
    """Which versions the other packages have, a phrase for each group of packages."""
    title: str = "Release"
    """The title of the candidates' column in a table."""
    dated: str = "Uploaded"
    """The title of the column with the candidates' dates."""
    headline: str = "{name} is the first {verdict} {noun} {context}"
    """The result as a sentence about the first candidate of the newer side."""
    clause: str = ""
    """The result of a stage, as it ends the sentence of the whole run; empty: it is not told there."""
    is_ordered: bool = True
    """Neighbors have something in common; False: the candidates are tried in any order."""
    has_versions: bool = True
    """The labels are versions (PEP 440), so that specifiers can describe several of them."""

    def name(self, label: str) -> str:
        """Return a candidate's label with what it belongs to: `fastapi 0.69.0`."""
        return f"{self.subject} {label}".strip()

    def counted(self, count: int) -> str:
        """Return a number of candidates in words: `1 release`, `28 releases`."""
        return f"{count:,} {self.noun if count == 1 else self.nouns}"

    def sentence(self, template: str, label: str, verdict: str) -> str:
        """Fill in `headline` or `clause` for one candidate."""
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
    """What to do if an end is not what the user says of it; `{noun}` and `{end}` are filled in."""

    good_fails: str = "name another {noun} with `--good`, or none: older ones are then tried"
    bad_passes: str = (
        "the change may be later, or need another Python or other dependencies: "
        "try another `--bad`, `--python` or `--deps`"
    )
    untestable: str = "name another {noun} with `--{end}`, another `--python`, or another `--deps`"
