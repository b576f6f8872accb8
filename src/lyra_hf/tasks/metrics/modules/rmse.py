"""For `evaluate.load(metric_path("rmse"))`."""

from lyra_hf.tasks.metrics import evaluate_module


class Rmse(evaluate_module.LyraMetric):
    """Root mean squared error of predicted numbers."""

    metric = "rmse"
