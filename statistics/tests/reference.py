#!/usr/bin/env python3
"""Prints what scipy, statsmodels or plain enumeration give, as JSON:

    python3 statistics/tests/reference.py 0 > statistics/tests/golden.json

The argument is the seed of the data. No figure comes from the crate.
"""

import itertools
import json
import sys
import warnings

import numpy as np
import scipy
import scipy.stats as st
import statsmodels
import statsmodels.api as sm
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

import philox

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 0
random = np.random.default_rng(SEED)


def normal(n):
    return random.normal(0.2, 1.0, n)


def grid(n):
    """Integers with many ties and zeros, which stand for images or thousandths."""
    return random.integers(-4, 6, n)


def scipy_sign_flip(d):
    def p(alternative):
        mean = lambda x, axis: x.mean(axis=axis)
        return st.permutation_test(
            (d,), mean, permutation_type="samples", vectorized=True, n_resamples=np.inf, alternative=alternative
        ).pvalue

    return {"mean": d.mean(), "two_sided": p("two-sided"), "greater": p("greater"), "less": p("less")}


def enumerated_sign_flip(whole, scale):
    """The same of whole numbers over a scale, in which nothing is rounded."""
    sums = np.array([np.dot(signs, whole) for signs in itertools.product((1, -1), repeat=len(whole))])
    observed = whole.sum()
    share = lambda extreme: float(np.mean(extreme))
    return {
        "mean": observed / scale / len(whole),
        "two_sided": share(abs(sums) >= abs(observed)),
        "greater": share(sums >= observed),
        "less": share(sums <= observed),
    }


def sign_flip():
    cases = []
    for n in range(1, 13):
        # scipy's axis of resamples needs two observations.
        if n > 1:
            d = normal(n)
            cases.append({"differences": d, **scipy_sign_flip(d)})
        # Shares of 1,000 and of 10,000 images, and the latter as per cent: rounded, then subtracted.
        for scale, least in ((1000, 940), (10000, 9400), (100, 9400)):
            whole = grid(n)
            baseline = random.integers(least, least + 50, n)
            case = {"candidate": (baseline + whole) / scale, "baseline": baseline / scale}
            case |= enumerated_sign_flip(whole, scale)
            cases.append(case)
            # scipy's tolerance is relative to the observed mean, so it misses ties of these. It never has too many.
            if n > 1:
                other = scipy_sign_flip(case["candidate"] - case["baseline"])
                assert all(other[key] <= case[key] + 1e-9 for key in other), (whole, case, other)
    return cases


def sign_flip_drawn():
    cases = []
    for n, count, seed in ((17, 300, 0), (33, 300, 5), (70, 200, 2**40 + 3)):
        d = normal(n)
        flipped = [philox.flips(seed, draw, n) for draw in range(count)]
        sums = np.array([sum(-v if f else v for v, f in zip(d, flips)) for flips in flipped])
        p = lambda extreme: (1 + int(extreme.sum())) / (1 + count)
        case = {"differences": d, "count": count, "seed": seed}
        case |= {"greater": p(sums >= d.sum()), "less": p(sums <= d.sum()), "two_sided": p(abs(sums) >= abs(d.sum()))}
        cases.append(case)
    return cases


def sign_flip_estimated():
    """Beyond the exact limit, p by all patterns: what draws estimate."""
    d = normal(18)
    return [{"differences": d, **scipy_sign_flip(d)}]


def signed_rank(n):
    """P(T <= t) of the signed-rank statistic, by all patterns of signs."""
    sums = [sum(r for r, s in zip(range(1, n + 1), signs) if s) for signs in itertools.product((0, 1), repeat=n)]
    return np.cumsum(np.bincount(sums, minlength=n * (n + 1) // 2 + 1)) / 2**n


def hodges_lehmann():
    """As R's wilcox.test computes estimate and conf.int where it is exact."""
    cases = []
    for n in range(2, 13):
        below = signed_rank(n)
        for d in (normal(n), grid(n) / 1000):
            walsh = np.sort([(d[i] + d[j]) / 2 for i in range(n) for j in range(i, n)])
            for level in (0.5, 0.8, 0.9, 0.95, 0.99):
                # qsignrank, then R's own: at least the outermost.
                quantile = max(int(np.argmax(below >= (1 - level) / 2 - 1e-15)), 1)
                # A step of the coverage that is the level itself: R takes the next wider one, see the crate's text.
                if abs(below[quantile] - (1 - level) / 2) < 1e-12:
                    continue
                cases.append({
                    "differences": d, "level": level, "shift": np.median(walsh),
                    "low": walsh[quantile - 1], "high": walsh[len(walsh) - quantile],
                    "coverage": 1 - 2 * below[quantile - 1],
                })
    return cases


def interquartile_mean():
    values = [make(n) for n in range(1, 14) for make in (normal, lambda n: grid(n) / 1000)]
    return [{"values": v, "mean": st.trim_mean(v, 0.25)} for v in values]


def bootstrap():
    cases = []
    for sizes, count, seed in (((5, 5, 5), 400, 0), ((1, 4, 7), 400, 9), ((2,), 50, 2**33 + 1)):
        strata = [normal(n) for n in sizes]
        drawn = []
        for draw in range(count):
            resampled = [philox.resample(seed, draw, part, list(s)) for part, s in enumerate(strata)]
            drawn.append(st.trim_mean(np.concatenate(resampled), 0.25))
        low, high = np.quantile(drawn, (0.05, 0.95))
        cases.append({
            "strata": strata, "count": count, "seed": seed, "level": 0.9, "low": low, "high": high,
            "estimate": st.trim_mean(np.concatenate(strata), 0.25), "standard_error": np.std(drawn, ddof=1),
        })
    return cases


def bootstrap_estimated():
    """With other draws: equal up to chance."""
    x = normal(12)
    result = st.bootstrap((x,), np.mean, method="percentile", n_resamples=200_000, rng=SEED)
    low, high = result.confidence_interval
    return [{"values": x, "low": low, "high": high, "standard_error": result.standard_error}]


def improvement():
    cases = []
    for n, m in ((2, 2), (3, 5), (5, 5), (12, 7)):
        for make in (normal, lambda n: grid(n) / 1000):
            tasks = [(make(n), make(m)) for _ in range(3)]
            by_task = [st.mannwhitneyu(x, y).statistic / (n * m) for x, y in tasks]
            cases.append({"candidate": [x for x, _ in tasks], "baseline": [y for _, y in tasks], "mean": np.mean(by_task)})
            if n == m:
                wins = [np.mean((x > y) + 0.5 * (x == y)) for x, y in tasks]
                cases[-1]["paired"] = wins
    return cases


def holm():
    sets = [random.uniform(0, 0.1, n) for n in range(1, 13)]
    sets += [random.integers(0, 5, n) / 64 for n in range(2, 13)]
    sets += [np.array([1.0, 0.5, 0.5, 0.0]), np.array([0.0625] * 6)]
    return [{"p": p, "adjusted": multipletests(p, method="holm")[1]} for p in sets]


def mean_interval():
    cases = []
    for n in range(2, 13):
        x = normal(n)
        for level in (0.8, 0.95, 0.999):
            low, high = st.ttest_1samp(x, 0).confidence_interval(level)
            cases.append({
                "values": x, "level": level, "mean": x.mean(), "deviation": x.std(ddof=1), "low": low, "high": high,
            })
    return cases


def variance_components():
    cases = []
    balanced = (((3, 3, 3), 2), ((5, 5, 5, 5), 1), ((4, 4), 0), ((2, 2, 2), 0))
    unbalanced = (((2, 5, 3, 1), 2), ((7, 2, 6, 3, 3), 0.3))
    for sizes, spread in balanced + unbalanced:
        groups = [normal(n) + spread * random.normal() for n in sizes]
        y, group = np.concatenate(groups), np.repeat(np.arange(len(sizes)), sizes)
        fit = sm.OLS(y, np.eye(len(sizes))[group]).fit()
        within = fit.mse_resid
        between_square = fit.ess / (len(sizes) - 1)
        n0 = (len(y) - sum(n * n for n in sizes) / len(y)) / (len(sizes) - 1)
        # A second opinion on the mean squares.
        assert abs(st.f_oneway(*groups).statistic - between_square / within) < 1e-9 * between_square / within
        uncut = (between_square - within) / n0
        case = {"groups": groups, "within": within, "between_uncut": uncut, "between": max(uncut, 0), "group_size": n0}
        if len(set(sizes)) == 1 and uncut > within / 10:
            reml = sm.MixedLM(y, np.ones(len(y)), group).fit(reml=True)
            case["reml"] = [float(reml.scale), float(np.asarray(reml.cov_re)[0, 0])]
        cases.append(case)
    assert any("reml" in case for case in cases)
    return cases


def accuracy():
    cases = []
    for correct, images in ((0, 10), (10, 10), (1, 1), (0, 1), (5, 10), (8123, 10000), (9999, 10000), (1, 10**9)):
        for level in (0.5, 0.95, 0.99):
            low, high = proportion_confint(correct, images, alpha=1 - level, method="wilson")
            cases.append({"correct": correct, "images": images, "level": level, "low": low, "high": high})
    return cases


def interaction():
    cases = []
    for n in (2, 5, 12):
        cells = {name: normal(n) for name in ("neither", "first", "second", "both")}
        a, b = np.repeat((0, 1, 0, 1), n), np.repeat((0, 0, 1, 1), n)
        design = np.column_stack([np.ones(4 * n), a, b, a * b])
        coefficient = sm.OLS(np.concatenate(list(cells.values())), design).fit().params[3]
        by_seed = [row @ (1, -1, -1, 1) for row in np.column_stack(list(cells.values()))]
        cases.append({**cells, "coefficient": coefficient, "by_seed": by_seed})
    return cases


def rank_correlation():
    cases = []
    for n in range(3, 13):
        for x, y in ((normal(n), normal(n)), (grid(n), grid(n))):
            if len(set(x)) == 1 or len(set(y)) == 1:
                continue
            case = {"x": x, "y": y, "rho": st.spearmanr(x, y).statistic}
            if n <= 7:
                # Every order; ranks are halves, so that four times their products are whole.
                a, b = (np.rint(2 * st.rankdata(v)).astype(int) for v in (x, y))
                centre = lambda v: len(v) * v - v.sum()
                a, b = centre(a), centre(b)
                sums = np.array([abs(np.dot(a, order)) for order in itertools.permutations(b)])
                case["p"] = float(np.mean(sums >= abs(np.dot(a, b))))
            cases.append(case)
    return cases


SUBJECTS = (
    sign_flip, sign_flip_drawn, sign_flip_estimated, hodges_lehmann, interquartile_mean, bootstrap, bootstrap_estimated,
    improvement, holm, mean_interval, variance_components, accuracy, interaction, rank_correlation,
)


def plain(value):
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else sys.exit(f"{value!r} is no JSON")


def main():
    # MixedLM warns about pandas and about its optimiser; what it gives is compared all the same.
    warnings.simplefilter("ignore")
    result = {
        "made_by": f"python3 statistics/tests/reference.py {SEED}",
        "versions": {"numpy": np.__version__, "scipy": scipy.__version__, "statsmodels": statsmodels.__version__},
    }
    for subject in SUBJECTS:
        result[subject.__name__] = subject()
    # A case a line.
    lines = []
    for name, value in result.items():
        if isinstance(value, list):
            cases = ",\n".join("  " + json.dumps(case, default=plain) for case in value)
            lines.append(f"{json.dumps(name)}: [\n{cases}\n]")
        else:
            lines.append(f"{json.dumps(name)}: {json.dumps(value)}")
    print("{\n" + ",\n".join(lines) + "\n}")


main()
