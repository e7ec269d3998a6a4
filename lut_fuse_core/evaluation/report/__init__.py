"""One self-contained HTML page about an evaluation: no scripts, fonts or images from elsewhere."""

from lut_fuse_core.evaluation.report.page import Subject, render_page

__all__ = ["Subject", "render_page"]
