"""Many recordings: found, fused each whole or not at all, noted in a manifest."""
