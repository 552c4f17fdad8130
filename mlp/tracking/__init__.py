"""The records of runs: in MLflow and TensorBoard, or in memory."""
