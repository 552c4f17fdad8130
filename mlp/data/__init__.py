"""Images on disk to the batches of an epoch: index, pixels, split, stream."""
