"""For `evaluate.load(metric_path("pearson"))`."""

from lyra_hf.tasks.metrics import evaluate_module


class Pearson(evaluate_module.LyraMetric):
    """Pearson's linear correlation of predicted and true numbers."""

    metric = "pearson"
