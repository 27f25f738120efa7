"""Train a backbone on patches: sampling, augmentation, loss, schedule, checkpoints, the loop."""
