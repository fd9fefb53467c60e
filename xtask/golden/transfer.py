"""Golden values of transfer learning: linear classifiers, transferability, maps of features, and hashes of images.

    python3 -m pip install numpy scipy scikit-learn pillow
    python3 xtask/golden/transfer.py

writes crates/firebrick-transfer/tests/golden/{transfer,tsne}.json. Features are random numbers with three decimals in f32;
everything is computed of them in f64. LEEP and LogME follow the published algorithms as thuml/LogME's code computes them. The script fails
where an option would make no difference.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.fft import dct
from scipy.linalg import sqrtm
from scipy.spatial.distance import squareform
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import _t_sne
from sklearn.metrics import log_loss, pairwise_distances
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler

OUT = Path(__file__).parents[2] / "crates/firebrick-transfer/tests/golden"


def clusters(seed, rows, width, classes, spread=1.0):
    """Labels, and features around a point for each class, whose columns differ in scale and are not centred."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    labels[:classes] = np.arange(classes)
    centres = rng.normal(size=(classes, width))
    scales = np.exp(rng.normal(size=width) * 0.7)
    x = (0.6 * centres[labels] + spread * rng.normal(size=(rows, width)) + 2.0) * scales
    return np.round(x, 3).astype(np.float32), labels


def features(x):
    """f32 numbers with three decimals, which reading them again gives."""
    shown = [round(float(value), 3) for value in np.ravel(x)]
    assert (np.array(shown, np.float32) == np.ravel(x)).all()
    return shown


def lists(x):
    return [round(float(value), 12) for value in np.ravel(x)]


# What the classifiers are fitted to and tried on.

TRAIN, LABELS = clusters(1, 70, 12, 3)
TEST, TEST_LABELS = clusters(2, 20, 12, 3)
WIDE, WIDE_LABELS = clusters(3, 24, 40, 2)


def logistic():
    """The optimum of scikit-learn's LogisticRegression. Its C is 1 / (l2 · Σ weights), twice that for two classes."""
    cases = []
    for name, l2, standardize, weights in [
        ("train", 1e-1, False, None),
        ("train", 1e-3, False, None),
        ("train", 1e-2, True, None),
        ("train", 1e-2, False, "balanced"),
        ("wide", 1e-2, False, None),
        ("wide", 1e-3, True, None),
    ]:
        x, y = {"train": (TRAIN, LABELS), "wide": (WIDE, WIDE_LABELS)}[name]
        x = x.astype(np.float64)
        counts = np.bincount(y)
        of_class = len(y) / (len(counts) * counts) if weights else np.ones(len(counts))
        of_row = of_class[y]
        c = 1 / (l2 * of_row.sum()) * (2 if len(counts) == 2 else 1)
        scaler = StandardScaler(with_mean=standardize, with_std=standardize).fit(x)
        z = scaler.transform(x)
        model = LogisticRegression(C=c, class_weight=weights, solver="newton-cg", tol=1e-12, max_iter=10_000)
        model.fit(z, y)
        nll = log_loss(y, model.predict_proba(z), sample_weight=of_row)
        # With two classes, the two rows of our weights are plus and minus half of its one row.
        square = (model.coef_**2).sum() * (0.5 if len(counts) == 2 else 1)
        test = {"train": TEST, "wide": WIDE[::-1]}[name].astype(np.float64)
        cases.append(
            dict(
                data=name,
                l2=l2,
                standardize=standardize,
                balanced=bool(weights),
                objective=nll + 0.5 * l2 * square,
                probabilities=lists(model.predict_proba(scaler.transform(test))),
            )
        )
    objectives = [case["objective"] for case in cases]
    assert len(set(np.round(objectives, 4))) == len(cases)
    return cases


def knn(k, temperature):
    """The vote of DINO's eval_knn.py: cosines of the nearest, exp(cosine / temperature), summed for each class."""
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    cosines = unit(TEST.astype(np.float64)) @ unit(TRAIN.astype(np.float64)).T
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    votes = np.zeros((len(TEST), 3))
    for row in range(len(TEST)):
        for other in nearest[row]:
            votes[row, LABELS[other]] += np.exp(cosines[row, other] / temperature)
    return dict(k=k, temperature=temperature, votes=lists(votes / votes.sum(1, keepdims=True)))


def nearest_mean():
    return [int(label) for label in NearestCentroid().fit(TRAIN, LABELS).predict(TEST)]


def group_lasso(share):
    """Proximal gradient steps on softmax regression with Σⱼ ‖wⱼ‖, until nothing moves."""
    x, y = TRAIN.astype(np.float64), np.eye(3)[LABELS]
    mean, n = x.mean(0), len(x)
    x = x - mean

    def loss(w, b):
        logits = x @ w + b
        top = logits.max(1, keepdims=True)
        norm = top + np.log(np.exp(logits - top).sum(1, keepdims=True))
        error = (np.exp(logits - norm) - y) / n
        return (norm[:, 0] - (logits * y).sum(1)).mean(), x.T @ error, error.sum(0)

    w, b = np.zeros((x.shape[1], 3)), np.log(y.mean(0))
    strength = share * np.linalg.norm(loss(w, b)[1], axis=1).max()
    # The curvature in the weights is at most half of the largest eigenvalue, and in the intercepts half.
    step_w, step_b = 2 * n / np.linalg.eigvalsh(x.T @ x)[-1], 2.0
    for _ in range(400_000):
        _, gw, gb = loss(w, b)
        v = w - step_w * gw
        length = np.linalg.norm(v, axis=1, keepdims=True)
        v = v * np.maximum(0, 1 - step_w * strength / np.maximum(length, 1e-300))
        moved = np.abs(v - w).max()
        w, b = v, b - step_b * gb
        if moved < 1e-12:
            break
    scores = np.linalg.norm(w, axis=1)
    assert 0 < (scores == 0).sum() < len(scores)
    return dict(share=share, strength=strength, objective=loss(w, b)[0] + strength * scores.sum(), scores=lists(scores))


def leep():
    """P(y|z) from the joint of labels and source probabilities, and the mean logarithm of what it predicts."""
    rng = np.random.default_rng(5)
    logits = rng.normal(size=(30, 6)) + 2 * np.eye(6)[rng.integers(0, 6, 30)]
    labels = np.argmax(logits, 1) // 2
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    p = p.astype(np.float32).astype(np.float64)
    joint = np.stack([p[labels == y].sum(0) / len(p) for y in range(3)])
    conditional = joint / joint.sum(0, keepdims=True)
    score = np.mean([np.log(row @ conditional[y]) for row, y in zip(p, labels)])
    return dict(probabilities=lists(p.astype(np.float32)), labels=labels.tolist(), leep=score)


def logme(x, y):
    """The fixed-point iteration of LogME: at most 11 steps, which end when alpha / beta moves by a thousandth; 1e-5 is added to both denominators."""
    x = x.astype(np.float64)
    n, d = x.shape
    if n > d:
        # Singular values from the products of columns, those above 1e-10.
        _, squares, vh = np.linalg.svd(x.T @ x)
        s = np.sqrt(squares)
        rank = int((s > 1e-10).sum())
        s, u = s[:rank], (x @ vh.T)[:, :rank] / s[:rank]
    else:
        u, s, _ = np.linalg.svd(x, full_matrices=False)
    sigma, evidences = s**2, []
    for label in range(y.max() + 1):
        target = (y == label).astype(np.float64)
        along = (u.T @ target) ** 2
        outside = (target**2).sum() - along.sum()
        alpha = beta = 1.0
        for _ in range(11):
            t = alpha / beta
            gamma = (sigma / (sigma + t)).sum()
            m2 = (sigma * along / (t + sigma) ** 2).sum()
            residual = (along / (1 + sigma / t) ** 2).sum() + outside
            alpha, beta = gamma / (m2 + 1e-5), (n - gamma) / (residual + 1e-5)
            if abs(alpha / beta - t) / t <= 1e-3:
                break
        evidences.append(
            (
                d / 2 * np.log(alpha)
                + n / 2 * np.log(beta)
                - 0.5 * np.log(alpha + beta * sigma).sum()
                - beta / 2 * residual
                - alpha / 2 * m2
                - n / 2 * np.log(2 * np.pi)
            )
            / n
        )
    return float(np.mean(evidences))


def frechet():
    a, b = TRAIN.astype(np.float64), TEST.astype(np.float64)
    c1, c2 = np.cov(a.T, bias=True), np.cov(b.T, bias=True)
    root = sqrtm(c1 @ c2)
    assert np.abs(np.imag(root)).max() < 1e-6
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c1 + c2 - 2 * np.real(root)))


def pca():
    model = PCA(n_components=4, svd_solver="full").fit(TRAIN.astype(np.float64))
    sign = np.sign(model.components_[np.arange(4), np.abs(model.components_).argmax(1)])
    return dict(
        components=[lists(row) for row in model.components_ * sign[:, None]],
        variances=lists(model.explained_variance_),
        shares=lists(model.explained_variance_ratio_),
        first=lists((model.transform(TRAIN.astype(np.float64)) * sign)[0]),
    )


def hashes():
    """dHash and pHash as imagehash 4.3 computes them, of random patches with some noise: none of their frequencies is about 0."""
    rng, cases = np.random.default_rng(6), []
    for width, height, channels in [(40, 30, 3), (33, 51, 1)]:
        planes = [
            Image.fromarray(rng.integers(0, 256, (14, 14), dtype=np.uint8)).resize((width, height), Image.Resampling.BICUBIC)
            for _ in range(channels)
        ]
        noise = rng.integers(-20, 21, (height, width, channels))
        pixels = np.clip(np.stack([np.asarray(plane) for plane in planes], -1).astype(int) + noise, 0, 255).astype(np.uint8)
        image = Image.fromarray(pixels.squeeze()).convert("L")
        small = np.asarray(image.resize((9, 8), Image.Resampling.LANCZOS)).astype(int)
        dhash = (small[:, 1:] > small[:, :-1]).flatten()
        large = np.asarray(image.resize((32, 32), Image.Resampling.LANCZOS)).astype(np.float64)
        low = dct(dct(large, axis=0), axis=1)[:8, :8]
        phash = (low > np.median(low)).flatten()
        number = lambda bits: "".join("1" if bit else "0" for bit in bits)
        cases.append(
            dict(
                size=[width, height],
                channels=channels,
                pixels=[int(value) for value in pixels.ravel()],
                dhash=number(dhash),
                phash=number(phash),
            )
        )
    return cases


def tsne():
    x, _ = clusters(9, 24, 5, 3)
    points = np.random.default_rng(4).normal(size=(24, 2)).round(3)
    distances = pairwise_distances(x.astype(np.float64), squared=True).astype(np.float32)
    joint = _t_sne._joint_probabilities(distances, 6.0, 0)
    divergence, gradient = _t_sne._kl_divergence(points.ravel().copy(), joint, 1, 24, 2)
    return dict(
        features=features(x),
        width=5,
        perplexity=6.0,
        joint=lists(squareform(joint)),
        points=points.tolist(),
        divergence=divergence,
        gradient=gradient.reshape(24, 2).tolist(),
    )


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    versions = {name: version(name) for name in ["numpy", "scipy", "scikit-learn", "pillow"]}
    golden = dict(
        versions=versions,
        width=12,
        train=features(TRAIN),
        labels=LABELS.tolist(),
        test=features(TEST),
        test_labels=TEST_LABELS.tolist(),
        wide_width=40,
        wide=features(WIDE),
        wide_labels=WIDE_LABELS.tolist(),
        logistic=logistic(),
        knn=[knn(20, 0.07), knn(5, 1.0)],
        nearest_mean=nearest_mean(),
        group_lasso=[group_lasso(0.3), group_lasso(0.1)],
        leep=leep(),
        logme=logme(TRAIN, LABELS),
        logme_wide=logme(WIDE, WIDE_LABELS),
        frechet=frechet(),
        pca=pca(),
        hashes=hashes(),
    )
    (OUT / "transfer.json").write_text(json.dumps(golden) + "\n")
    (OUT / "tsne.json").write_text(json.dumps(dict(versions=versions, **tsne())) + "\n")


main()
