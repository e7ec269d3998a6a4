"""What the node reports on /diagnostics."""
