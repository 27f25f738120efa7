"""Follow a run while it goes: a page that is written again and again, TensorBoard, MLflow."""
