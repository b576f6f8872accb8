"""For `evaluate.load(metric_path("spearman"))`."""

from lyra_hf.tasks.metrics import evaluate_module


class Spearman(evaluate_module.LyraMetric):
    """Spearman's rank correlation of predicted and true numbers."""

    metric = "spearman"
