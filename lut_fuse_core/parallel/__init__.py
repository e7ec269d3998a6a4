"""Concurrent work: an ordered map over threads, a prefetcher, the number of usable cores."""

from lut_fuse_core.parallel.ordered import ordered_map, prefetch, usable_cores

__all__ = ["ordered_map", "prefetch", "usable_cores"]
