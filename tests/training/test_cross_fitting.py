import numpy as np
import pytest
from small_models import build
from small_training import SMALL, labelled

from lyra_hf import LyraForRegression, LyraForTokenClassification, Predictor
from lyra_hf.inference.loading import load_model
from lyra_hf.intervals import level_index
from lyra_hf.training.cross_fitting import cross_fitted
from lyra_hf.training.finetune import finetune
from lyra_hf.training.options import TrainingOptions

OPTIONS = TrainingOptions(epochs=2, batch_size=16, learning_rate=0.01)


class Apprentice:
    """Stands in for training: gives a model of its own for each set of rows, which it keeps."""

    def __init__(self, head=LyraForRegression, broken_at=None):
        self.head, self.broken_at = head, broken_at
        self.learned = []

    def __call__(self, rows, folder):
        if len(self.learned) == self.broken_at:
            raise KeyboardInterrupt
        self.learned.append({bytes(ids) for ids in rows.encoded})
        return self.model(len(self.learned) - 1)

    def model(self, number):
        return build(self.head, seed=number, num_labels=2, problem_type="regression")


@pytest.mark.parametrize(("head", "kind"), [(LyraForRegression, "sequence"), (LyraForTokenClassification, "residue")])
def test_each_row_is_predicted_by_the_model_that_has_not_seen_it(tmp_path, head, kind):
    table = labelled(kind, outputs=2)
    rows, always = table.splits["train"], table.splits["validation"]
    apprentice = Apprentice(head)
    found = cross_fitted(rows, always, 3, apprentice, tmp_path)
    expected = []
    for number, piece in enumerate(np.array_split(np.arange(60), 3)):
        encoded = rows.encoded.rows(piece[0], piece[-1] + 1)
        expected.append(Predictor(apprentice.model(number)).predict_encoded(encoded).logits)
        left_out = {bytes(ids) for ids in encoded}
        everything = {bytes(ids) for part in (rows, always) for ids in part.encoded}
        assert apprentice.learned[number] == everything - left_out
    np.testing.assert_array_equal(found, np.concatenate(expected))


def test_what_was_broken_off_goes_on(tmp_path):
    table = labelled(outputs=2)
    rows, always = table.splits["train"], table.splits["validation"]
    whole = cross_fitted(rows, always, 3, Apprentice(), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        cross_fitted(rows, always, 3, Apprentice(broken_at=2), tmp_path / "broken")
    later = Apprentice()
    later.model = lambda number: Apprentice().model(2)
    np.testing.assert_array_equal(cross_fitted(rows, always, 3, later, tmp_path / "broken"), whole)
    assert len(later.learned) == 1


def test_more_pieces_than_rows_leave_out_one_at_a_time(tmp_path):
    rows = labelled(outputs=2).splits["train"]
    few = rows.filter(np.arange(60) < 4)
    apprentice = Apprentice()
    assert cross_fitted(few, few, 9, apprentice, tmp_path).shape == (4, 2)
    assert len(apprentice.learned) == 4


def test_intervals_rest_on_all_rows_and_nothing_else_changes(tmp_path):
    table = labelled().for_training()
    reports = [
        finetune(table, tmp_path / name, TrainingOptions(**{**vars(OPTIONS), **options}), model_options=SMALL)
        for name, options in (("plain", {}), ("pieces", {"calibration_pieces": 3}))
    ]
    assert reports[0].best_epoch == reports[1].best_epoch
    models = [load_model(str(tmp_path / name)) for name in ("plain", "pieces")]
    predictors = [Predictor(model) for model in models]
    encoded = labelled().splits["test"].encoded
    np.testing.assert_array_equal(*(predictor.predict_encoded(encoded).logits for predictor in predictors))
    assert models[0].classifier.intervals is None  # twenty rows say nothing of them, eighty do
    assert models[1].classifier.intervals.quantile[level_index(0.9)].isfinite().all()
    assert not (tmp_path / "pieces" / "checkpoints").exists()
