"""Metrics of predicted classes. None where the data leave a metric undefined.

Two kinds: `auroc` and `ap` judge scores, by their order only; `mcc`, `accuracy` and `f1` judge the classes chosen.
References are class numbers (N,), all known.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...extras import needs
from .arrays import Classes, Floats


def auroc(scores: Floats, references: Classes) -> float | None:
    """Area under the receiver operating characteristic; None where the references are of one class.

    Args:
        scores: (N,), higher where class 1 is likelier; or (N, C), one column per class. With two columns the second is
            judged, with more the mean over the classes present of each one against the rest.
        references: (N,).
    """
    return _one_versus_rest(_sklearn_metrics().roc_auc_score, scores, references)


def ap(scores: Floats, references: Classes) -> float | None:
    """Average precision, the area under the precision-recall steps; arguments and conventions as for `auroc`."""
    return _one_versus_rest(_sklearn_metrics().average_precision_score, scores, references)


def mcc(predictions: Classes, references: Classes) -> float | None:
    """Matthews correlation of predicted (N,) and true classes (N,), for any number of classes.

    None where the references are of one class. Where only the predictions are, 0: they carry no information.
    """
    if not _has_several(references):
        return None
    return float(_sklearn_metrics().matthews_corrcoef(references, predictions))


def accuracy(predictions: Classes, references: Classes) -> float | None:
    """Part of the rows whose predicted class (N,) is the true one (N,)."""
    return float(np.mean(predictions == references)) if len(references) else None


def f1(predictions: Classes, references: Classes, num_classes: int | None = None) -> float | None:
    """F1 of class 1, or with more than two classes the mean over all that are predicted or true anywhere.

    Args:
        predictions: (N,) predicted classes.
        references: (N,).
        num_classes: how many classes there are; by default two, if none above 1 occurs.

    Returns:
        2 TP / (2 TP + FP + FN), or None where that is 0 / 0: class 1 is neither predicted nor true anywhere.
    """
    if not len(references):
        return None
    if num_classes is None:
        num_classes = 1 + int(max(predictions.max(), references.max(), 1))
    average = "binary" if num_classes == 2 else "macro"
    value = _sklearn_metrics().f1_score(references, predictions, average=average, zero_division=np.nan)
    return None if np.isnan(value) else float(value)


SCORE_METRICS: dict[str, Callable[[Floats, Classes], float | None]] = {"auroc": auroc, "ap": ap}
CLASS_METRICS: dict[str, Callable[..., float | None]] = {"mcc": mcc, "accuracy": accuracy, "f1": f1}


def classification_metrics(
    scores: Floats, predictions: Classes, references: Classes, num_classes: int, only: str | None = None
) -> dict[str, Any]:
    """All metrics, or only one, and `n`.

    Args:
        scores: (N,) or (N, C).
        predictions: predicted classes (N,).
        references: true classes (N,).
        num_classes: how many classes there are.
        only: the one metric to compute, unless all.
    """
    metrics: dict[str, Callable[[], float | None]] = {
        "auroc": lambda: auroc(scores, references),
        "ap": lambda: ap(scores, references),
        "mcc": lambda: mcc(predictions, references),
        "accuracy": lambda: accuracy(predictions, references),
        "f1": lambda: f1(predictions, references, num_classes),
    }
    chosen = metrics if only is None else {only: metrics[only]}
    return {**{name: metric() for name, metric in chosen.items()}, "n": len(references)}


def log_odds(logits: Floats) -> Floats:
    """Each class against the rest: logits (N, C) -> log(p / (1 - p)) of the softmax p, (N, C).

    They order rows as the probabilities do, but also where those round to 0 or 1 and would be tied.
    """
    with needs("train", "computing metrics"):
        from scipy.special import logsumexp
    rest: list[Floats] = [logsumexp(np.delete(logits, one, axis=1), axis=1) for one in range(logits.shape[1])]
    return logits - np.stack(rest, axis=1)


def _one_versus_rest(metric: Callable[..., Any], scores: Floats, references: Classes) -> float | None:
    """`metric(is_positive, score)` of class 1, or the mean over the classes present."""
    num_classes = 2 if scores.ndim == 1 else scores.shape[1]
    if (references >= num_classes).any():
        raise ValueError(f"references have class {references.max()}, but predictions are for {num_classes} classes")
    if not _has_several(references):
        return None
    if num_classes == 2:
        return float(metric(references == 1, scores if scores.ndim == 1 else scores[:, 1]))
    return float(np.mean([metric(references == one, scores[:, one]) for one in np.unique(references)]))


def _has_several(references: Classes) -> bool:
    return bool(len(references) and (references != references[0]).any())


def _sklearn_metrics() -> Any:
    with needs("train", "computing metrics"):
        import sklearn.metrics
    return sklearn.metrics
