"""What each subcommand of lut-fuse-train does."""
