"""An audit of data for people: a table for the terminal, a description, a page with thumbnails."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from mlp.data.audit.findings import COMPARED, KINDS, REASONS, Audit, Finding
from mlp.data.audit.remarks import of_depth, understood
from mlp.data.thumbnail import thumbnail
from mlp.escaping import csv_text, line
from mlp.escaping import markdown as _escape
from mlp.evidence.document import document
from mlp.languages import LANGUAGES
from mlp.report.blocks import Gallery, Grid, Section, Text
from mlp.report.page import markdown as _markdown
from mlp.report.page import page
from mlp.report.page import terminal as _terminal
from mlp.report.wording import Wording

_SHOWN, _SHOWN_INLINE = 60, 2  # findings of a kind with thumbnails; the CSV has all
_THUMBNAIL = 96


def headline(audit: Audit, say: Wording) -> str:
    """One sentence: what is wrong, the worst first."""
    name, count = audit.index.name, len(audit.index.table)
    if not audit.findings:
        return say("audit.clean", name=name, count=count)
    worst = [f"{len(audit.of(kind))} x {_meaning(kind, say)}" for kind in _found(audit)]
    said = "; ".join(worst[:3]) + ("; .." if len(worst) > 3 else "")
    return say("audit.headline", name=name, count=count, worst=said)


def terminal(audit: Audit, say: Wording) -> str:
    """Findings by kind with the first few names, and the images by class and split."""
    return _terminal(_sections(audit, say))


def markdown(audit: Audit, say: Wording) -> str:
    """The description of the audit's run."""
    return f"## {_escape(headline(audit, say))}\n\n{_markdown(_sections(audit, say))}"


def html(audit: Audit, say: Wording, whole: bool = True) -> str:
    """One page with thumbnails of what was found; or, if not `whole`, of a few for a notebook."""
    title = say("audit.title", name=audit.index.name)
    sections = _sections(audit, say, _SHOWN if whole else _SHOWN_INLINE)
    return page(say.lang, title, "", sections, whole=whole)


def data(audit: Audit) -> dict[str, object]:
    """The audit for programs."""
    contents = {
        "data": audit.index.name,
        "images": len(audit.index.table),
        "counts": audit.counts.to_dict(),
        "findings": [
            {"kind": f.kind, "paths": f.paths, "reason": f.reason} for f in audit.findings
        ],
    }
    return document("audit", contents)


def table_csv(audit: Audit) -> str:
    """A row for each image of each finding, below a heading."""
    return csv_text(table(audit))


def table(audit: Audit) -> list[tuple[object, ...]]:
    """A row for each image of each finding, below a heading.

    They have its kind, its number, the path and what that is.
    """
    rows = audit.index.table.set_index("path")
    made: list[tuple[object, ...]] = [
        ("kind", "finding", "path", "class", "split", "sha256", "reason")
    ]
    for number, finding in enumerate(audit.findings, start=1):
        for path in finding.paths or ("",):
            about = list(rows.loc[path, ["class", "split", "sha256"]]) if path else ["", "", ""]
            made.append((finding.kind, number, path, *about, finding.reason))
    return made


def _sections(audit: Audit, say: Wording, most: int = _SHOWN) -> list[Section]:
    layout = [say.remark(r) for r in understood(audit.index) if r.kind.startswith("layout")]
    head = headline(audit, say)
    first: list[Text | Grid] = [
        Text([head], "verdict"),
        Text([head, *layout], where=("terminal",)),
    ]
    if layout:
        first.append(Text(layout, where=("markdown",)))
    kinds = [(kind, audit.of(kind)) for kind in _found(audit)]
    if kinds:
        named = [(_meaning(kind, say), str(len(found))) for kind, found in kinds]
        counted = [
            (count, meaning, _examples(found, say))
            for (meaning, count), (_, found) in zip(named, kinds, strict=True)
        ]
        headings = (say("audit.finding"), say("audit.count"))
        shown = (headings[1], headings[0], say("audit.first"))
        first.append(Grid(shown, counted, 3, ("terminal",)))
        first.append(Grid(headings, named, where=("markdown",)))
    rows = audit.index.table.set_index("path")[["split", "class"]]
    known = rows.to_dict("index")
    pictured = [_pictured(audit, kind, found, known, say, most) for kind, found in kinds]
    counts = [
        [str(cls), *map(str, numbers)]
        for cls, numbers in zip(audit.counts.index, audit.counts.to_numpy(), strict=True)
    ]
    facts = _facts(audit, say)
    last: list[Text | Grid] = [
        Grid([say("audit.class"), *(say.named(f"audit.{c}", c) for c in audit.counts)], counts),
        Text(facts, where=("terminal",)),
        Text(facts, "list", ("markdown",)),
        Text([*layout, *facts], "soft"),
    ]
    return [Section("", first), *pictured, Section(say("audit.classes"), last)]


def _found(audit: Audit) -> list[str]:
    """The kinds of findings that there are, the worst first."""
    return [kind for kind in KINDS if audit.of(kind)]


def _meaning(kind: str, say: Wording) -> str:
    return say.named(f"finding.{kind}", KINDS[kind])


def _reason(audit: Audit, finding: Finding, say: Wording) -> str:
    """The reason of a finding; what was passed over is said as in the remarks on the data."""

    def phrase(key: str, values: Mapping[str, object]) -> str:
        return say.named(f"reason.{key}", REASONS[key].format(**values), **values)

    beginning = f"{audit.index.name}: "
    for remark in understood(audit.index) if finding.kind == "passed_over" else ():
        if str(remark) == beginning + finding.said:
            return say.remark(remark).removeprefix(beginning)
    return LANGUAGES[say.lang].said(finding.told(say("and"), phrase))


def _examples(found: list[Finding], say: Wording) -> str:
    first = [line(" = ".join(f.paths)) or say.said(f.reason) for f in found[:2]]
    more = say("audit.more", count=len(found) - 2) if len(found) > 2 else ""
    return "; ".join(first) + more


def _facts(audit: Audit, say: Wording) -> list[str]:
    def numbers(values: tuple[float, ...]) -> str:
        return ", ".join(f"{value:.3f}" for value in values)

    sizes = [f"{say(f'size.{name}')} {pixels}" for name, pixels in audit.sizes.items()]
    facts = [
        say("audit.size", sizes=", ".join(sizes)),
        say("audit.mean", numbers=numbers(audit.mean)),
        say("audit.std", numbers=numbers(audit.std)),
    ]
    if audit.small:
        facts.append(say("audit.small", count=audit.small, side=COMPARED))
    return facts + [say.remark(remark) for remark in of_depth(audit.index)]


def _pictured(
    audit: Audit,
    kind: str,
    found: list[Finding],
    rows: Mapping[str, Mapping[str, str]],
    say: Wording,
    most: int,
) -> Section:
    """At most so many findings of a kind, with their images where they can be shown."""
    blocks: list[Text | Gallery] = []
    if len(found) > most:
        blocks.append(Text([say("audit.shown", count=most)], "soft"))
    for finding in found[:most]:
        pictures = [
            (path, " ".join(filter(None, rows[path].values())), _picture(audit, path))
            for path in finding.paths
        ]
        blocks.append(Gallery(_reason(audit, finding, say), pictures))
    return Section(f"{len(found)} \N{MULTIPLICATION SIGN} {_meaning(kind, say)}", blocks)


def _picture(audit: Audit, path: str) -> str:
    return base64.b64encode(thumbnail(audit.index, path, _THUMBNAIL)).decode()
