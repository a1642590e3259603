"""Writes libs/learning/vectors/gam-sum.json from the reference. Run from the root of the repository, then format what was written:

    python3 tools/reference/make_vectors.py && npx prettier --write libs/learning/vectors

The stock is synthetic: codes uniform, y = additive effect of the bins + noise, all from one seeded generator. The file holds inputs and results, so that
checking against it needs neither Python nor the same generator.
"""
import json
import math
from pathlib import Path

import numpy as np
import scipy

from int_gam_reference import noise_and_step, run

SEED = 20260725
BINS, RECORDS, T = [4, 6, 3], 60, 10


def synthetic(rng):
    codes = np.stack([rng.integers(0, bins, RECORDS) for bins in BINS], axis=1)
    effects = [rng.normal(0, 2.5, bins) for bins in BINS]
    y = 12 + sum(effect[codes[:, a]] for a, effect in enumerate(effects)) + rng.normal(0, 0.5, RECORDS)
    return codes, np.round(y, 3)


def cases():
    rng = np.random.default_rng(SEED)
    codes, y = synthetic(rng)
    common = dict(binsPerFeature=BINS, yRange=[2.0, 22.0], T=T, R=0.03, momentum=0.6, kappa=0.04,
                  train={"codes": codes.tolist(), "y": y.tolist()}, roundingDraws=rng.random((T, RECORDS)).tolist())
    yield "no noise", {**common, "eps": None, "amp": 1.0}
    noisy = {**common, "eps": 8.0, "amp": math.sqrt(5), "nominalRecords": 64}
    sigma, _ = noise_and_step(8.0, math.sqrt(5), 0.04, T, len(BINS), 64)
    noisy["noise"] = np.rint(rng.normal(0, sigma, (T, sum(BINS)))).astype(int).tolist()
    yield "noise of 5 clients at epsilon 8, nominal number of records", noisy


def step_rules():
    for n, d, rounds, eps, amp in [(644, 6, 25, 1.0, 1.0), (644, 6, 25, 1.0, math.sqrt(20)), (768, 8, 50, 0.5, math.sqrt(20)),
                                   (768, 8, 12, 8.0, 1.0), (100, 3, 10, None, 1.0)]:
        sigma, lr = noise_and_step(eps, amp, 0.04, rounds, d, n)
        yield {"nominalRecords": n, "features": d, "rounds": rounds, "eps": eps, "amp": amp, "sigmaOfSum": sigma, "lr": lr}


if __name__ == "__main__":
    path = Path("libs/learning/vectors/gam-sum.json")
    path.write_text(json.dumps({
        "provenance": {
            "generator": "tools/reference/make_vectors.py",
            "seed": SEED,
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "data": "synthetic; no real building",
        },
        "cases": [{"name": name, "input": job, "output": run(job)} for name, job in cases()],
        "stepRules": list(step_rules()),
    }))
