"""The frame that every HTML page has, and how a page gets into its file."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path

from lut_fuse_core.atomic import atomic_write
from lut_fuse_core.evaluation.report.style import SCRIPT, STYLE


def html_document(
    title: str, sections: Iterable[str], *, style: str = "", sortable: bool = False
) -> str:
    """A page that needs nothing from elsewhere.

    Args:
        title: Of the window, plain text.
        sections: Its body, HTML.
        style: Rules beside those that all pages share, CSS.
        sortable: Whether a click on a head of the table of pairs sorts it.
    """
    script = f"<script>{SCRIPT}</script>" if sortable else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head>"
        f"<body>{''.join(sections)}{script}</body></html>\n"
    )


def write_page(path: Path, page: str) -> None:
    """Write a page as a whole or not at all.

    Args:
        path: Of the file.
        page: HTML; a file name in it may hold bytes that are no text.

    Raises:
        OSError: If it cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="replace")
