"""How well and how fast a fusion is: metrics, flicker, detectors, benchmarks."""
