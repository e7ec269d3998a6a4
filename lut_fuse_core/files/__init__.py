"""Fusing images, folders of images, and videos."""
