"""For `evaluate.load(metric_path("accuracy"))`."""

from lyra_hf.tasks.metrics import evaluate_module


class Accuracy(evaluate_module.LyraMetric):
    """Part of the predicted classes that are the true ones."""

    metric = "accuracy"
