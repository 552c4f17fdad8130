"""Scores of resampled images: against scikit-learn on the images that were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from mlp.errors import SettingsError
from mlp.evidence import resampling
from mlp.evidence.resampling import draws
from mlp.metrics import COMPARED, METRICS, final_scores, require
from mlp.predictions import Evaluation


def evaluation(images: int = 60, classes: int = 4, seed: int = 0) -> Evaluation:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images)
    # Rounded, so that ROC curves have ties
    logits = np.round(rng.normal(0, 1, (images, classes)) + np.eye(classes)[labels], 1)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = tuple("abcdefgh"[:classes])
    return Evaluation(np.array([f"{k:03d}" for k in range(images)]), labels, shares, names)


def repeated(result: Evaluation, counts: np.ndarray) -> Evaluation:
    rows = np.repeat(np.arange(len(counts)), counts)
    return Evaluation(
        result.ids[rows], result.labels[rows], result.probabilities[rows], result.classes
    )


@pytest.mark.parametrize("name", COMPARED)
@pytest.mark.parametrize("classes", [2, 4])
def test_a_score_is_the_one_that_runs_record(name: str, classes: int) -> None:
    result = evaluation(classes=classes)
    assert METRICS[name].score(result) == pytest.approx(final_scores(result)[name], abs=1e-6)


@pytest.mark.parametrize("name", COMPARED)
def test_weights_stand_for_repeated_images(name: str) -> None:
    result = evaluation()
    weights = np.concatenate(list(draws(60, 20)))
    scores = METRICS[name].scores(result, iter([weights]))
    for row, score in zip(weights, scores, strict=True):
        expected = final_scores(repeated(result, row.astype(int)))[name]
        assert score == pytest.approx(expected, abs=1e-6)


def test_a_class_that_was_not_drawn_is_left_out_as_scikit_learn_does() -> None:
    result = evaluation()
    weights = (result.labels != 2).astype(np.float32)[None]
    kept = repeated(result, weights[0].astype(int))
    score = METRICS["balanced_accuracy"].scores(result, iter([weights]))[0]
    expected = sk.recall_score(
        kept.labels, kept.predicted, labels=[0, 1, 3], average="macro", zero_division=0
    )
    assert score == pytest.approx(expected)
    only = (result.labels == 1).astype(np.float32)[None]
    assert np.isnan(METRICS["roc_auc"].scores(result, iter([only]))[0])


def test_draws_are_whole_resamples_and_the_same_however_they_are_cut(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole = np.concatenate(list(draws(50, 300, seed=3)))
    assert whole.shape == (300, 50)
    assert (whole.sum(axis=1) == 50).all() and (whole == np.round(whole)).all()
    # multinomial: each count has mean 1 and variance 1 - 1/n
    assert whole.mean(axis=0) == pytest.approx(np.ones(50), abs=0.3)
    assert whole.var() == pytest.approx(1 - 1 / 50, rel=0.05)
    monkeypatch.setattr(resampling, "_BLOCK", 50 * 7)
    blocks = list(draws(50, 300, seed=3))
    assert len(blocks) == 43
    np.testing.assert_array_equal(np.concatenate(blocks), whole)
    assert not np.array_equal(whole, np.concatenate(list(draws(50, 300, seed=4))))


def test_a_metric_that_these_images_do_not_define_is_refused_by_name() -> None:
    for name in COMPARED:
        require(name, ["a", "b"], "")
        result = evaluation()
        only = Evaluation(result.ids, np.full(60, 1), result.probabilities, result.classes)
        assert only.present == ["b"]
        if np.isfinite(METRICS[name].score(only)):
            require(name, only.present, "")
        else:
            told = f"metric: {name} .* images of seed 3 are all of class 'b'; choose one of acc"
            with pytest.raises(SettingsError, match=told):
                require(name, only.present, " of seed 3")
