"""Training: the Trainer, fine-tuning on a table, evaluation."""
