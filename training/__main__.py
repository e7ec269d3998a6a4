"""The command `lut-fuse-train` (or ``python -m training``)."""

from __future__ import annotations

import argparse
import importlib
import sys

from lut_fuse_core.errors import LutFuseError, end_with

COMMANDS = ("teacher", "distil", "fuse", "export", "quantize", "ablate", "downstream")


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands; each module in `training.cli` adds its own."""
    parser = argparse.ArgumentParser(
        prog="lut-fuse-train",
        description="Train a fusion network, distil it into a look-up table, export the model.",
        epilog="A model for your own cameras: teacher, then distil (docs/training.md).",
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        importlib.import_module(f"{__package__}.cli.{name}").add_parser(subparsers)
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    Returns:
        The exit status: 0, 1 for a failure, 2 for bad input.
    """
    try:
        parser = build_parser()
    except ImportError as error:
        print(
            f"lut-fuse-train: training needs what cannot be imported here ({error}); run "
            "\"pip install '.[training]'\" in the package's folder",
            file=sys.stderr,
        )
        return 2
    options = parser.parse_args(arguments)
    from torch import OutOfMemoryError

    try:
        return int(options.run(options) or 0)
    except MemoryError:
        return _no_memory()
    except OutOfMemoryError:
        print(
            "lut-fuse-train: the GPU's memory is full; lower data.batch or data.crop",
            file=sys.stderr,
        )
        return 1
    except (LutFuseError, OSError) as error:
        return end_with("lut-fuse-train", error)
    except RuntimeError as error:
        if "DefaultCPUAllocator" not in str(error):  # where torch's arrays on the CPU come from
            raise
        return _no_memory()
    except KeyboardInterrupt:
        print("lut-fuse-train: interrupted; a training run goes on with --resume", file=sys.stderr)
        return 130


def _no_memory() -> int:
    print(
        "lut-fuse-train: no memory left; lower data.batch, data.crop or the network's width",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
