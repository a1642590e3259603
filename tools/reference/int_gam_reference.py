"""Reference of the `gam-sum` recipe: the additive model trained by clipped, rounded sums. Independent of the product; needs numpy and scipy.

    python3 tools/reference/int_gam_reference.py < in.json > out.json

Input (JSON object):
  binsPerFeature [d], yRange [lo, hi], T (planned rounds), R (residual scale), momentum
  train {codes [n][d], y [n]}, test {codes, y} (optional), nominalRecords (default n: the divisor of each round's sum)
  the noise, one of
    sigmaPerRound, lr     explicit: standard deviation of the noise in the sum per round (0: none) and the learning rate
    eps, amp, kappa       by the rule: eps null means no noise; amp is 1 for one central noise, sqrt(K) for full noise at each of K clients; delta 1e-5
  the randomness, one of
    roundingDraws [T][n] in [0, 1), noise [T][p] integers (optional, default none)   -> one run, everything it computed
    seeds [m]                                                                        -> R2 on the test records of m runs, noise = rint(normal)
Output: sigmaPerRound, lr and
  with roundingDraws: sums [T][p] (noise included), iterates [T][p], weights [p], predictions (of the test, else of the training records), r2
  with seeds: r2 [m], mean, sd (of one run), standardError (of the mean)
"""
import json
import math
import sys

import numpy as np
from scipy import optimize, special

DELTA = 1e-5
STEP_CAP = 0.5


def sigma_for(eps, delta=DELTA):
    """Noise multiplier of one Gaussian release of L2 sensitivity 1 that is exactly (eps, delta)-DP (Balle and Wang 2018, theorem 8)."""
    def excess(s):
        return special.ndtr(1 / (2 * s) - eps * s) - math.exp(eps + special.log_ndtr(-1 / (2 * s) - eps * s)) - delta

    return optimize.brentq(excess, 0.05, 200)


def noise_and_step(eps, amp, kappa, T, d, n):
    """Standard deviation of the noise in one round's sum, and the learning rate that suits it."""
    s = sigma_for(eps) * amp if eps else 0.0
    return s * math.sqrt(T * d), (min(STEP_CAP, kappa * n / s / T) if s else STEP_CAP) / d


def weight_index(codes, bins_per_feature):
    return codes + np.concatenate([[0], np.cumsum(bins_per_feature)])[:-1]


def train(codes, y, bins_per_feature, y_range, T, R, momentum, lr, n, rounding, noise):
    """rounding(t): one draw in [0, 1) per record; noise(t): p integers. n: divisor of the sums. Returns sums, iterates, final weights."""
    lo, hi = y_range
    index, p = weight_index(codes, bins_per_feature), int(np.sum(bins_per_feature))
    target = (y - (lo + hi) / 2) / (hi - lo)
    w, v, total, averaged, sums, iterates = np.zeros(p), np.zeros(p), np.zeros(p), 0, [], []
    for t in range(T):
        residual = w[index].sum(1) - target
        k = np.clip(np.floor(np.clip(residual / R, -1, 1) + rounding(t)), -1, 1)
        S = np.zeros(p)
        for a in range(codes.shape[1]):
            S += np.bincount(index[:, a], weights=k, minlength=p)
        S += noise(t)
        v = momentum * v + S / n
        w = w - lr * v
        if t >= T // 2:
            total, averaged = total + w, averaged + 1
        sums.append(S)
        iterates.append(w)
    return sums, iterates, total / averaged


def predict(weights, codes, bins_per_feature, y_range):
    lo, hi = y_range
    return (lo + hi) / 2 + (hi - lo) * np.clip(weights[weight_index(codes, bins_per_feature)].sum(1), -0.5, 0.5)


def r2(y, predicted):
    return 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def stock(part, d):
    return np.array(part["codes"], dtype=int).reshape(-1, d), np.array(part["y"], dtype=float)


def run(job):
    bins, y_range, T = job["binsPerFeature"], job["yRange"], job["T"]
    d, p = len(bins), sum(bins)
    codes, y = stock(job["train"], d)
    test_codes, test_y = stock(job.get("test", job["train"]), d)
    n = job.get("nominalRecords", len(y))
    if "sigmaPerRound" in job:
        sigma, lr = job["sigmaPerRound"], job["lr"]
    else:
        sigma, lr = noise_and_step(job["eps"], job["amp"], job["kappa"], T, d, n)
    settings = dict(bins_per_feature=bins, y_range=y_range, T=T, R=job["R"], momentum=job["momentum"], lr=lr, n=n)
    out = {"sigmaPerRound": sigma, "lr": lr}
    if "roundingDraws" in job:
        draws, noise = np.array(job["roundingDraws"]), np.array(job.get("noise", np.zeros((T, p))))
        sums, iterates, weights = train(codes, y, rounding=lambda t: draws[t], noise=lambda t: noise[t], **settings)
        predictions = predict(weights, test_codes, bins, y_range)
        out.update(sums=np.array(sums, dtype=int).tolist(), iterates=np.array(iterates).tolist(), weights=weights.tolist(),
                   predictions=predictions.tolist(), r2=float(r2(test_y, predictions)))
        return out
    scores = []
    for seed in job["seeds"]:
        rng = np.random.default_rng(seed)
        _, _, weights = train(codes, y, rounding=lambda t: rng.random(len(y)),
                              noise=lambda t: np.rint(rng.normal(0, sigma, p)) if sigma else 0, **settings)
        scores.append(float(r2(test_y, predict(weights, test_codes, bins, y_range))))
    sd = float(np.std(scores, ddof=1)) if len(scores) > 1 else None
    out.update(r2=scores, mean=float(np.mean(scores)), sd=sd, standardError=sd / math.sqrt(len(scores)) if sd is not None else None)
    return out


if __name__ == "__main__":
    json.dump(run(json.load(sys.stdin)), sys.stdout)
