"""What the metrics' `evaluate` modules have in common.

`evaluate.load` takes a script, copies it into a cache and uses the class that it finds there. The scripts in `modules`
therefore hold no more than a name and a description, and a copy in the cache cannot grow old.
"""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

from numpy.typing import ArrayLike

from ...extras import needs
from . import classification, regression
from .arrays import class_numbers, paired_classes, paired_numbers

with needs("train", "evaluate's modules"):
    import datasets
    import evaluate

FUNCTIONS: dict[str, Callable[..., float | None]] = {
    **regression.METRICS,
    **classification.SCORE_METRICS,
    **classification.CLASS_METRICS,
}
NUMBERS = "numbers; references are NaN where missing."
CLASSES = "class numbers; references are -100 where missing."
SCORES = (
    "scores: one number per row, higher where class 1 is likelier, or one per class, such as probabilities; references "
    "are class numbers, -100 where missing."
)


class LyraMetric(evaluate.Metric):
    """A metric of `regression` or `classification`; subclasses name it, and describe it in their docstring."""

    metric: ClassVar[str]

    def _info(self) -> Any:
        number = datasets.Value("float64")
        shapes: list[Any] = [number]
        usage = NUMBERS if self.metric in regression.METRICS else CLASSES
        if self.metric in classification.SCORE_METRICS:
            shapes, usage = [[number], number], SCORES
        return evaluate.MetricInfo(
            description=inspect.getdoc(type(self)),
            citation="",
            inputs_description=f"Predictions are {usage}",
            features=[datasets.Features({"predictions": shape, "references": number}) for shape in shapes],
        )

    def _compute(self, predictions: ArrayLike, references: ArrayLike, **options: Any) -> dict[str, float | None]:
        if self.metric in regression.METRICS:
            pair: tuple[Any, Any] = paired_numbers(predictions, references)
        else:
            pair = paired_classes(predictions, references)
        if self.metric in classification.CLASS_METRICS:
            # Without this check probabilities would pass for classes.
            pair = (class_numbers(pair[0], "predictions"), pair[1])
        return {self.metric: FUNCTIONS[self.metric](*pair, **options)}
