"""WebDataset shards: tar files in which the files of a frame follow one another."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lut_fuse_core.export.examples import Example, ImageSettings

SHARD_BYTES = 1 << 30
"""Bytes after which a shard ends."""


def write_shards(folder: Path, examples: Iterable[Example], images: ImageSettings) -> None:
    """Write ``PART-000000.tar`` and so on, with an image of each kind and ``json`` for each frame.

    Args:
        folder: Folder to write to, empty.
        examples: The frames; their boxes are written to the JSON as ``[x0, y0, x1, y1]``, pixels.
        images: Which images are written, and how.

    Raises:
        ModuleNotFoundError: If the package webdataset is not installed.
        OSError: If a file cannot be written.
    """
    from webdataset import ShardWriter

    writers: dict[str, Any] = {}
    try:
        for part, frame, boxes in examples:
            if part not in writers:
                pattern = str(folder / f"{part}-%06d.tar").replace(
                    str(folder), str(folder).replace("%", "%%")
                )
                writers[part] = ShardWriter(
                    pattern, maxcount=100_000, maxsize=SHARD_BYTES, verbose=0
                )
            facts: dict[str, Any] = {"recording": frame.recording, "time": frame.time}
            if boxes is not None:
                facts["boxes"] = [
                    {"class": box.name, "box": list(box[1:5]), "crowd": box.crowd} for box in boxes
                ]
            files = {f"{kind}{images.suffix}": images.encoded(frame, kind) for kind in images.kinds}
            # What follows a point in a key would be taken for the file's extension.
            key = frame.name.replace(".", "_")
            writers[part].write({"__key__": key, **files, "json": facts})
    finally:
        for writer in writers.values():
            writer.close()
