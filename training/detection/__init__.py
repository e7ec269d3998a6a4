"""Detectors as differentiable modules, and what a fusion learns from them."""
