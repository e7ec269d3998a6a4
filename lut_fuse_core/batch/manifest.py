"""The manifest of a batch: an SQLite database beside the outputs, readable while it is written."""

from __future__ import annotations

import fcntl
import json
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lut_fuse_core.batch.contents import content_hash, extent, what_is_missing
from lut_fuse_core.batch.outcome import Outcome
from lut_fuse_core.batch.storage import MANIFEST, is_remote, location
from lut_fuse_core.batch.task import Task
from lut_fuse_core.errors import InputError, LutFuseError

_TABLE = """
CREATE TABLE IF NOT EXISTS outputs(
  output TEXT PRIMARY KEY, input TEXT NOT NULL, kind TEXT NOT NULL,
  size INTEGER, modified INTEGER, digest TEXT,
  settings TEXT, model TEXT, version TEXT,
  state TEXT NOT NULL, pairs INTEGER, metrics TEXT, seconds REAL, error TEXT,
  finished REAL, thumbnail BLOB, receipt TEXT, files TEXT)
"""


_COLUMNS = (
    "output, input, kind, size, modified, digest, settings, model, version, state, pairs, metrics, "
    "seconds, error, finished, thumbnail, receipt, files"
)


@dataclass(frozen=True)
class Recipe:
    """What an output depends on besides its input.

    Attributes:
        settings: All settings, and hashes of the files that they name, as JSON.
        model: SHA-256 of the model file.
        version: Version of this program.
    """

    settings: str
    model: str
    version: str


@dataclass(frozen=True)
class Row:
    """What the manifest says of an output.

    Attributes:
        output: Path below the output folder.
        size: Size of the input, bytes.
        state: ``running``, ``fused``, ``partly`` or ``failed``.
        pairs: Number of pairs that were written.
        metrics: Means over the sampled images by name, see `METRICS`.
        seconds: Duration in seconds; 0 while it is running.
        error: Why it failed, or what was not used; empty otherwise.
        finished: When it ended, seconds since 1970; 0 while it is running.
        pictured: Whether it has a thumbnail.
    """

    output: str
    size: int
    state: str
    pairs: int
    metrics: dict[str, float]
    seconds: float
    error: str
    finished: float
    pictured: bool


class Manifest:
    """The database of a batch. Use as a context manager.

    Args:
        folder: Folder of the database; made where it is missing.

    Raises:
        InputError: If another batch is writing there, or the database is no manifest.
        OSError: If the folder cannot be written, or files in it cannot be locked.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = (folder / ".batch.lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise InputError(f"another batch is writing to {folder}; wait for its end") from None
        except OSError as error:
            self._lock.close()
            error.filename = str(folder)
            raise
        self._database = sqlite3.connect(folder / MANIFEST, isolation_level=None)
        try:
            self._database.execute("PRAGMA journal_mode=WAL")
            # Workers wait while a row is written, and not for the disk as well: what a loss of
            # power takes from the manifest is done again.
            self._database.execute("PRAGMA synchronous=NORMAL")
            self._database.execute(_TABLE)
            self._database.execute(f"SELECT {_COLUMNS} FROM outputs LIMIT 0")
        except sqlite3.Error as error:
            self.close()
            raise _no_manifest(folder, error) from None

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the database, and let other batches write."""
        self._database.close()
        self._lock.close()

    def start(self, task: Task, output: str, recipe: Recipe) -> None:
        """Note that a task is running; which files its output has stays known.

        Args:
            task: The task.
            output: Path of its output below the output folder.
            recipe: What the output depends on.

        Raises:
            LutFuseError: If the database cannot be written.
            OSError: If the input cannot be read.
        """
        size, modified = extent(task.input.paths)
        self._write(
            "INSERT OR REPLACE INTO outputs(output, input, kind, size, modified, settings, model, "
            "version, receipt, state, files) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, 'running', "
            "(SELECT files FROM outputs WHERE output=?))",
            (
                *(output, json.dumps([str(path) for path in task.input.paths]), task.input.kind),
                *(size, modified, recipe.settings, recipe.model, recipe.version),
                *(None if task.receipt is None else str(task.receipt), output),
            ),
        )

    def finish(self, output: str, outcome: Outcome) -> None:
        """Note the outcome of a task.

        Args:
            output: Path of its output below the output folder.
            outcome: The outcome.

        Raises:
            LutFuseError: If the database cannot be written.
        """
        self._write(
            "UPDATE outputs SET state=?, pairs=?, metrics=?, seconds=?, error=?, digest=?, "
            "finished=?, thumbnail=?, files=COALESCE(?, files) WHERE output=?",
            (
                *(outcome.state, outcome.pairs, json.dumps(outcome.metrics)),
                *(round(outcome.seconds, 3), outcome.error, outcome.digest, time.time()),
                *(outcome.thumbnail, json.dumps(outcome.files) if outcome.files else None, output),
            ),
        )

    def flush(self) -> None:
        """Move everything from the write-ahead log into the database's own file."""
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def under_way(self) -> list[tuple[str, Path]]:
        """Outputs and receipts of the tasks that were started and are not known to have ended."""
        rows = self._database.execute(
            "SELECT output, receipt FROM outputs WHERE state='running' AND receipt IS NOT NULL"
        )
        return [(output, location(receipt, Path())) for output, receipt in rows.fetchall()]

    def files(self, output: str) -> dict[str, int]:
        """The files of an output when it was last written.

        Args:
            output: Path below the output folder.

        Returns:
            Their sizes, see `sizes_of`; empty if it never was.
        """
        row = self._database.execute(
            "SELECT files FROM outputs WHERE output=?", (output,)
        ).fetchone()
        return json.loads((row and row[0]) or "{}")  # type: ignore[no-any-return]

    def thumbnail(self, output: str) -> bytes:
        """The thumbnail of an output.

        Args:
            output: Path below the output folder.

        Returns:
            JPEG; empty if it has none.
        """
        row = self._database.execute(
            "SELECT thumbnail FROM outputs WHERE output=?", (output,)
        ).fetchone()
        return (row and row[0]) or b""

    def rows(self) -> list[Row]:
        """What is known of all outputs, sorted by their names."""
        rows = self._database.execute(
            "SELECT output, size, state, pairs, metrics, seconds, error, finished, "
            "length(thumbnail) > 0 FROM outputs ORDER BY output"
        )
        return [
            Row(
                output, size or 0, state, pairs or 0, json.loads(metrics or "{}"), seconds or 0.0,
                error or "", finished or 0.0, bool(pictured),
            )
            for output, size, state, pairs, metrics, seconds, error, finished, pictured in rows
        ]  # fmt: skip

    def why(self, task: Task, output: str, recipe: Recipe) -> str | None:
        """Why a task is to be run; see the function `why`."""
        return why(self._database, task, output, recipe)

    def _write(self, query: str, values: tuple[Any, ...]) -> None:
        try:
            self._database.execute(query, values)
        except sqlite3.Error as error:
            raise LutFuseError(f"cannot write the manifest: {error}") from error


def why(database: sqlite3.Connection | None, task: Task, output: str, recipe: Recipe) -> str | None:
    """Why a task is to be run.

    Args:
        database: The manifest; None if there is none yet.
        task: The task.
        output: Path of its output below the output folder.
        recipe: What the output depends on now.

    Returns:
        The reason in a few words; None if the output is whole and nothing has changed.

    Raises:
        OSError: If the input cannot be read.
    """
    row = None
    if database is not None:
        row = database.execute(
            "SELECT input, size, modified, digest, settings, model, version, state, files "
            "FROM outputs WHERE output=?",
            (output,),
        ).fetchone()
    if row is None:
        return "new"
    paths, size, modified, digest, settings, model, version, state, files = row
    if state == "running":
        return "interrupted"
    if state == "failed":
        return "failed before"
    if not task.target.exists():
        return "its output is missing"
    for name, before, now in (
        ("settings", settings, recipe.settings),
        ("model", model, recipe.model),
        ("version", version, recipe.version),
    ):
        if before != now:
            return f"another {name}" if name != "settings" else "other settings"
    if paths != json.dumps([str(path) for path in task.input.paths]):
        return "another input"
    if (size, modified) != extent(task.input.paths) and (
        any(map(is_remote, task.input.paths)) or digest != content_hash(task.input.paths)
    ):
        return "its input has changed"
    return what_is_missing(task.target, json.loads(files or "{}"))


def open_to_read(folder: Path) -> sqlite3.Connection | None:
    """Open the manifest in a folder for reading; nothing is written.

    Args:
        folder: The folder.

    Returns:
        The database; None if there is none.

    Raises:
        InputError: If it is no manifest.
    """
    if not (folder / MANIFEST).exists():
        return None
    database = sqlite3.connect(f"{(folder / MANIFEST).absolute().as_uri()}?mode=ro", uri=True)
    try:
        database.execute(f"SELECT {_COLUMNS} FROM outputs LIMIT 0")
    except sqlite3.Error as error:
        database.close()
        raise _no_manifest(folder, error) from None
    return database


def _no_manifest(folder: Path, error: sqlite3.Error) -> InputError:
    return InputError(f"{folder / MANIFEST} is no manifest of a batch ({error}); move it away")
