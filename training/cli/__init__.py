"""The subcommands of `lut-fuse-train`, one per file."""
