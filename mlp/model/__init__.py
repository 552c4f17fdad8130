"""Trained networks as files: all that a training leaves and serving needs."""
