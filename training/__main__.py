"""The command `lut-fuse-train` (or ``python -m lut_fuse_training``)."""

from __future__ import annotations

import argparse
import importlib
import sys

from lut_fuse_core.errors import LutFuseError, end_with

_NO_MEMORY = "no memory left; lower data.batch, data.crop or the network's width"

COMMANDS = ("teacher", "distil", "fuse", "export", "quantize", "ablate", "downstream")


def build_parser() -> argparse.ArgumentParser:
    """The parser with all subcommands; each module in `cli` adds its own, without PyTorch."""
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

    Args:
        arguments: Of the command line, without the program's name; None for `sys.argv`.

    Returns:
        The exit status: 0, 1 for a failure, 2 for bad input, 130 for an interrupt.
    """
    options = build_parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except ImportError as error:
        return _end(
            f'training needs what cannot be imported here ({error}); run "pip install '
            "'.[training]'\" in the package's folder",
            2,
        )
    except (LutFuseError, OSError) as error:
        return end_with("lut-fuse-train", error)
    except MemoryError:
        return _end(_NO_MEMORY)
    except RuntimeError as error:
        said = _full_memory(error)
        if not said:
            raise
        return _end(said)
    except KeyboardInterrupt:
        return _end("interrupted; a training run goes on with --resume", 130)


def _full_memory(error: RuntimeError) -> str:
    """What PyTorch's error says if a memory is full; empty for another error."""
    from torch import OutOfMemoryError

    if isinstance(error, OutOfMemoryError):
        return "the GPU's memory is full; lower data.batch or data.crop"
    # where torch's arrays on the CPU come from
    return _NO_MEMORY if "DefaultCPUAllocator" in str(error) else ""


def _end(said: str, status: int = 1) -> int:
    print(f"lut-fuse-train: {said}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
