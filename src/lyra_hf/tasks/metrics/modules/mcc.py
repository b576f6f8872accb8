"""For `evaluate.load(metric_path("mcc"))`."""

from lyra_hf.tasks.metrics import evaluate_module


class Mcc(evaluate_module.LyraMetric):
    """Matthews correlation coefficient of predicted and true classes."""

    metric = "mcc"
