"""Damaged input files of every kind, through the whole command, and what came of them.

    python docs/development/experiments/damaged_files.py [KIND ...] [--flipped N] [--truncated N]

Each kind of file is made small, truncated at so many places and written with flipped bytes so many
times. Every variant goes through `lut-fuse fuse` or `lut-fuse bag`; one process serves all of a
kind, with its memory bounded. Whatever is no sentence, no documented exit status, or leaves
something half-written is printed; then a line for each kind. The exit status is 1 if there was any.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

REPOSITORY = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "support")]

import bags  # noqa: E402
import thermal_files as thermal  # noqa: E402
import videos  # noqa: E402

from lut_fuse_core.cli import main  # noqa: E402

MEMORY = 3 << 30
"""Bytes of address space beyond what a process has when it begins."""

SLOW = 10.0
"""Seconds of processor time that no damaged file of these sizes may take."""

COUNTS = (3000 + 40 * thermal.degrees()).astype(np.uint16)
GRAY = (COUNTS // 20).astype(np.uint8)
PREVIEW = cv2.cvtColor(cv2.applyColorMap(GRAY, cv2.COLORMAP_RAINBOW), cv2.COLOR_BGR2RGB)
PHOTO = thermal.photo(80, 60)
MOVING = [np.roll(np.tile(GRAY[:48, :64], (1, 1)), 2 * step, axis=1) for step in range(8)]
DEEP = [(40 * each.astype(np.uint16) + 3000) for each in MOVING]


def encoded(suffix: str, image: np.ndarray, *parameters: int) -> bytes:
    return cv2.imencode(suffix, image, parameters)[1].tobytes()


def tiff(image: np.ndarray, **options: object) -> bytes:
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, image, **options)
    return stream.getvalue()


def npy() -> bytes:
    stream = io.BytesIO()
    np.save(stream, thermal.degrees().astype(np.float32))
    return stream.getvalue()


def csv() -> bytes:
    return "\n".join(";".join(f"{v:.1f}" for v in row) for row in thermal.degrees()).encode()


def hcc(frames: int) -> bytes:
    import fasthcc

    kelvin = np.stack([(thermal.degrees() + 273.15).astype(np.float32)] * frames)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.hcc"
        fasthcc.write_hcc(path, kelvin, frame_rate=10.0, data_offset=270.0, data_exp=-9)
        return path.read_bytes()


def video(name: str, codec: str, pixels: str, *, deep: bool = False) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        if deep:
            videos.encode(path, DEEP, codec, pixels)
        else:
            videos.encode(path, MOVING, codec, pixels, layout="gray")
        return path.read_bytes()


def sequence() -> bytes:
    return b"".join(thermal.fff(thermal.degrees(), stamp=1.7e9 + 0.1 * n) for n in range(8))


def bag(storage: str, compression: str = "NONE") -> bytes:
    from rosbags.rosbag2 import CompressionMode

    entries = []
    for index in range(4):
        stamp = bags.START + index * 100_000_000
        entries += [
            bags.image("/camera/image_raw", PHOTO, "rgb8", stamp),
            bags.image("/thermal/image_raw", COUNTS, "16UC1", stamp),
        ]
    with tempfile.TemporaryDirectory() as folder:
        path = bags.write(
            Path(folder) / "bag", entries, storage, compression=CompressionMode[compression]
        )
        return next(p for p in path.iterdir() if p.suffix in (".mcap", ".db3")).read_bytes()


FLIR = thermal.fff(thermal.degrees(), thermal.jpeg(thermal.photo()), (1.5, 14, -6))

KINDS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "png 8": ("i.png", lambda: encoded(".png", GRAY)),
    "png 16": ("i.png", lambda: encoded(".png", COUNTS)),
    "png colors": ("i.png", lambda: encoded(".png", PREVIEW)),
    "jpeg": ("i.jpg", lambda: encoded(".jpg", GRAY)),
    "bmp": ("i.bmp", lambda: encoded(".bmp", GRAY)),
    "webp": ("i.webp", lambda: encoded(".webp", cv2.merge([GRAY] * 3))),
    "pgm": ("i.pgm", lambda: encoded(".pgm", COUNTS)),
    "tiff strips": ("i.tif", lambda: tiff(COUNTS)),
    "tiff tiles": ("i.tif", lambda: tiff(COUNTS, tile=(32, 32), compression="zlib")),
    "tiff lzw": ("i.tif", lambda: tiff(COUNTS, compression="lzw")),
    "tiff float": ("i.tif", lambda: tiff(thermal.degrees().astype(np.float32))),
    "tiff big": ("i.tif", lambda: tiff(COUNTS, bigtiff=True, byteorder=">")),
    "npy": ("i.npy", npy),
    "csv": ("i.csv", csv),
    "flir jpeg": ("i.jpg", lambda: thermal.in_jpeg(FLIR, PREVIEW)),
    "flir fff": ("i.fff", lambda: FLIR),
    "flir csq": ("i.csq", lambda: thermal.fff(thermal.degrees(), jpeg_ls=True)),
    "flir alone": ("alone.jpg", lambda: thermal.in_jpeg(FLIR, PREVIEW)),
    "fluke is2": ("i.is2", lambda: thermal.is2(thermal.degrees(), thermal.photo())),
    "infiray irg": ("i.irg", lambda: thermal.irg(thermal.degrees(), PHOTO)),
    "telops hcc": ("i.hcc", lambda: hcc(1)),
    "hikmicro": ("i.jpg", lambda: thermal.hikmicro(COUNTS, PREVIEW)),
    "flir seq": ("v.seq", sequence),
    "telops video": ("v.hcc", lambda: hcc(6)),
    "mp4 h264": ("v.mp4", lambda: video("v.mp4", "libx264", "yuv420p")),
    "mkv h264": ("v.mkv", lambda: video("v.mkv", "libx264", "yuv420p")),
    "ts h264": ("v.ts", lambda: video("v.ts", "libx264", "yuv420p")),
    "h264": ("v.h264", lambda: video("v.h264", "libx264", "yuv420p")),
    "mkv ffv1 16": ("v.mkv", lambda: video("v.mkv", "ffv1", "gray16le", deep=True)),
    "mov png 16": ("v.mov", lambda: video("v.mov", "png", "gray16be", deep=True)),
    "avi mjpeg": ("v.avi", lambda: video("v.avi", "mjpeg", "yuvj420p")),
    "webm vp9": ("v.webm", lambda: video("v.webm", "libvpx-vp9", "yuv420p")),
    "wmv": ("v.wmv", lambda: video("v.wmv", "wmv2", "yuv420p")),
    "3gp": ("v.3gp", lambda: video("v.3gp", "mpeg4", "yuv420p")),
    "mpg": ("v.mpg", lambda: video("v.mpg", "mpeg2video", "yuv420p")),
    "flv": ("v.flv", lambda: video("v.flv", "flv", "yuv420p")),
    "nut": ("v.nut", lambda: video("v.nut", "rawvideo", "gray16le", deep=True)),
    "y4m": ("v.y4m", lambda: video("v.y4m", "wrapped_avframe", "yuv420p")),
    "gif": ("v.gif", lambda: video("v.gif", "gif", "gray")),
    "mcap": ("b.mcap", lambda: bag("mcap")),
    "mcap zstd": ("b.mcap", lambda: bag("mcap", "STORAGE")),
    "sqlite3": ("b.db3", lambda: bag("sqlite3")),
}


def variants(content: bytes, truncated: int, flipped: int) -> Iterator[tuple[str, bytes]]:
    """Damaged contents with what was done to them."""
    for end in np.linspace(0, len(content) - 1, truncated).astype(int):
        yield f"cut at {end}", content[:end]
    rng = np.random.default_rng(7)
    # Anywhere, and where the structure is dense: in the beginning and the end.
    places = [(0, len(content)), (0, min(len(content), 600)), (max(0, len(content) - 600), None)]
    for number in range(flipped):
        low, high = places[number % 3]
        damaged = bytearray(content)
        for at in rng.integers(low, high or len(content), int(rng.integers(1, 9))):
            damaged[at] ^= int(rng.integers(1, 256))
        yield f"flipped {number}", bytes(damaged)


@contextlib.contextmanager
def captured(path: Path) -> Iterator[None]:
    """Standard output and error of C libraries too, to a file."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, old in zip((1, 2), saved, strict=True):
                os.dup2(old, number)
                os.close(old)


def command(folder: Path, name: str) -> tuple[list[str], Path]:
    """The words of the command for a damaged file, and its output."""
    damaged = folder / "in" / name
    if name[0] == "b":
        return ["bag", str(damaged), str(folder / "out" / "o")], folder / "out" / "o"
    out = folder / "out" / ("o.mkv" if name[0] == "v" else "o.png")
    if name[0] == "a":
        return ["fuse", str(damaged), "-o", str(out)], out
    visible = folder / ("visible.mkv" if name[0] == "v" else "visible.png")
    return ["fuse", str(visible), str(damaged), "-o", str(out), "--resize"], out


def is_whole(out: Path) -> bool:
    if out.suffix == ".png":
        return cv2.imread(str(out)) is not None
    if out.suffix == ".mkv":
        return len(videos.frames_of(out)) > 0
    return any(out.iterdir())


def fault(folder: Path, name: str, said: Path) -> tuple[str, int]:
    """Run the command; what is wrong with what it did, and its exit status."""
    words, out = command(folder, name)
    status = -1
    start = time.process_time()
    try:
        with captured(said):
            status = main(words)
    except BaseException:
        return traceback.format_exc(), status
    text = said.read_text(errors="replace")
    foreign = [line for line in text.splitlines() if not line.startswith(("lut-fuse: ", "fuse"))]
    foreign = [line for line in foreign if "pairs fused" not in line and "fused" not in line]
    left = [path.name for path in out.parent.iterdir() if path != out]
    if status not in (0, 1, 2):
        return f"status {status}: {text}", status
    if "Traceback" in text or foreign:
        return f"says {(foreign or text)[:3]}", status
    if status == 2 and "lut-fuse: " not in text:
        return "no sentence", status
    if left or (folder / "in" / name).parent.joinpath("o").exists():
        return f"left {left}", status
    if out.exists() and (not is_whole(out) or (status == 2 and name[0] != "b")):
        return f"status {status} and a half-written output", status
    if time.process_time() - start > SLOW:
        return f"took {time.process_time() - start:.1f} s", status
    return "", status


def torture(kind: str, truncated: int, flipped: int) -> bool:
    """Print what became of the variants of a kind. Returns whether all is well."""
    name, make = KINDS[kind]
    content, found, statuses = make(), Counter[str](), Counter[int]()
    resource.setrlimit(resource.RLIMIT_AS, (virtual_memory() + MEMORY,) * 2)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "in").mkdir()
        cv2.imwrite(str(folder / "visible.png"), PHOTO)
        videos.encode(folder / "visible.mkv", MOVING, "ffv1", "yuv420p", layout="gray")
        for what, damaged in variants(content, truncated, flipped):
            (folder / "out").mkdir()
            (folder / "in" / name).write_bytes(damaged)
            wrong, status = fault(folder, name, folder / "said")
            statuses[status] += 1
            if wrong:
                found[wrong.strip().splitlines()[-1][:160]] += 1
                print(f"  {kind}, {what}: {wrong}"[:2000], flush=True)
            shutil.rmtree(folder / "out")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    ends = ", ".join(f"{count} with {status}" for status, count in sorted(statuses.items()))
    print(f"{kind:12} {len(content):7} bytes: {ends}; {sum(found.values())} wrong; {peak} MB")
    return not found


def virtual_memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def run_kind(kind: str, options: argparse.Namespace) -> bool:
    """Torture a kind in a process of its own, whose end is a fault too."""

    def child() -> None:
        sys.exit(not torture(kind, options.truncated, options.flipped))

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join()
    if process.exitcode not in (0, 1):
        print(f"{kind}: the process ended with {process.exitcode}", flush=True)
    return process.exitcode == 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--flipped", type=int, default=1000)
    parser.add_argument("--truncated", type=int, default=50)
    return parser.parse_args()


if __name__ == "__main__":
    chosen = parse()
    sound = {kind: run_kind(kind, chosen) for kind in chosen.kinds or KINDS}
    sys.exit(not all(sound.values()))
