"""The inputs of a batch: bags, pairs of videos and pairs of folders, by path, folder or pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lut_fuse_core.atomic import keep_apart
from lut_fuse_core.batch.storage import MANIFEST, is_remote, list_once, location
from lut_fuse_core.errors import InputError

Kind = Literal["bag", "videos", "folders"]

BAG_SUFFIXES = (".mcap", ".db3")
"""Suffixes of the files of bags; stated here, too, as this module needs no package for bags."""

_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Source:
    """Where inputs are looked for.

    Attributes:
        visible: Path or pattern of bags, or of folders with bags; with ``infrared`` of visible
            videos or folders. Also an address such as ``s3://bucket/folder``.
        infrared: Path or pattern of infrared videos or folders, whose wildcards must stand for the
            same as those of ``visible``; None for bags.
    """

    visible: str
    infrared: str | None = None


@dataclass(frozen=True)
class BatchInput:
    """One input.

    Attributes:
        kind: A bag, a pair of videos or a pair of folders.
        paths: The bag, or the visible and the infrared video or folder; absolute.
        target: Path of its output below the output folder.
    """

    kind: Kind
    paths: tuple[Path, ...]
    target: Path

    def __str__(self) -> str:
        return " + ".join(map(str, self.paths))


def find_inputs(sources: Sequence[Source], output: Path, base: Path) -> list[BatchInput]:
    """Find all inputs.

    Args:
        sources: Where to look.
        output: Folder of the outputs; what lies in it is no input.
        base: Folder that relative paths start from.

    Returns:
        The inputs, sorted by `target`.

    Raises:
        InputError: If nothing matches, a pattern is not valid, an input is found twice, two inputs
            would have one output, or the output is an input.
    """
    folder = output.resolve()
    if not is_remote(output) and output.exists() and not output.is_dir():
        raise InputError(f"{output} is a file; a batch writes a folder")
    found: list[BatchInput] = []
    for source in sources:
        matches = list(_of(source, base))
        here = [each for each in matches if not _within(each, folder)]
        if not here and matches:
            raise InputError(
                f"{output} holds all inputs that match '{source.visible}'; choose another output"
            )
        if not here:
            raise InputError(f"nothing to fuse matches '{source.visible}'")
        found += here
    _check(found, output)
    return sorted(found, key=lambda each: each.target)


def _check(found: Sequence[BatchInput], output: Path) -> None:
    inputs: dict[tuple[Path, ...], BatchInput] = {}
    targets: dict[Path, BatchInput] = {}
    for each in found:
        resolved = tuple(path.resolve() for path in each.paths)
        same = inputs.setdefault(resolved, each)
        if same is not each:
            also = "" if str(same) == str(each) else f", also as {same}"
            raise InputError(f"{each} is an input twice{also}; name it once")
        other = targets.setdefault(each.target, each)
        if other is not each:
            raise InputError(f"{other} and {each} would both be written to {output / each.target}")
        keep_apart(output, each.paths, ("is", "lies in"))


def _within(found: BatchInput, folder: Path) -> bool:
    return all(folder in path.resolve().parents for path in found.paths)


def _of(source: Source, base: Path) -> Iterator[BatchInput]:
    if source.infrared is not None:
        yield from _pairs(source.visible, source.infrared, base)
        return
    for root, path in _matches(source.visible, base):
        if _is_bag(path):
            yield _bag(path, root)
        elif path.is_dir():
            yield from (_bag(each, path) for each in _bags_in(path))
        elif not _WILD.search(source.visible):
            raise InputError(f"{path} is no bag, and no folder with bags")


def _bag(path: Path, root: Path) -> BatchInput:
    relative = _mirrored(path, root)
    return BatchInput("bag", (path,), relative.with_suffix("") if path.is_file() else relative)


def _mirrored(path: Path, root: Path) -> Path:
    """Where an input lies below its root."""
    return Path(str(path).removeprefix(str(root)).lstrip("/") if path != root else path.name)


def _bags_in(folder: Path) -> Iterator[Path]:
    """The bags in a folder and its subfolders; the files in a bag's folder are parts of it.

    Outputs of another batch are no inputs, unless their folder itself is named.
    """
    if not folder.name.startswith(".") and _is_bag(folder):
        yield folder
        return
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.name.startswith(".") and not (path / MANIFEST).exists():
            if not _leads_back(path):
                yield from _bags_in(path)
        elif path.suffix in BAG_SUFFIXES and not path.name.startswith("."):
            yield path


def _leads_back(path: Path) -> bool:
    """Whether a folder is a link to one that it lies in."""
    return path.is_symlink() and path.resolve() in path.parent.resolve().joinpath("_").parents


def _is_bag(path: Path) -> bool:
    """Whether a file is one of a bag, or a folder is that of a bag: it has metadata.yaml."""
    return (path / "metadata.yaml").exists() or (path.is_file() and path.suffix in BAG_SUFFIXES)


def _pairs(visible: str, infrared: str, base: Path) -> Iterator[BatchInput]:
    """Pairs of videos or folders whose wildcards stand for the same."""
    from lut_fuse_core.io.video_reader import VIDEO_SUFFIXES

    expression = _expression(infrared, base)
    partners = {}
    for _, path in _matches(infrared, base):
        match = expression.fullmatch(str(path))
        if match is not None:
            partners[match.groups()] = path
    expression = _expression(visible, base)
    for root, path in _matches(visible, base):
        match = expression.fullmatch(str(path))
        partner = partners.get(match.groups()) if match is not None else None
        if partner is None or partner == path:
            raise InputError(f"{path} has no infrared partner like '{infrared}'")
        relative = _mirrored(path, root)
        if path.is_dir():
            yield BatchInput("folders", (path, partner), relative)
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            yield BatchInput("videos", (path, partner), relative.with_suffix(".mp4"))
        else:
            raise InputError(f"{path} is neither a video nor a folder of images")


def _matches(pattern: str, base: Path) -> Iterator[tuple[Path, Path]]:
    """Paths like a pattern, each with the folder below which its output mirrors it."""
    parts = pattern.split("/")
    wild = next((number for number, part in enumerate(parts) if _WILD.search(part)), len(parts))
    root = location("/".join(parts[:wild]) or ("/" if pattern.startswith("/") else "."), base)
    if is_remote(root):
        list_once(root)
    if wild < len(parts):
        try:
            matches = sorted(root.glob("/".join(parts[wild:])))
        except (ValueError, NotImplementedError) as error:
            raise InputError(f"'{pattern}' is no pattern that can be used: {error}") from None
        for match in matches:
            yield root, match
    elif root.exists():
        yield root.parent, root
    else:
        raise InputError(f"there is no {root}")


def _expression(pattern: str, base: Path) -> re.Pattern[str]:
    """The pattern as a regular expression with a group for every wildcard."""
    whole = str(location(pattern, base))
    parts = re.split(r"(\*\*/|\*|\?|\[[^\]]*\])", whole)
    words = {"**/": "((?:.*/)?)", "*": "([^/]*)", "?": "([^/])"}
    return re.compile(
        "".join(
            words.get(part) or (_one_of(part) if index % 2 else re.escape(part))
            for index, part in enumerate(parts)
        )
    )


def _one_of(part: str) -> str:
    """The wildcard ``[abc]`` or ``[!abc]`` of a pattern, as a group."""
    return f"([^{part[2:]})" if part.startswith("[!") else f"({part})"
