"""What a run records: in MLflow and TensorBoard, or in memory."""
