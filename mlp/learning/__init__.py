"""Networks, their initialization, the training step, and scores. Knows no file and no tracker."""
