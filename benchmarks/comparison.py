"""How often the interval of a change holds the true change, how often it excludes 0 wrongly, and how often rightly.

    python -m benchmarks.comparison ham               # HAM10000, 20 % split, by sex: about 15 minutes on one core
    python -m benchmarks.comparison all               # HAM10000, all images
    python -m benchmarks.comparison ham --pairs 50    # fewer simulated pairs of models, for a look
    python -m benchmarks.comparison ham --seed 1      # other pairs than those of the tables in docs/comparison.md

Each pair has a known TPR per group and class. B is A partly changed: it keeps A's prediction as often as the two allow,
but for one in ten (or all, "apart"), which it draws anew. "even": every class has the gap; "half": every other class has
one, twice as large. "moved" and "turned" are changes of 0 in the mean which hide changes in every class.
"""

import argparse
from typing import NamedTuple

import numpy as np

from benchmarks.coverage import AT, HAM, HAM_TPR
from fairshrink.metrics.comparison import changes
from fairshrink.metrics.counts import margins
from fairshrink.metrics.gaps import GAPS, statistics
from fairshrink.metrics.pairs import PairedRows, Pairs, pair

CELLS = {"ham": HAM, "all": HAM * 5}


class Case(NamedTuple):
    """Mean gaps of A and B, the classes that have them, how much of A's predictions B draws anew, B's lower TPR."""

    name: str
    gap_a: float
    gap_b: float
    classes_a: str = "even"
    classes_b: str = "even"
    anew: float = 0.1
    lower: float = 0.0


CASES = [
    Case("no gap", 0, 0),
    *(Case("the same gap", gap, gap, kind, kind) for gap in (0.1, 0.2, 0.3) for kind in ("even", "half")),
    Case("the same gap, B less accurate", 0.1, 0.1, lower=0.15),
    Case("the same gap, predictions apart", 0.1, 0.1, anew=1.0),
    Case("the same gap, predictions apart", 0.2, 0.2, "half", "half", anew=1.0),
    Case("turned to the other group", 0.2, 0.2, "even", "turned"),
    Case("moved to the other classes", 0.1, 0.1, "half", "other half"),
    Case("moved from all classes to half", 0.1, 0.1, "even", "half"),
    *(
        Case("narrower", gap, gap - less, kind, kind)
        for gap, less in ((0.1, 0.05), (0.1, 0.1), (0.2, 0.05), (0.2, 0.1), (0.2, 0.2), (0.3, 0.1), (0.3, 0.2))
        for kind in ("even", "half")
    ),
]


def differences(kind: str, gap: float, size: int) -> np.ndarray:
    """TPR of the first group minus that of the second, by class: the mean of the absolute values is `gap`."""
    classes = np.arange(size)
    sign = np.where(classes % 2 == 0, 1.0, -1.0)
    if kind in ("even", "turned"):
        return sign * gap * (1 if kind == "even" else -1)
    chosen = classes % 2 == (1 if kind == "half" else 0)
    return sign * np.where(chosen, gap * size / chosen.sum(), 0)


def one_model(apart: np.ndarray, tpr: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """P(predicted | group, true), (2, C, C); errors fall on the other classes in the proportions of `errors`."""
    width = np.abs(apart)
    right = np.clip(tpr, width / 2 + 0.01, 0.99 - width / 2) + np.array([[0.5], [-0.5]]) * apart
    rates = (1 - right)[..., None] * errors
    return rates + right[..., None] * np.eye(tpr.size)


def both_models(a: np.ndarray, b: np.ndarray, anew: float) -> np.ndarray:
    """P(A's and B's prediction | group, true), (2, C, C, C): equal as often as can be, but for the part drawn anew."""
    same = np.minimum(a, b)
    left_a, left_b = a - same, b - same
    rest = np.maximum(left_a.sum(-1), 1e-300)[..., None, None]
    kept = same[..., None] * np.eye(a.shape[-1]) + left_a[..., None] * left_b[..., None, :] / rest
    return (1 - anew) * kept + anew * a[..., None] * b[..., None, :]


def sample(cells: np.ndarray, joint: np.ndarray, rng: np.random.Generator) -> Pairs:
    """One test set with both models' predictions."""
    size = cells.shape[1]
    flat = joint.reshape(2, size, -1)
    counts = rng.multinomial(cells, flat / flat.sum(-1, keepdims=True))
    kinds = np.argwhere(counts.reshape(2, size, size, size))
    group, true, pred_a, pred_b = np.repeat(kinds, counts[counts > 0], axis=0).T
    return pair(PairedRows(true, np.stack([pred_a, pred_b]), group), num_groups=2, num_classes=size)


class Tally(NamedTuple):
    """Shares over the simulated pairs, (4 + C,): the gaps, then single classes; `true` is the last pair's."""

    true: np.ndarray
    found: np.ndarray
    held: np.ndarray
    told: np.ndarray
    wrong: np.ndarray


def simulate(cells: np.ndarray, case: Case, pairs: int, seed: int, draws: int) -> Tally:
    """Draws pairs of models and test sets, and counts what their intervals say."""
    rng, size = np.random.default_rng(seed), cells.shape[1]
    true, counted = np.zeros(0), []
    for number in range(pairs):
        errors = np.zeros((size, size))
        for k in range(size):
            errors[k, np.arange(size) != k] = rng.dirichlet(np.full(size - 1, 0.5))
        a = one_model(differences(case.classes_a, case.gap_a, size), HAM_TPR, errors)
        b = one_model(differences(case.classes_b, case.gap_b, size), HAM_TPR - case.lower, errors)
        values = [statistics(margins(cells[:, :, None] * rates), "strict") for rates in (a, b)]
        true = np.round(values[1] - values[0], 9) + 0.0
        sure = changes(sample(cells, both_models(a, b, case.anew), rng), n_boot=draws, seed=number).gaps
        held = (sure.low - 1e-9 <= true) & (true <= sure.high + 1e-9)
        above, below = sure.low > 0, sure.high < 0
        counted.append([sure.b - sure.a, held, above | below, (above & (true < 0)) | (below & (true > 0))])
    return Tally(true, *np.mean(np.array(counted, dtype=np.float64), axis=0))


def row(case: Case, tally: Tally, pairs: int) -> str:
    """One row of the table."""
    kinds = case.classes_a if case.classes_a == case.classes_b else f"{case.classes_a} to {case.classes_b}"
    single, same = tally.held[len(GAPS) :], tally.true[len(GAPS) :] == 0
    alarms = f"{tally.told[len(GAPS) :][same].max():.2f}" if same.any() else "-"
    return (
        f"| {case.name} | {kinds} | {case.gap_a:g} to {case.gap_b:g} | {tally.true[AT]:+.2f} | {tally.found[AT]:+.3f} "
        f"| {share(tally.held[AT], pairs)} | {share(tally.told[AT], pairs)} | {tally.wrong[AT]:.3f} "
        f"| {single.mean():.2f} / {single.min():.2f} | {alarms} |"
    )


def share(part: float, pairs: int) -> str:
    """A share with its Monte-Carlo standard error; never 0, by Laplace's rule."""
    smooth = (part * pairs + 1) / (pairs + 2)
    return f"{part:.3f} ± {np.sqrt(smooth * (1 - smooth) / pairs):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("setting", choices=tuple(CELLS))
    parser.add_argument("--pairs", type=int, default=500, help="simulated pairs of models per row")
    parser.add_argument("--draws", type=int, default=400, help="resamples per pair")
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args()
    print(
        "| B against A | classes | gap | true change | found, on average | holds the truth | excludes 0 | wrong side "
        "| single classes hold it: mean / least | exclude 0 wrongly: most |"
    )
    print(f"|{'---|' * 10}")
    for case in CASES:
        tally = simulate(CELLS[options.setting], case, options.pairs, options.seed, options.draws)
        print(row(case, tally, options.pairs), flush=True)


if __name__ == "__main__":
    main()
