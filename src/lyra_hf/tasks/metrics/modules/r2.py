"""For `evaluate.load(metric_path("r2"))`."""

from lyra_hf.tasks.metrics import evaluate_module


class R2(evaluate_module.LyraMetric):
    """Coefficient of determination of predicted numbers."""

    metric = "r2"
