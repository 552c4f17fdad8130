"""What a training leaves and serving needs."""
