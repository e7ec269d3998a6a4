"""The report page, section by section."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.evaluate import (
    METHODS,
    RANKING_METRICS,
    Evaluation,
    FuseFiles,
    PairScores,
    SequenceReport,
    file_normalizer,
    load_pair,
)
from lut_fuse_core.evaluation.flicker import STILL_LIMIT
from lut_fuse_core.evaluation.metrics import METRIC_MEANINGS, METRIC_NAMES
from lut_fuse_core.evaluation.report.document import html_document
from lut_fuse_core.evaluation.report.pictures import side_by_side
from lut_fuse_core.evaluation.report.plots import strip_plot
from lut_fuse_core.io.dataset import PairFiles

SHOWN_PAIRS = 3
"""How many of the best and of the worst pairs are shown."""

_LABELS = {"fused": "fused", "maximum": "maximum rule", "average": "average rule"}


@dataclass(frozen=True)
class Subject:
    """What was evaluated.

    Attributes:
        dataset: Its name.
        method: Its name.
        version: Of the program.
    """

    dataset: str
    method: str
    version: str


def render_page(
    evaluation: Evaluation, subject: Subject, pairs: Sequence[PairFiles], fuse: FuseFiles
) -> str:
    """The whole page as one HTML text.

    Args:
        evaluation: The outcome.
        subject: What was evaluated, for the heading.
        pairs: Files of all pairs; the best and the worst are read again.
        fuse: Fuses a pair of files.
    """
    sections = [
        _header(evaluation, subject),
        _summary(evaluation),
        _distributions(evaluation),
        _sequence(evaluation.sequence) if evaluation.sequence else "",
        _extremes(evaluation, {files.name: files for files in pairs}, fuse),
        _problems(evaluation),
        _all_pairs(evaluation),
        _footer(subject),
    ]
    return html_document(f"Fusion quality: {subject.dataset}", sections, sortable=True)


def _header(evaluation: Evaluation, subject: Subject) -> str:
    count = len(evaluation.pairs)
    left_out = f", {len(evaluation.problems)} left out" if evaluation.problems else ""
    return (
        f"<h1>Fusion quality on {escape(subject.dataset)}</h1>"
        f'<p class="soft">{count} pair{"s" if count != 1 else ""}{left_out} · '
        f"fused by {escape(subject.method)}</p>"
    )


def _summary(evaluation: Evaluation) -> str:
    heads = "".join(
        f'<th colspan="2"><span class="key" style="background: var(--{method})"></span>'
        f"{_LABELS[method]}</th>"
        for method in METHODS
    )
    subheads = "<th>mean</th><th>median</th>" * len(METHODS)
    means = {method: evaluation.mean(method) for method in METHODS}
    medians = {method: evaluation.median(method) for method in METHODS}
    rows = []
    for metric, meaning in METRIC_MEANINGS.items():
        cells = "".join(
            f'<td class="{method}">{means[method][metric]:.3f}</td>'
            f'<td class="soft">{medians[method][metric]:.3f}</td>'
            for method in METHODS
        )
        rows.append(
            f'<tr><td class="name">{metric}</td>{cells}<td class="meaning">{meaning}</td></tr>'
        )
    return (
        "<h2>Summary</h2><p>Every number compares the fused image with the two it was made "
        "from; higher is better. The two rules, the brighter of the two inputs and their average "
        "in each pixel, are no rivals but a yardstick: several of these metrics reward copying "
        "pixels, and with them noise, glare and seams. Read the numbers together, and look at the "
        "pictures below.</p>"
        f'<div class="scroll"><table><thead><tr class="group"><th></th>{heads}<th></th></tr>'
        f"<tr><th>metric</th>{subheads}<th></th></tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _distributions(evaluation: Evaluation) -> str:
    names = [pair.name for pair in evaluation.pairs]
    cards = []
    for metric, meaning in METRIC_MEANINGS.items():
        rows = {method: evaluation.values(method, metric) for method in METHODS}
        cards.append(
            f'<div class="card"><h3>{metric}<span>{meaning}</span></h3>'
            f"{strip_plot(rows, names)}</div>"
        )
    return (
        "<h2>Distributions</h2><p>One dot is one pair, the bar is the median. Hover over a dot for "
        f'its name.</p><div class="plots">{"".join(cards)}</div>'
    )


def _sequence(report: SequenceReport) -> str:
    rows = "".join(
        f'<tr><td class="name">{_LABELS[method]}</td><td>{flicker.visible:.2f}</td>'
        f"<td>{flicker.infrared:.2f}</td><td>{flicker.fused:.2f}</td>"
        f'<td class="{method}">{_ratio(flicker.ratio)}</td></tr>'
        for method, flicker in report.flicker.items()
    )
    fused = report.flicker["fused"]
    verdict = (
        "The fused video is no more restless than its inputs."
        if fused.ratio <= 1.0
        else "The fused video is more restless than either input."
    )
    skipped = f"; {fused.skipped} more had too few still pixels" if fused.skipped else ""
    return (
        f"<h2>Flicker</h2><p>{verdict} Mean change from frame to frame, in gray levels, of the "
        f"pixels where neither input changed by more than {STILL_LIMIT} "
        f"({fused.still_share:.0%} of the picture; {fused.steps} steps{skipped}). The ratio "
        "divides the fused image's change by that of the more restless input: 1 or less is "
        "calm.</p>"
        '<div class="scroll"><table><thead><tr><th></th><th>visible</th><th>infrared</th>'
        f"<th>fused</th><th>ratio</th></tr></thead><tbody>{rows}</tbody></table></div>"
        + _untouched(report)
    )


def _untouched(report: SequenceReport) -> str:
    if report.untouched is None:
        return ""
    streams = {name: getattr(report.untouched, name) for name in ("visible", "infrared", "fused")}
    rows = "".join(
        f'<tr><td class="name">{name}</td><td>{change.mean:.2f}</td><td>{change.worst:.2f}</td>'
        f"<td>{change.shift:.2f}</td></tr>"
        for name, change in streams.items()
    )
    return (
        "<p>In the region that the mask calls untouched "
        f"({report.untouched.share:.0%} of the picture), against the first frame, in gray levels: "
        "mean change of a pixel, that of the worst frame, and the largest shift of the region's "
        'mean brightness.</p><div class="scroll"><table><thead><tr><th></th><th>mean</th>'
        f"<th>worst</th><th>shift</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _extremes(evaluation: Evaluation, files: dict[str, PairFiles], fuse: FuseFiles) -> str:
    ranking = evaluation.ranking()
    shown = min(SHOWN_PAIRS, (len(ranking) + 1) // 2)
    worst = ranking[len(ranking) - min(shown, len(ranking) - shown) :][::-1]
    rule = ", ".join(RANKING_METRICS)
    return (
        f"<h2>Best pairs</h2><p>By their mean rank in {rule}, the five metrics of the LUT-Fuse "
        f"paper.</p>{_figures(ranking[:shown], files, fuse)}"
        + (f"<h2>Worst pairs</h2>{_figures(worst, files, fuse)}" if worst else "")
    )


def _figures(chosen: Sequence[PairScores], files: dict[str, PairFiles], fuse: FuseFiles) -> str:
    figures = []
    for pair in chosen:
        try:
            visible, infrared = load_pair(files[pair.name], file_normalizer())
            fused = fuse(files[pair.name], visible, infrared)
        except InputError as error:
            figures.append(
                f"<p>{escape(pair.name)} has become unreadable: {escape(str(error))}</p>"
            )
        else:
            figures.append(
                side_by_side(pair.name, pair.scores["fused"], (visible, infrared, fused))
            )
    return "".join(figures)


def _problems(evaluation: Evaluation) -> str:
    if not evaluation.problems:
        return ""
    rows = "".join(
        f'<tr><td class="name">{escape(problem.name)}</td>'
        f'<td class="meaning">{escape(problem.reason)}</td></tr>'
        for problem in evaluation.problems
    )
    return (
        "<h2>Left out</h2><p>These pairs could not be measured and are in none of the numbers."
        f'</p><div class="scroll"><table><tbody>{rows}</tbody></table></div>'
    )


def _all_pairs(evaluation: Evaluation) -> str:
    heads = "".join(f"<th>{metric}</th>" for metric in METRIC_NAMES)
    rows = "".join(
        f"<tr><td>{escape(pair.name)}</td>"
        + "".join(f"<td>{pair.scores['fused'][metric]:.3f}</td>" for metric in METRIC_NAMES)
        + "</tr>"
        for pair in evaluation.pairs
    )
    return (
        '<details><summary>All pairs</summary><p class="soft">Click a column to sort.</p>'
        f'<div class="scroll"><table id="pairs"><thead><tr><th>pair</th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div></details>"
    )


def _footer(subject: Subject) -> str:
    return (
        "<footer>Measured on 8-bit gray levels (BT.601 luma of color images), in the conventions "
        "of the published tables: MI Qu et al. 2002, EN Roberts et al. 2008, SSIM Wang et al. 2004 "
        "with a data range of 2, Qabf Xydeas and Petrovic 2000, SCD Aslantas and Bendes 2015, VIF "
        "Sheikh and Bovik 2006 in the pixel domain, SF Eskicioglu and Fisher 1995, AG Cui et al. "
        f"2015, CC and SD as in Ma et al. 2019. lut-fuse {escape(subject.version)}</footer>"
    )


def _ratio(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "∞"
