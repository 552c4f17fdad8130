"""An audit of data for people: a table for the terminal, a description, a page with thumbnails."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import cv2
import numpy as np

from mlp.data.audit.findings import COMPARED, KINDS, Audit, Finding
from mlp.data.audit.remarks import of_depth, understood
from mlp.data.images.decoding import decode
from mlp.errors import UnreadableImage
from mlp.escaping import csv_text, line
from mlp.escaping import markdown as _escape
from mlp.report.page import render
from mlp.report.summary import columns

_SHOWN = 60  # findings of a kind with thumbnails; the CSV has all
_THUMBNAIL = 96


def headline(audit: Audit) -> str:
    """One sentence: what is wrong, the worst first."""
    name, count = line(audit.index.name), len(audit.index.table)
    if not audit.findings:
        return f"{name}: {count} images, nothing to report."
    worst = [f"{len(audit.of(kind))} x {KINDS[kind]}" for kind in KINDS if audit.of(kind)]
    return f"{name}: {count} images. {'; '.join(worst[:3])}{'; ...' if len(worst) > 3 else ''}."


def terminal(audit: Audit) -> str:
    """Findings by kind with the first few names, and the images by class and split."""
    rows = []
    for kind, meaning in KINDS.items():
        found = audit.of(kind)
        if found:
            first = [line(" = ".join(f.paths) if f.paths else f.reason) for f in found[:2]]
            more = f" and {len(found) - 2} more" if len(found) > 2 else ""
            rows.append([meaning, str(len(found)), "; ".join(first) + more])
    lines = [headline(audit), *_understood(audit), ""]
    if rows:
        width = max(len(row[0]) for row in rows)
        lines += [f"{count:>6}  {meaning:<{width}}  {first}" for meaning, count, first in rows]
        lines.append("")
    return "\n".join([*lines, columns(*_counts(audit)), "", *_facts(audit)])


def _counts(audit: Audit) -> tuple[list[str], list[list[str]]]:
    splits = [str(split) for split in audit.counts.columns]
    rows = [
        [str(cls), *(str(count) for count in counts)]
        for cls, counts in zip(audit.counts.index, audit.counts.to_numpy(), strict=True)
    ]
    return ["class", *splits], rows


def _facts(audit: Audit) -> list[str]:
    def numbers(values: tuple[float, ...]) -> str:
        return ", ".join(f"{value:.3f}" for value in values)

    facts = [
        "size: " + ", ".join(f"{name} {pixels}" for name, pixels in audit.sizes.items()),
        f"mean by channel (red, green, blue; 0 to 1): {numbers(audit.mean)}",
        f"standard deviation by channel: {numbers(audit.std)}",
    ]
    if audit.small:
        facts.append(
            f"{audit.small} images are smaller than {COMPARED} pixels: too small to tell whether "
            "two show the same picture, so only equal pixels were looked for"
        )
    return facts + [line(remark) for remark in of_depth(audit.index)]


def _understood(audit: Audit) -> list[str]:
    """How a folder or list was read, in one line; none for other sources."""
    return [line(said) for said in understood(audit.index) if said.kind.startswith("layout")]


def markdown(audit: Audit) -> str:
    """The description of the audit's run."""
    lines = [f"## {_escape(headline(audit))}", "", *map(_escape, _understood(audit)), ""]
    lines += ["| finding | how many |", "| --- | ---: |"]
    lines += [
        f"| {meaning} | {len(audit.of(kind))} |"
        for kind, meaning in KINDS.items()
        if audit.of(kind)
    ]
    headings, rows = _counts(audit)
    lines += [
        "",
        f"| {' | '.join(map(_escape, headings))} |",
        f"| --- |{' ---: |' * (len(headings) - 1)}",
    ]
    lines += [f"| {' | '.join(map(_escape, row))} |" for row in rows]
    return "\n".join([*lines, "", *(f"- {_escape(fact)}" for fact in _facts(audit))])


def table_csv(audit: Audit) -> str:
    """A row for each image of each finding: kind, number of the finding, path and what it is."""
    rows = audit.index.table.set_index("path")
    made: list[tuple[object, ...]] = [
        ("kind", "finding", "path", "class", "split", "sha256", "reason")
    ]
    for number, finding in enumerate(audit.findings, start=1):
        for path in finding.paths or ("",):
            about = list(rows.loc[path, ["class", "split", "sha256"]]) if path else ["", "", ""]
            made.append((finding.kind, number, path, *about, finding.reason))
    return csv_text(made)


def html(audit: Audit) -> str:
    """One page with thumbnails of what was found."""
    sections = [
        (meaning, len(audit.of(kind)), list(_pictured(audit, audit.of(kind)[:_SHOWN])))
        for kind, meaning in KINDS.items()
        if audit.of(kind)
    ]
    headings, rows = _counts(audit)
    return render(
        "audit.html.j2",
        title=f"Audit of {audit.index.name}",
        headline=headline(audit),
        sections=sections,
        shown=_SHOWN,
        headings=headings,
        rows=rows,
        facts=[*_understood(audit), *_facts(audit)],
    )


Picture = tuple[str, str, str]  # path, split and class, JPEG in base64


def _pictured(audit: Audit, findings: list[Finding]) -> Iterator[tuple[str, list[Picture]]]:
    """Each finding's reason, and its images where they can be shown."""
    rows = audit.index.table.set_index("path")
    for finding in findings:
        pictures = []
        for path in finding.paths:
            where = " ".join(
                part for part in (rows.at[path, "split"], rows.at[path, "class"]) if part
            )
            pictures.append((path, where, _thumbnail(audit, path)))
        yield finding.reason, pictures


def _thumbnail(audit: Audit, path: str) -> str:
    try:
        image = decode(audit.index.read(path), _THUMBNAIL, False, audit.index.depth)
    except (UnreadableImage, OSError):
        return ""
    encoded = cv2.imencode(".jpg", np.ascontiguousarray(image[..., ::-1]))[1]
    return base64.b64encode(encoded.tobytes()).decode()
