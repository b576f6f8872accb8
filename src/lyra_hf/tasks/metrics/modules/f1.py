"""For `evaluate.load(metric_path("f1"))`."""

from lyra_hf.tasks.metrics import evaluate_module


class F1(evaluate_module.LyraMetric):
    """F1 of class 1; over several classes (pass `num_classes` if not all may occur), the mean of all."""

    metric = "f1"
