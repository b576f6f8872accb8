"""For `evaluate.load(metric_path("auroc"))`."""

from lyra_hf.tasks.metrics import evaluate_module


class Auroc(evaluate_module.LyraMetric):
    """Area under the receiver operating characteristic; over several classes, the mean of each against the rest."""

    metric = "auroc"
