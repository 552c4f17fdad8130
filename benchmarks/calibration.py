"""Do the verdicts keep their promise, whoever looks when, and what do they cost?

    python -m benchmarks.calibration                     # half an hour on two cores
    python -m benchmarks.calibration --studies 400       # a rough answer, in a tenth of that
    python -m benchmarks.calibration --data FOLDER       # your images beside digits

Studies are drawn from populations in which the true differences are known: networks trained on
digits and on a folder of images, one configuration under many seeds, so that only chance makes arms
differ; and made-up ones, which are harder. Arms are made better by turning wrong answers into right
ones. Each study is judged as a report would judge it. Four tables:

1. Equal arms, among 1 and among 7 that share a baseline: the share of studies in which any of them
   is ever called better or worse, by however little, when a seed is added at a time from 3 to 20
   and one looks each time. One look at 20 tells it: intervals only ever shrink.
2. Seven arms of which three are equal to the baseline, two better by 2 points, one by 5 and one by
   10: the share of studies in which an arm that is better by 2 points (two margins) is ever said to
   be within one point of it, and in which all intervals hold their true difference.
3. The same seven arms: trainings of the plan `auto` and of ten seeds for all, at equal power.
4. Equal arms of which seeds alone decide, as with ever more images and for scores without them: the
   share of studies in which any is told apart if one looks after each of 20, 100 and 400 pairs.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, as_completed
from itertools import product
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from benchmarks.populations import Population, contrasts, made_up, trained
from mlp.evidence.comparison import Comparison, Contrast, compare
from mlp.evidence.looks import (
    FIRST_LOOK,
    HOPELESS,
    LEVEL,
    SCORES_SHARE,
    SEEDS_SHARE,
    Precision,
)
from mlp.predictions import Floats

Counts = NDArray[np.float64]

ARMS = (1, 7)
LOOKS = (3, 5, 10, 20)
EQUAL = (0.0,) * 7
MIX = (0.02, 0.0, 0.02, 0.0, 0.0, 0.05, 0.10)  # what the arms of the suite `regularization` do
TWO_MARGINS = 0.02
WITHIN = ("equal", "slightly better", "slightly worse")
FIXED_PLAN = 10  # seeds
MOST_SEEDS = (4, 6, 8, 10, 12, 14, 17, 20, 25, 30)  # of the plan auto
MIX_IMAGES = 1000
PAIRS = (20, 100, 400)  # of seeds alone
CHUNK = 50  # studies that a process simulates at once


def judged(
    population: Population, made: Mapping[str, Contrast], images: int, pairs: int, arms: int
) -> list[Comparison]:
    """The first arms of a study, compared after so many pairs."""
    seen = {name: (d[:pairs], r[:pairs]) for name, (d, r) in list(made.items())[:arms]}
    return compare(seen, images=images, overlap=population.overlap)


def ever_shown(
    population: Population, images: int, arms: Sequence[int], studies: int, seed: int
) -> Counts:
    """In how many studies an equal arm is ever called better or worse, by number of arms."""
    shown, rng = np.zeros(len(arms)), np.random.default_rng([seed, images])
    for _ in range(studies):
        drawn = population.draw(rng, EQUAL[: max(arms)], LOOKS[-1], images)
        made = contrasts(drawn, population.overlap is None)
        for k, number in enumerate(arms):
            shown[k] += any(c.shown for c in judged(population, made, images, LOOKS[-1], number))
    return shown


def covered(population: Population, images: int, arms: int, studies: int, seed: int) -> Counts:
    """In how many studies an arm two margins apart is ever said to be within one, and then in how
    many all intervals hold their true difference, after each of LOOKS."""
    counts, rng = np.zeros(1 + len(LOOKS)), np.random.default_rng([seed, images, arms])
    for _ in range(studies):
        drawn = population.draw(rng, MIX[:arms], LOOKS[-1], images)
        made = contrasts(drawn, population.overlap is None)
        for k, pairs in enumerate(LOOKS):
            found = list(zip(judged(population, made, images, pairs, arms), MIX, strict=False))
            counts[1 + k] += all(c.low <= truth <= c.high for c, truth in found)
        counts[0] += any(c.verdict in WITHIN for c, truth in found if truth == TWO_MARGINS)
    return counts


def plans(population: Population, images: int, studies: int, seed: int) -> Counts:
    """True verdicts and trainings of the fixed plan, and of `auto` for each of MOST_SEEDS."""
    rng, sums = np.random.default_rng([seed, images]), np.zeros((1 + len(MOST_SEEDS), 2))
    truth = np.sign(MIX)
    for _ in range(studies):
        drawn = population.draw(rng, MIX, MOST_SEEDS[-1], images)
        made = contrasts(drawn, population.overlap is None)
        said = fixed(list(made.values()), FIXED_PLAN, images, population.overlap)
        sums[0] += (said == truth)[truth != 0].sum(), FIXED_PLAN * (1 + len(MIX))
        for k, (verdicts, trainings) in enumerate(auto(population, made, images), 1):
            sums[k] += (verdicts == truth)[truth != 0].sum(), trainings
    return sums


def auto(
    population: Population, made: Mapping[str, Contrast], images: int, hopeless: float = HOPELESS
) -> Iterator[tuple[Floats, int]]:
    """Verdicts (1: better, -1: worse, 0: another) and trainings, for each of MOST_SEEDS."""
    looks = {
        pairs: judged(population, made, images, pairs, len(made))
        for pairs in range(FIRST_LOOK, MOST_SEEDS[-1] + 1)
    }
    for most in MOST_SEEDS:
        ends = []
        for arm in range(len(made)):
            seen = (looks[pairs][arm] for pairs in range(FIRST_LOOK, most + 1))
            ends.append(
                next(c for c in seen if c.pairs == most or c.chance(most) < hopeless or decided(c))
            )
        verdicts = np.array([{"better": 1, "worse": -1}.get(c.verdict, 0) for c in ends])
        yield verdicts, sum(c.pairs for c in ends) + max(c.pairs for c in ends)


def decided(c: Comparison) -> bool:
    return c.verdict != "undecided"


def fixed(
    made: Sequence[Contrast], pairs: int, images: int, overlap: float | None
) -> NDArray[np.int64]:
    """What a t test with Holm's correction says of each arm after so many pairs: 1, -1 or 0.

    This was the rule before there were intervals for any number of looks: it allows one look. From
    six pairs on, an exact test (sign flips) has to agree.
    """
    p, signs = np.ones(len(made)), np.zeros(len(made), np.int64)
    flips = 1 - 2.0 * (np.arange(2**pairs)[:, None] >> np.arange(pairs) & 1)
    for k, (differences, replicates) in enumerate(made):
        d, r = differences[:pairs], replicates[:pairs]
        single = r.var(axis=1, ddof=1).mean()
        seeds = max(d.var(ddof=1), single / 4) / pairs
        together = r.mean(axis=0).var(ddof=1)
        common = max(0.0, together - single / pairs) * pairs / (pairs - 1)
        if overlap is not None:
            common = overlap * seeds * pairs
        degrees = pairs - 1.0
        if overlap is None:
            satterthwaite = (seeds + common) ** 2 / (
                seeds**2 / (pairs - 1) + common**2 / (images - 1)
            )
            degrees = min(satterthwaite, 1.25 * (pairs - 1))
        p[k] = 2 * stats.t.sf(abs(d.mean()) / np.sqrt(seeds + common), degrees)
        as_far = np.abs(flips @ d) >= abs(d.sum()) - 1e-12
        signs[k] = np.sign(d.mean()) if pairs < 6 or as_far.mean() <= LEVEL else 0
    order = np.argsort(p)
    holm = np.empty(len(made))
    holm[order] = np.maximum.accumulate(p[order] * (len(made) - np.arange(len(made))))
    return np.where(holm <= LEVEL, signs, 0)


def at_equal_power(sums: Counts, studies: int) -> tuple[float, float, float]:
    """True verdicts of the fixed plan, trainings of `auto` for as many, and their ratio."""
    (power, trainings), *rest = sums / studies
    found, cost = np.array(rest).T
    needed = float(np.interp(power, np.maximum.accumulate(found), cost, right=np.nan))
    return power, needed, needed / trainings


def alone(share: float, arms: int, studies: int, seed: int) -> Counts:
    """In how many studies any of some equal arms is told apart within each of PAIRS."""
    rng, n = np.random.default_rng([seed, arms]), np.arange(1, PAIRS[-1] + 1)
    base = rng.standard_normal((studies, 1, len(n)))
    d = rng.standard_normal((studies, arms, len(n))) - base
    means = d.cumsum(2) / n
    with np.errstate(invalid="ignore"):  # of one pair
        variances = ((d**2).cumsum(2) - n * means**2) / (n - 1)
        precision = Precision(variances, np.zeros(len(n)), None, arms, share)
        apart = np.asarray(np.abs(means) > precision.half_width(n))[..., FIRST_LOOK - 1 :]
    counts = [apart[..., : pairs - FIRST_LOOK + 1].any((1, 2)).sum() for pairs in PAIRS]
    return np.array(counts, np.float64)


def percent(count: float, of: int) -> str:
    """A share with its 95% interval."""
    interval = stats.binomtest(round(count), of).proportion_ci()
    return f"{100 * count / of:.1f}% ({100 * interval.low:.1f} to {100 * interval.high:.1f})"


def total(pool: Executor, count: Callable[..., Counts], studies: int, *what: object) -> Counts:
    """Counts over so many studies, simulated in chunks by all processes."""
    chunks = [min(CHUNK, studies - start) for start in range(0, studies, CHUNK)]
    jobs = [pool.submit(count, *what, number, seed) for seed, number in enumerate(chunks)]
    bar = tqdm(as_completed(jobs), count.__name__, len(jobs), disable=None, leave=False)
    return np.asarray(sum(job.result() for job in bar))


def tables(
    pool: Executor, populations: Mapping[str, Population], studies: int, only: str
) -> Iterator[str]:
    """The lines of the Markdown tables. `only`: a number of a table, or all."""
    cells = [(name, each, n) for name, each in populations.items() for n in each.sizes]
    if only in ("1", "all"):
        yield from heading("population", "images", *(f"ever shown, {k} equal" for k in ARMS))
        for name, each, n in cells:
            shown = total(pool, ever_shown, studies, each, n, ARMS)
            yield row(name, n, *(percent(count, studies) for count in shown))
    if only in ("2", "all"):
        looks = [f"all hold at {k}" for k in LOOKS]
        yield from heading("population", "images", "arms", "ever equal, +2 points", *looks)
        for name, each, n in cells:
            for arms in ARMS:
                counts = total(pool, covered, studies // 2, each, n, arms)
                shares = [f"{200 * count / studies:.1f}%" for count in counts[1:]]
                yield row(name, n, arms, percent(counts[0], studies // 2), *shares)
    if only in ("3", "all"):
        columns = ("true verdicts of 4", "trainings, fixed", "trainings, auto", "ratio")
        yield from heading("population", "images", *columns)
        for name, each in populations.items():
            n = MIX_IMAGES if MIX_IMAGES in each.sizes else each.sizes[-1]
            counts = total(pool, plans, studies // 10, each, n)
            power, needed, ratio = at_equal_power(counts, studies // 10)
            trainings = FIXED_PLAN * (1 + len(MIX))
            yield row(name, n, f"{power:.2f}", trainings, f"{needed:.1f}", f"{ratio:.2f}")
    if only in ("4", "all"):
        yield from heading("seeds alone", "equal arms", *(f"within {pairs}" for pairs in PAIRS))
        rules = {"of a study": SEEDS_SHARE, "of scores": SCORES_SHARE}
        for (name, share), arms in product(rules.items(), (1, 7, 20)):
            counts = total(pool, alone, 5 * studies, share, arms)
            yield row(name, arms, *(percent(count, 5 * studies) for count in counts))


def heading(*columns: str) -> Iterator[str]:
    yield ""
    yield row(*columns)
    yield row(*("---" if k == 0 else "---:" for k in range(len(columns))))


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


@click.command(help=__doc__)
@click.option(
    "--data",
    default="../shared/data/skin-smol",
    show_default=True,
    help="folder of images; left out where it is not there",
)
@click.option("--runs", default=40, show_default=True, help="trainings of each data on one split")
@click.option("--splits", default=64, show_default=True, help="splits of digits, 8 trainings each")
@click.option("--epochs", default=3, show_default=True, help="epochs of each training")
@click.option(
    "--population",
    type=click.Path(path_type=Path, dir_okay=False),
    help=".npz file that keeps the trainings; read where it exists",
)
@click.option(
    "--studies",
    default=4000,
    show_default=True,
    help="studies of a row of table 1; half of it in table 2, a tenth in 3, five times in 4",
)
@click.option("--table", default="all", type=click.Choice(["1", "2", "3", "4", "all"]))
@click.option("--workers", default=os.cpu_count(), type=click.IntRange(1), help="processes")
def main(
    data: str,
    runs: int,
    splits: int,
    epochs: int,
    population: Path | None,
    studies: int,
    table: str,
    workers: int,
) -> None:
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        populations = trained(pool, population, data, runs, splits, epochs) | made_up()
        for name, each in populations.items():
            click.echo(f"{name}: {each.about}")
        for line in tables(pool, populations, studies, table):
            click.echo(line)


if __name__ == "__main__":
    main()
