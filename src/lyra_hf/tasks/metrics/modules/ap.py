"""For `evaluate.load(metric_path("ap"))`."""

from lyra_hf.tasks.metrics import evaluate_module


class Ap(evaluate_module.LyraMetric):
    """Average precision; over several classes, the mean of each against the rest."""

    metric = "ap"
