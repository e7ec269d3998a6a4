"""Pairs the frames of two cameras by their times, and compares their clocks."""
