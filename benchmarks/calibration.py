"""How often is "better" or "worse" said of two equal arms, and how often of unequal ones?

    python -m benchmarks.calibration                    # predictions of networks trained on digits
    python -m benchmarks.calibration --data FOLDER      # ... on your images
    python -m benchmarks.calibration --power

A population of runs is trained: one configuration under many seeds, all scored on the same
validation images. A simulated study draws the runs of its arms and the validation images from it,
so that nothing differs but chance, and is judged as a report would judge it. Two made-up
populations are harder: in one, arms that are equal on the whole disagree about the images; in the
other, seeds differ much. `--power` turns wrong answers of one arm into right ones, until it is
better by a known number of points. Beside the project's own test: the percentile interval of the
hierarchical bootstrap (seeds, then images), and Student's t over seeds alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import click
import numpy as np
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from mlp.data.dataset import load, open_index, resolve
from mlp.data.stream import Stream
from mlp.evidence.comparison import compare, family
from mlp.evidence.resampling import draws
from mlp.learning.learner import Learner
from mlp.settings.training import RunConfig

Right = NDArray[np.float64]  # (runs, images): 1 where a run is right about an image
Pair = Callable[[np.random.Generator, int, int], tuple[Right, Right]]

RESAMPLES = 500
SEEDS, IMAGES = (3, 5, 10), (100, 181, 1000)


def judge(differences: Right, weights: NDArray[np.float32], arms: int = 1) -> tuple[bool, ...]:
    """Whether a study says that arms differ, from (seeds, images) differences of being right.

    By this project (among `arms` arms, the others without any difference), by the percentile
    bootstrap, and by Student's t over seeds.
    """
    images = differences.shape[1]
    d = differences.mean(axis=1)
    replicates = differences @ weights.T / images
    ours = compare("arm", d, replicates, images=images)
    others = [compare("other", np.zeros_like(d), np.zeros_like(replicates), images=images)]
    said = family([ours, *(others * (arms - 1))], higher_is_better=True)[0].verdict
    bootstrap = ours.bootstrap_low > 0 or ours.bootstrap_high < 0
    student = bool(d.std() > 0 and stats.ttest_1samp(d, 0).pvalue <= 0.05)
    return said in ("better", "worse"), bootstrap, student


def simulate(pair: Pair, seeds: int, images: int, studies: int, arms: int = 1) -> NDArray[np.int64]:
    """In how many of the studies each of the three ways of `judge` says that the arms differ."""
    rng = np.random.default_rng([seeds, images, studies])
    weights = np.concatenate(list(draws(images, RESAMPLES)))
    said = np.zeros(3, np.int64)
    for _ in range(studies):
        one, other = pair(rng, seeds, images)
        said += judge(one - other, weights, arms)
    return said


def made_up(seed_spread: float, disagreement: float, gain: float = 0.0) -> Pair:
    """Two arms, equal in the population but for `gain`: images differ in difficulty (logits)."""

    def pair(rng: np.random.Generator, seeds: int, images: int) -> tuple[Right, Right]:
        difficulty = rng.normal(0.5, 1.5, images)

        def arm() -> Right:
            opinion = rng.normal(0, disagreement, images)
            luck = rng.normal(0, seed_spread, (seeds, 1))
            chance = 1 / (1 + np.exp(-(difficulty + opinion + luck)))
            return (rng.random((seeds, images)) < chance).astype(float)

        return _improved(arm(), gain, rng), arm()

    return pair


def drawn_from(population: Right, gain: float = 0.0) -> Pair:
    """Two arms whose runs and images are drawn, with replacement, from one population of runs."""

    def pair(rng: np.random.Generator, seeds: int, images: int) -> tuple[Right, Right]:
        chosen = rng.integers(0, population.shape[1], images)
        one, other = (population[rng.integers(0, len(population), seeds)] for _ in range(2))
        return _improved(one[:, chosen], gain, rng), other[:, chosen]

    return pair


def _improved(right: Right, gain: float, rng: np.random.Generator) -> Right:
    """Wrong answers made right, so that accuracy rises by `gain` in expectation."""
    if not gain:
        return right
    wrong = 1 - right.mean()
    return np.where(rng.random(right.shape) < gain / wrong, 1.0, right)


def train_population(data: str, runs: int, epochs: int) -> Right:
    """Networks that differ in their seed alone, trained and scored on the same images."""
    index = open_index(data)
    config = resolve(RunConfig(data=data, epochs=epochs), index)
    index, dataset = load(index, config)
    right = []
    for seed in tqdm(range(runs), "training the population", disable=None):
        own = config.changed({"seed": seed})
        stream = Stream(dataset, own)
        learner = Learner(own, dataset.shape, len(dataset.classes), stream.steps_per_epoch)
        for epoch in range(epochs):
            learner.epoch(stream.epoch(epoch), stream.validation)
        predicted = learner.logits(stream.validation).argmax(axis=1)
        right.append((predicted == stream.validation.labels).astype(float))
    return np.array(right)


def rows(pairs: dict[str, Pair], studies: int, arms: int) -> Iterator[str]:
    """A line of a Markdown table for each population, number of seeds and number of images."""
    cells = [(name, s, n) for name in pairs for s in SEEDS for n in IMAGES]
    for name, seeds, images in tqdm(cells, "simulating", disable=None, leave=False):
        said = simulate(pairs[name], seeds, images, studies, arms)
        shares = [f"{100 * count / studies:.1f}%" for count in said]
        interval = stats.binomtest(int(said[0]), studies).proportion_ci()
        ours = f"{shares[0]} ({100 * interval.low:.1f} to {100 * interval.high:.1f})"
        yield f"| {name} | {seeds} | {images} | {ours} | {shares[1]} | {shares[2]} |"


@click.command(help=__doc__)
@click.option("--data", default="digits", show_default=True)
@click.option("--runs", default=40, show_default=True, help="runs in the trained population")
@click.option("--epochs", default=3, show_default=True, help="epochs of each of them")
@click.option("--studies", default=2000, show_default=True, help="simulated studies a row")
@click.option("--arms", default=1, show_default=True, help="arms that Holm's correction covers")
@click.option("--power", is_flag=True, help="arms that differ by 2, 5 and 10 points")
def main(data: str, runs: int, epochs: int, studies: int, arms: int, power: bool) -> None:
    population = train_population(data, runs, epochs)
    accuracy = population.mean(axis=1)
    click.echo(
        f"{data}: {runs} runs of {epochs} epochs, accuracy {100 * accuracy.mean():.1f} ± "
        f"{100 * accuracy.std(ddof=1):.1f}%, {population.shape[1]} images; "
        f"{studies} studies a row, {arms} arm(s)\n"
    )
    if power:
        gains = (0.02, 0.05, 0.10)
        pairs = {
            f"trained, +{100 * gain:.0f} points": drawn_from(population, gain)
            for gain in gains
            if gain < 1 - accuracy.mean()
        } | {f"made up, +{100 * gain:.0f} points": made_up(0.1, 0.3, gain) for gain in gains}
    else:
        pairs = {
            "trained": drawn_from(population),
            "arms disagree about images": made_up(0.05, 1.0),
            "seeds differ": made_up(0.3, 0.0),
            "both": made_up(0.3, 1.0),
        }
    click.echo("| population | seeds | images | better or worse (95%) | percentile | Student |")
    click.echo("| --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows(pairs, studies, arms):
        click.echo(row)


if __name__ == "__main__":
    main()
