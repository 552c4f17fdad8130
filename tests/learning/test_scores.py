"""Scores against small cases worked out by hand, and against scikit-learn on a larger one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch.nn import functional as F

from mlp.metrics import calibration_error, epoch_scores, final_scores
from mlp.predictions import (
    Evaluation,
    classification_report,
    confusion,
    frequent_confusions,
)
from mlp.softmax import probabilities


def evaluation(
    labels: list[int] | np.ndarray, shares: list[list[float]] | np.ndarray
) -> Evaluation:
    labels, shares = np.asarray(labels, np.int64), np.asarray(shares, np.float64)
    ids = np.array([f"{number}.png" for number in range(len(labels))])
    return Evaluation(ids, labels, shares, tuple("abcdefgh"[: shares.shape[1]]))


def drawn(count: int, classes: int, present: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Labels and logits that are right more often than not."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, present or classes, count)
    logits = rng.normal(size=(count, classes)) + 1.5 * np.eye(classes)[labels]
    return labels, logits.astype(np.float32)


# Rows are true classes: a 2 right and 1 taken for b; b 1 right, 1 taken for c; c 3 right
BY_HAND = evaluation(
    [0, 0, 0, 1, 1, 2, 2, 2],
    [
        *[[0.7, 0.2, 0.1], [0.6, 0.2, 0.2], [0.3, 0.4, 0.3]],
        *[[0.1, 0.8, 0.1], [0.1, 0.4, 0.5]],
        *[[0.1, 0.2, 0.7], [0.0, 0.1, 0.9], [0.2, 0.2, 0.6]],
    ],
)


def test_scores_of_a_case_worked_out_by_hand() -> None:
    scores = final_scores(BY_HAND)
    recall = [2 / 3, 1 / 2, 1]
    precision = [1, 1 / 2, 3 / 4]
    expected = {
        "accuracy": 6 / 8,
        "balanced_accuracy": sum(recall) / 3,
        "precision": sum(precision) / 3,
        "recall": sum(recall) / 3,
        "specificity": (5 / 5 + 5 / 6 + 4 / 5) / 3,
        "macro_f1": sum(2 * p * r / (p + r) for p, r in zip(precision, recall, strict=True)) / 3,
        "log_loss": -np.log([0.7, 0.6, 0.3, 0.8, 0.4, 0.7, 0.9, 0.6]).mean(),
        # Pairs of a positive and a negative in the right order, ties half: of 15, 12 and 15
        "roc_auc": (15 / 15 + (6 + 5.5) / 12 + 15 / 15) / 3,
    }
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value, rel=1e-12), name
    np.testing.assert_array_equal(confusion(BY_HAND), [[2, 1, 0], [0, 1, 1], [0, 0, 3]])
    np.testing.assert_array_equal(BY_HAND.predicted, [0, 0, 1, 1, 2, 2, 2, 2])


@pytest.mark.parametrize("classes", [2, 7])
def test_scores_agree_with_scikit_learn(classes: int) -> None:
    labels, logits = drawn(300, classes)
    shares = probabilities(logits)
    predicted = shares.argmax(axis=1)
    scores = final_scores(evaluation(labels, shares))
    average = {"average": "macro"}
    specificities = [
        metrics.recall_score(labels != k, predicted != k, pos_label=True) for k in range(classes)
    ]
    area = (
        metrics.roc_auc_score(labels, shares[:, 1])
        if classes == 2
        else metrics.roc_auc_score(labels, shares, multi_class="ovr")
    )
    expected = {
        "accuracy": metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "precision": metrics.precision_score(labels, predicted, **average),
        "recall": metrics.recall_score(labels, predicted, **average),
        "specificity": np.mean(specificities),
        "macro_f1": metrics.f1_score(labels, predicted, **average),
        "log_loss": metrics.log_loss(labels, shares),
        "roc_auc": area,
    }
    assert set(scores) == {*expected, "calibration_error"}
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value, rel=1e-9), name


def test_class_without_images_is_left_out() -> None:
    labels, logits = drawn(200, classes=5, present=3)
    shares = probabilities(logits)
    predicted = shares.argmax(axis=1)
    assert set(predicted) == set(range(5))  # all five are predicted, three have images
    scores = final_scores(evaluation(labels, shares))
    recalls = [(predicted[labels == k] == k).mean() for k in range(3)]
    assert scores["balanced_accuracy"] == pytest.approx(np.mean(recalls))
    assert scores["recall"] == pytest.approx(np.sum(recalls) / 5)
    areas = [metrics.roc_auc_score(labels == k, shares[:, k]) for k in range(3)]
    assert scores["roc_auc"] == pytest.approx(np.mean(areas))
    chosen = -np.log(shares[np.arange(200), labels])
    assert scores["log_loss"] == pytest.approx(chosen.mean())
    counts = confusion(evaluation(labels, shares))
    assert counts.shape == (5, 5) and not counts[3:].any() and counts.sum() == 200


def test_single_class_in_validation_leaves_out_what_needs_a_second() -> None:
    scores = final_scores(evaluation([1, 1], [[0.1, 0.9], [0.2, 0.8]]))
    assert scores["accuracy"] == scores["macro_f1"] == scores["recall"] == 1.0
    assert "roc_auc" not in scores and "specificity" not in scores
    assert all(np.isfinite(list(scores.values())))
    mixed = final_scores(evaluation([1, 1], [[0.1, 0.9], [0.8, 0.2]]))
    # Of class a: both images are negatives, one of them found; b has no negatives
    assert mixed["specificity"] == 0.5 and "roc_auc" not in mixed


def test_epoch_scores_are_those_of_the_end() -> None:
    for classes, present in ((2, 2), (4, 4), (5, 3)):
        labels, logits = drawn(250, classes, present)
        at_end = final_scores(evaluation(labels, probabilities(logits)))
        at_end["loss"] = at_end["log_loss"]
        for name, value in epoch_scores(labels, logits).items():
            assert value == pytest.approx(at_end[name], rel=1e-9), name


def test_epoch_loss_is_the_cross_entropy_of_torch() -> None:
    labels, logits = drawn(250, 4)
    expected = F.cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(labels)).item()
    assert epoch_scores(labels, logits)["loss"] == pytest.approx(expected, rel=1e-12)


def test_epoch_scores_do_not_depend_on_the_order_of_images() -> None:
    labels, logits = drawn(250, 4)
    order = np.random.default_rng(1).permutation(250)
    shuffled = epoch_scores(labels[order], logits[order])
    assert shuffled == pytest.approx(epoch_scores(labels, logits), rel=1e-12)


def test_extreme_logits_give_finite_loss_and_probabilities() -> None:
    logits = np.float32([[3e38, -3e38], [-1e4, 1e4]])
    assert epoch_scores(np.array([0, 1]), logits)["loss"] == 0.0
    assert epoch_scores(np.array([0, 0]), logits)["loss"] == pytest.approx(1e4)
    np.testing.assert_array_equal(probabilities(logits), [[1, 0], [0, 1]])


def test_probabilities_are_the_softmax_in_double_precision() -> None:
    logits = np.float32([[0, 1, 2], [5, 5, 5]])
    e = np.exp(np.arange(3))
    np.testing.assert_allclose(probabilities(logits), [e / e.sum(), [1 / 3] * 3], rtol=1e-15)


def test_calibration_error_of_a_case_with_known_answer() -> None:
    # Ten answers of 80% with 6 right, thirty of 97% with 29 right: |.6-.8| and |29/30-.97|
    shares = [[0.8, 0.2]] * 10 + [[0.03, 0.97]] * 30
    labels = [0] * 6 + [1] * 4 + [1] * 29 + [0]
    expected = (10 * 0.2 + 30 * abs(29 / 30 - 0.97)) / 40
    measured = calibration_error(evaluation(labels, shares))
    assert measured == pytest.approx(expected)
    assert final_scores(evaluation(labels, shares))["calibration_error"] == measured


def test_calibration_errors_cancel_within_a_bin_but_not_between_bins() -> None:
    within = np.array([[0.61, 0.39], [0.66, 0.34]])  # 9/15 < both < 10/15
    assert calibration_error(evaluation([0, 1], within)) == pytest.approx(abs(0.5 - 0.635))
    between = np.array([[0.65, 0.35], [0.68, 0.32]])  # 10/15 between them
    expected = (abs(1 - 0.65) + abs(0 - 0.68)) / 2
    assert calibration_error(evaluation([0, 1], between)) == pytest.approx(expected)


def test_certain_and_right_is_perfectly_calibrated_and_wrong_is_not() -> None:
    certain = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert calibration_error(evaluation([0, 0], certain)) == 0.0
    assert calibration_error(evaluation([1, 1], certain)) == 1.0


def test_classification_report_is_that_of_scikit_learn() -> None:
    labels, logits = drawn(300, 5)
    made = evaluation(labels, logits)
    names, answers = list(made.classes), (made.labels, made.predicted)
    expected = metrics.classification_report(*answers, target_names=names, digits=3)
    assert classification_report(made).startswith(expected)
    assert (confusion(made) == metrics.confusion_matrix(*answers)).all()


def test_the_most_frequent_confusions_come_first() -> None:
    labels = [0] * 5 + [1] * 4 + [2] * 3
    said = np.eye(3)[[0, 2, 2, 1, 0, 1, 0, 0, 0, 2, 2, 2]]
    found = frequent_confusions(evaluation(labels, said))
    assert found == [(1, 0, 3, 4), (0, 2, 2, 5), (0, 1, 1, 5)]
    assert frequent_confusions(evaluation(labels, said), most=1) == [(1, 0, 3, 4)]
    report = classification_report(evaluation(labels, said), ["cat", "dog", "eel"])
    assert "3 of 4: dog taken for cat\n2 of 5: cat taken for eel\n" in report
    assert "taken for" not in classification_report(evaluation([0, 1], np.eye(2)))


def test_classification_report_lists_every_class() -> None:
    lines = classification_report(BY_HAND, ["melanoma", "nevus", "other"]).splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line}
    assert rows["nevus"] == ["0.500", "0.500", "0.500", "2"]
    absent = classification_report(evaluation([0, 0], [[0.9, 0.1], [0.8, 0.2]]))
    assert ["b", "0.000", "0.000", "0.000", "0"] in [line.split() for line in absent.splitlines()]
