"""Golden values of ensembles: combining, calibration, scores, prediction sets and selection.

    python3 -m pip install torch torchmetrics torch-uncertainty scikit-learn scipy
    python3 xtask/golden/ensemble.py

writes crates/firebrick-ensemble/tests/golden/ensemble.json. The logits are random numbers with three decimals, so that
they are the same in f32; everything is computed of them in f64 (but for accuracies and calibration errors, which
torchmetrics computes in f32). The script fails where two references for one figure
differ, and where a case could not tell a right formula from a wrong one.

The seed of the data, 27, was searched for among 11 to 39. With 13 of these 29 the script stops: in 12, vector scaling is so
badly conditioned that L-BFGS does not bring the gradient down to 1e-9, and in 2, other than one member of the weighted mean
has no weight. Which of the other seeds it is makes no difference to what the cases test.
"""

import json
from importlib.metadata import version
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.stats import gmean, mode, rankdata
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from torch_uncertainty.metrics.classification import (
    AURC,
    AdaptiveCalibrationError,
    BrierScore,
    CategoricalNLL,
    Disagreement,
    Entropy,
    MutualInformation,
)
from torch_uncertainty.metrics.classification.calibration import ClasswiseCalibrationError
from torch_uncertainty.post_processing.conformal import ConformalClsAPS, ConformalClsRAPS
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError

OUT = Path(__file__).parents[2] / "crates/firebrick-ensemble/tests/golden/ensemble.json"
MEMBERS, IMAGES, CLASSES = 4, 80, 7
# Accumulators of metrics as well.
torch.set_default_dtype(torch.float64)


def data():
    rng = np.random.default_rng(27)
    labels = rng.integers(0, CLASSES, IMAGES)
    assert set(labels) == set(range(CLASSES))
    truth = np.eye(CLASSES)[labels]
    # What all members see in an image, and what each of them alone does.
    shared = rng.normal(size=(IMAGES, CLASSES))
    skills = [2.5, 2.4, 2.3, 0.2]
    logits = [
        1.4 * (skill * truth + shared + rng.normal(size=(IMAGES, CLASSES))) for skill in skills
    ]
    logits = np.round(np.array(logits), 3).astype(np.float32)
    return logits, labels


def log_softmax(logits):
    return torch.log_softmax(torch.as_tensor(logits), -1).numpy()


def nll(log_probabilities, labels):
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def figures(log_probabilities, labels):
    """Of one prediction, by torchmetrics and TorchUncertainty."""
    probabilities, targets = torch.as_tensor(np.exp(log_probabilities)), torch.as_tensor(labels)
    metrics = {
        "top1": MulticlassAccuracy(CLASSES, average="micro"),
        "top5": MulticlassAccuracy(CLASSES, average="micro", top_k=5),
        "nll": CategoricalNLL(),
        "brier": BrierScore(CLASSES),
        "ece": MulticlassCalibrationError(CLASSES, n_bins=15),
        "ece_adaptive": AdaptiveCalibrationError(task="multiclass", num_classes=CLASSES, num_bins=15),
        "ece_classwise": ClasswiseCalibrationError(CLASSES, num_bins=15),
        "aurc": AURC(),
    }
    for metric in metrics.values():
        metric.update(probabilities, targets)
    found = {name: float(metric.compute()) for name, metric in metrics.items()}
    found["risks"] = metrics["aurc"].partial_compute().tolist()
    assert abs(found["nll"] - log_loss(labels, probabilities.numpy())) < 1e-12
    assert 0.5 < found["top1"] < 0.95 < found["top5"] < 1.0 or found["top1"] < 0.5
    assert len({round(found[name], 4) for name in metrics}) == len(metrics), found
    return found


def best(function, start, **options):
    found = minimize(function, start, **options)
    return found.x


def temperature(log_probabilities, labels):
    def mean_nll(log_temperature):
        scaled = log_softmax(log_probabilities / np.exp(log_temperature))
        expected = (np.exp(scaled) * log_probabilities).sum(-1)
        slope = (log_probabilities[np.arange(IMAGES), labels] - expected).mean() / np.exp(log_temperature)
        return nll(scaled, labels), np.array([slope[0] if np.ndim(slope) else slope])

    found = best(mean_nll, np.zeros(1), jac=True, method="BFGS", options={"gtol": 1e-13})
    return float(np.exp(found[0]))


def weights(probabilities, labels):
    own = probabilities[:, np.arange(IMAGES), labels].T

    def mean_nll(w):
        mixture = own @ w
        return -np.log(mixture).mean(), -(own / mixture[:, None]).mean(0)

    found = best(
        mean_nll,
        np.full(MEMBERS, 1 / MEMBERS),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * MEMBERS,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(MEMBERS)},
        options={"ftol": 1e-16, "maxiter": 1000},
    )
    # The conditions of the optimum: the slope is 1 for members that count, and at most 1 for others.
    slopes = -mean_nll(found)[1]
    assert np.abs(slopes[found > 1e-6] - 1).max() < 1e-7 and slopes.max() < 1 + 1e-7, slopes
    assert found.min() < 1e-9 and np.sort(found)[1] > 0.01, "one member must not count, the others must"
    return found


def stacking(log_probabilities, labels, l2):
    inputs = np.maximum(np.concatenate(list(log_probabilities), -1), np.log(1e-12))
    model = LogisticRegression(C=1 / (l2 * IMAGES), solver="newton-cholesky", tol=1e-13, max_iter=1000)
    model.fit(inputs, labels)
    return model.predict_proba(inputs)


def vector(log_probabilities, labels):
    scores, targets = torch.as_tensor(log_probabilities), torch.as_tensor(labels)
    factors = torch.ones(CLASSES, requires_grad=True)
    shifts = torch.zeros(CLASSES, requires_grad=True)
    settings = {"tolerance_grad": 1e-13, "tolerance_change": 0, "max_iter": 5000, "line_search_fn": "strong_wolfe"}
    optimizer = torch.optim.LBFGS([factors, shifts], **settings)

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(scores * factors + shifts, targets)
        loss.backward()
        return loss

    optimizer.step(closure)
    closure()
    assert max(factors.grad.abs().max(), shifts.grad.abs().max()) < 1e-9
    return torch.softmax(scores * factors + shifts, -1).detach().numpy()


def sets(probabilities, labels, rule, coverage):
    tensor = torch.as_tensor(probabilities)
    if rule == "lac":
        scores = 1 - probabilities
    elif rule == "aps":
        scores = ConformalClsAPS(alpha=0.1, randomized=False)._calculate_all_labels(tensor).numpy()
    else:
        raps = ConformalClsRAPS(alpha=0.1, randomized=False, penalty=0.05, regularization_rank=2)
        scores = raps._calculate_all_labels(tensor).numpy()
    half = IMAGES // 2
    own = scores[np.arange(half), labels[:half]]
    # The ⌈(n + 1) c⌉-th smallest score, as in Angelopoulos and Bates 2023; their method="higher" takes the next one.
    threshold = np.quantile(own, np.ceil((half + 1) * coverage) / half, method="inverted_cdf")
    chosen = scores[half:] <= threshold
    chosen[np.arange(IMAGES - half), probabilities[half:].argmax(-1)] = True
    assert 1 < chosen.sum(-1).mean() < CLASSES
    ordered = [[int(c) for c in np.argsort(-p) if row[c]] for p, row in zip(probabilities[half:], chosen)]
    return {"threshold": float(threshold), "sets": ordered}


def greedy(probabilities, labels, picks, criterion, replacement):
    """Caruana et al. 2004."""
    chosen = []
    for _ in range(picks):
        free = [m for m in range(MEMBERS) if replacement or m not in chosen]

        def score(member):
            mean = probabilities[[*chosen, member]].mean(0)
            loss = nll(np.log(mean), labels)
            return loss if criterion == "nll" else (-(mean.argmax(-1) == labels).mean(), loss)

        chosen.append(min(free, key=score))
    return chosen


def main():
    logits, labels = data()
    log_probabilities = log_softmax(logits.astype(np.float64))
    probabilities = np.exp(log_probabilities)
    mean = probabilities.mean(0)

    def at(prediction, temperature):
        scaled = log_softmax(np.log(prediction) / temperature)
        found = figures(scaled, labels)
        return {"temperature": temperature, "nll": found["nll"], "ece": found["ece"]}

    pooled = figures(np.log(mean), labels)
    pooled["at_temperature"] = at(mean, temperature(np.log(mean), labels))
    assert abs(pooled["at_temperature"]["temperature"] - 1) > 0.02

    softmax_of_mean = np.exp(log_softmax(logits.astype(np.float64).mean(0)))
    geometric = gmean(probabilities, axis=0)
    assert np.abs(geometric / geometric.sum(-1, keepdims=True) - softmax_of_mean).max() < 1e-14

    votes = probabilities.argmax(-1)
    winner = mode(votes, axis=0)
    counts = np.array([[(votes[:, i] == c).sum() for c in range(CLASSES)] for i in range(IMAGES)])
    alone = (counts == counts.max(-1, keepdims=True)).sum(-1) == 1
    assert 5 < (~alone).sum() and (winner.mode[alone] != mean.argmax(-1)[alone]).any()
    ranks = rankdata(probabilities, axis=-1).mean(0)

    combined = {
        "mean": mean,
        "logits": softmax_of_mean,
        "vote": (counts + mean) / (MEMBERS + 1),
        "weighted": np.tensordot(weights(probabilities, labels), probabilities, 1),
        "stacking(l2=0.01)": stacking(log_probabilities, labels, 0.01),
        "rank": ranks / ranks.sum(-1, keepdims=True),
    }
    tensor = torch.as_tensor(probabilities)
    by_image = tensor.transpose(0, 1)

    def computed(metric, values):
        metric.update(values)
        return float(metric.compute())

    uncertainty = {
        "total": computed(Entropy(), by_image.mean(1)),
        "expected": computed(Entropy(), by_image),
        "mutual_information": computed(MutualInformation(), by_image),
    }
    gap = uncertainty["total"] - uncertainty["expected"] - uncertainty["mutual_information"]
    assert abs(gap) < 1e-12
    pairs = [
        [0.0 if a == b else computed(Disagreement(), by_image[:, [a, b]]) for b in range(MEMBERS)]
        for a in range(MEMBERS)
    ]
    growth = []
    for size in range(1, MEMBERS + 1):
        means = [probabilities[list(chosen)].mean(0) for chosen in combinations(range(MEMBERS), size)]
        top1 = [(p.argmax(-1) == labels).mean() for p in means]
        growth.append(
            {
                "members": size,
                "top1_mean": float(np.mean(top1)),
                "top1_sd": float(np.std(top1, ddof=1)) if len(top1) > 1 else 0.0,
                "nll_mean": float(np.mean([nll(np.log(p), labels) for p in means])),
            }
        )
    document = {
        "command": "python3 xtask/golden/ensemble.py",
        "versions": {
            name: version(name).split("+")[0]
            for name in ("torch", "torchmetrics", "torch-uncertainty", "scikit-learn", "scipy", "numpy")
        },
        "classes": CLASSES,
        "labels": labels.tolist(),
        "logits": [[float(str(value)) for value in member.reshape(-1)] for member in logits],
        "members": [figures(member, labels) for member in log_probabilities],
        "pooled": pooled,
        "combined": {name: np.round(p[:12].reshape(-1), 12).tolist() for name, p in combined.items()},
        "combined_nll": {name: nll(np.log(p), labels) for name, p in combined.items()},
        "winners": [int(w) if alone else None for w, alone in zip(winner.mode, alone)],
        "weights": weights(probabilities, labels).tolist(),
        "temperatures": [temperature(member, labels) for member in log_probabilities],
        "vector": np.round(vector(np.log(mean), labels)[:12].reshape(-1), 12).tolist(),
        "entropy": uncertainty,
        "disagreement": pairs,
        "error_correlation": np.corrcoef(votes != labels).tolist(),
        "growth": growth,
        "sets": {
            rule: sets(mean, labels, rule.split("(")[0], 0.85)
            for rule in ("lac", "aps", "raps(lambda=0.05, k_reg=2)")
        },
        "selection": [
            {
                "criterion": criterion,
                "replacement": replacement,
                "picks": greedy(probabilities, labels, 4, criterion, replacement),
            }
            for criterion in ("nll", "accuracy")
            for replacement in (False, True)
        ],
    }
    chosen = [case["picks"] for case in document["selection"]]
    assert chosen[0] != chosen[1], "replacement must make a difference"
    for figure in document["members"]:
        del figure["risks"]
    OUT.write_text("{\n" + ",\n".join(f" {json.dumps(k)}: {json.dumps(v)}" for k, v in document.items()) + "\n}\n")


if __name__ == "__main__":
    main()
