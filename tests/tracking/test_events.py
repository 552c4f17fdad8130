"""TensorBoard's points keep the distances of what they stand for."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

from mlp.tracking.tensorboard.events import principal_components


def test_points_are_shown_by_their_principal_components() -> None:
    rng = np.random.default_rng(0)
    points = (rng.normal(size=(60, 40)) * np.linspace(3, 0.1, 40) + 5).astype(np.float32)
    found = principal_components(points, 8)
    expected = PCA(8).fit_transform(points)
    assert found.shape == (60, 8)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-3)


def test_few_points_or_coordinates_lose_nothing() -> None:
    rng = np.random.default_rng(1)
    few = rng.normal(size=(5, 40)).astype(np.float32)
    found = principal_components(few, 8)

    def distances(points: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm(points[:, None] - points[None], axis=-1))

    np.testing.assert_allclose(distances(found), distances(few), atol=1e-4)
    narrow = rng.normal(size=(60, 8)).astype(np.float32)
    assert principal_components(narrow, 8) is narrow
