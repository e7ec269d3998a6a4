"""What became of a run: a file in its output folder, of the latest budget that was reached."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lut_fuse_core.atomic import atomic_write

REPORT = "report.json"


def write_report(out: Path, facts: dict[str, Any]) -> None:
    """Write it, replacing that of an earlier, shorter run."""
    with atomic_write(out / REPORT) as temporary:
        temporary.write_text(json.dumps(facts, indent=1) + "\n", "utf-8")


def read_report(out: Path) -> dict[str, Any]:
    """What `write_report` wrote; nothing if no budget was reached yet."""
    try:
        facts = json.loads((out / REPORT).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}
