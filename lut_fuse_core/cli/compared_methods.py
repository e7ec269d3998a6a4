"""What `lut-fuse evaluate` has in common for detectors and segmenters."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lut_fuse_core import Fuser
from lut_fuse_core.cli.progress import note
from lut_fuse_core.errors import InputError
from lut_fuse_core.evaluation.evaluate import FuseFiles, fused_by, fused_in
from lut_fuse_core.evaluation.image_kinds import about_orphans, image_kinds
from lut_fuse_core.evaluation.report.page import Subject


def compared_methods(options: argparse.Namespace) -> dict[str, FuseFiles]:
    """The models and folders of ``--compare``.

    Args:
        options: Parsed options of `lut-fuse evaluate`.

    Returns:
        How each method fuses, by its name.

    Raises:
        InputError: For a name that is taken, or a model or folder that cannot be used.
    """
    methods: dict[str, FuseFiles] = {}
    for text in options.compare:
        name, _, source = text.partition("=")
        if not name or not source:
            raise InputError(f"--compare {text} is not NAME=MODEL or NAME=FOLDER")
        if name in (*image_kinds({}), "fused") or name in methods:
            raise InputError(f"--compare {text}: '{name}' is taken; choose another name")
        path = Path(source)
        methods[name] = (
            fused_in(path) if path.is_dir() else fused_by(Fuser(source, options.backend))
        )
    return methods


def of_one_name(what: str, names: Sequence[str]) -> None:
    """Refuse two networks with one name, which a table could not tell apart.

    Args:
        what: Kind of network, in plural.
        names: Their names.

    Raises:
        InputError: If a name is repeated.
    """
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two {what} are called '{name}'; rename one of the files")


def print_json(subject: Subject, study: Mapping[str, Any], orphans: Sequence[str]) -> None:
    """Print a study as JSON.

    Args:
        subject: What was measured.
        study: Results, for `json.dumps`.
        orphans: Names of labels without a pair.
    """
    head = {"dataset": subject.dataset, "method": subject.method}
    print(json.dumps({**head, **study, "labels_without_pair": list(orphans)}, allow_nan=False))


def print_text(subject: Subject, tables: str) -> None:
    """Print a study as text.

    Args:
        subject: What was measured.
        tables: Results.
    """
    print(f"{subject.dataset}, fused by {subject.method}\n{tables}")


def note_left_out(left_out: Mapping[str, str]) -> None:
    """Name labeled pairs that could not be read.

    Args:
        left_out: Reasons by name.
    """
    for name, reason in left_out.items():
        note(f"left out {name}: {reason}")


def note_orphans(orphans: Sequence[str], options: argparse.Namespace) -> None:
    """Name labels without a pair, unless only some of the pairs were chosen.

    Args:
        orphans: Their names.
        options: Parsed options of `lut-fuse evaluate`.
    """
    if orphans and options.only is None and options.limit is None:
        note(about_orphans(orphans))
