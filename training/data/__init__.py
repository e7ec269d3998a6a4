"""Pairs, batches and augmentation."""
