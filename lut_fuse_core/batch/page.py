"""The page of a batch: throughput, failures by cause, thumbnails, outliers."""

from __future__ import annotations

import base64
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from html import escape
from statistics import median

from lut_fuse_core.batch.manifest import Row
from lut_fuse_core.batch.outcome import METRICS
from lut_fuse_core.evaluation.report.document import html_document

OUTLIER = 3.5
"""Robust z-score from which on a value is an outlier (Iglewicz and Hoaglin, 1993)."""

LEAST = 8
"""Fewest values among which one can be an outlier."""

WORST = 12
"""Most outliers on the page."""

SHOWN = 24
"""Most thumbnails on the page; of more outputs they are an even selection."""

TILES = (
    ".tiles { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, "
    "minmax(320px, 1fr)); } .tiles figure { margin: 0; }"
)
"""Style of the thumbnails."""


def cause(error: str) -> str:
    """The cause of a failure: its sentence without paths and numbers.

    Args:
        error: The sentence.

    Returns:
        At most 160 characters, with ``...`` for a path and ``#`` for a number.
    """
    text = re.sub(r"\S*/\S*", "...", error)
    return re.sub(r"\d+(\.\d+)?", "#", text)[:160]


def outliers(rows: Sequence[Row]) -> list[tuple[Row, str, float, float]]:
    """Find outputs whose metrics are far from those of the others.

    Args:
        rows: All outputs.

    Returns:
        Row, name of the metric, value and median of all, the worst first.
    """
    found = []
    for name in METRICS:
        known = [row for row in rows if name in row.metrics]
        if len(known) < LEAST:
            continue
        values = [row.metrics[name] for row in known]
        middle = median(values)
        distances = [abs(value - middle) for value in values]
        spread = median(distances)
        if spread > 0:
            scores = [0.6745 * distance / spread for distance in distances]
            found += [
                (score, row, name, row.metrics[name], middle)
                for row, score in zip(known, scores, strict=True)
                if score > OUTLIER
            ]
    found.sort(key=lambda each: -each[0])
    return [(row, name, value, middle) for _, row, name, value, middle in found]


def render(rows: Sequence[Row], name: str, thumbnail: Callable[[str], bytes]) -> str:
    """The page as self-contained HTML.

    Args:
        rows: What is known of the outputs.
        name: Heading of the page.
        thumbnail: Returns the thumbnail of an output as JPEG; called for those that are shown.
    """
    pictures = _pictures(rows, thumbnail)
    heading = f"<h1>{escape(name)}</h1>"
    sections = [heading, _summary(rows), _failures(rows), _outliers(rows), pictures, _all(rows)]
    return html_document(name, sections, style=TILES)


def _summary(rows: Sequence[Row]) -> str:
    by_state: dict[str, int] = defaultdict(int)
    for row in rows:
        by_state[row.state] += 1
    done = [row for row in rows if row.state in ("fused", "partly")]
    pairs, busy = sum(row.pairs for row in done), sum(row.seconds for row in done)
    finished = [row.finished for row in done]
    starts = [row.finished - row.seconds for row in done]
    span = max(finished) - min(starts) if done else 0.0
    size = _bytes(sum(row.size for row in done))
    states = ", ".join(f"{count} {state}" for state, count in sorted(by_state.items()))
    speed = "nothing fused yet"
    if busy and span:
        speed = (
            f"{pairs / span:.1f} pairs per second in all, {pairs / busy:.1f} in each process, "
            f"from the first start to the last end: {_duration(span)}"
        )
    return (
        f'<p class="soft">{len(rows)} inputs: {states or "none"}. {pairs} pairs of {size}; '
        f"{speed}.</p>"
    )


def _bytes(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _failures(rows: Sequence[Row]) -> str:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.error:
            groups[f"{row.state}: {cause(row.error)}"].append(row)
    if not groups:
        return "<h2>Failures</h2><p>None.</p>"
    lines = "".join(
        f'<tr><td>{len(group)}</td><td class="meaning">{escape(words)}<br><small>'
        f"{escape(', '.join(row.output for row in group[:3]))}"
        f"{', ...' if len(group) > 3 else ''}</small></td></tr>"
        for words, group in sorted(groups.items(), key=lambda item: -len(item[1]))
    )
    return f"<h2>Failures by cause</h2><table><tbody>{lines}</tbody></table>"


def _outliers(rows: Sequence[Row]) -> str:
    found = outliers(rows)
    if not found:
        return ""
    lines = "".join(
        f'<tr><td class="left">{escape(row.output)}</td><td>{name}</td><td>{value:g}</td>'
        f"<td>{middle:g}</td></tr>"
        for row, name, value, middle in found[:WORST]
    )
    count = f"The worst {WORST} of {len(found)}. " if len(found) > WORST else ""
    meanings = "; ".join(f"{name}: {words}" for name, words in METRICS.items())
    return (
        f'<h2>Outliers</h2><p class="soft">{count}Measured on a few fused images of each input. '
        f"{meanings}.</p>"
        "<table><thead><tr><th>output</th><th>metric</th><th>here</th><th>median of all</th></tr>"
        f"</thead><tbody>{lines}</tbody></table>"
    )


def _pictures(rows: Sequence[Row], thumbnail: Callable[[str], bytes]) -> str:
    shown = [row for row in rows if row.pictured]
    strange = [row for row, *_ in outliers(rows) if row.pictured]
    step = -(-len(shown) // SHOWN) or 1
    chosen = dict.fromkeys(row.output for row in (*strange[:8], *shown[::step]))
    tiles = "".join(
        f'<figure><img alt="visible, infrared, fused" src="data:image/jpeg;base64,'
        f'{base64.b64encode(thumbnail(name)).decode()}"><figcaption>{escape(name)}'
        f"</figcaption></figure>"
        for name in list(chosen)[:SHOWN]
    )
    return f'<h2>Visible, infrared, fused</h2><div class="tiles">{tiles}</div>' if tiles else ""


def _all(rows: Sequence[Row]) -> str:
    lines = "".join(
        f'<tr><td class="left">{escape(row.output)}</td><td>{row.state}</td><td>{row.pairs}</td>'
        f"<td>{row.seconds:.1f}</td>"
        + "".join(f"<td>{row.metrics.get(name, '')}</td>" for name in METRICS)
        + f'<td class="meaning">{escape(row.error)}</td></tr>'
        for row in rows
    )
    heads = "".join(f"<th>{name}</th>" for name in METRICS)
    return (
        "<details><summary>All outputs</summary><table id='pairs'><thead><tr><th>output</th>"
        f"<th>state</th><th>pairs</th><th>seconds</th>{heads}<th>error</th></tr></thead><tbody>"
        f"{lines}</tbody></table></details>"
    )
