"""Golden values of `noise` and `pca_noise`: what becomes of an image with given random numbers.

    python3 xtask/golden/augment/noise.py

writes crates/firebrick-regularize/tests/golden/augment/noise.json.

`noise` against torchvision v2's `GaussianNoise`, whose `randn_like` is replaced by numbers in the file: on images in [0, 1],
rounded to 8 bits, which is our definition, and on 8-bit images, where torchvision cuts the noise off towards zero.
`pca_noise` against the formula of Krizhevsky, Sutskever and Hinton 2012, section 4.1, in NumPy: to each pixel is added
[p1, p2, p3] [a1 l1, a2 l2, a3 l3]^T with eigenvectors p and eigenvalues l of the covariance of the colours and normal a.
The chances are those of a normal distribution between levels, from SciPy. Needs torch, torchvision, numpy, scipy.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from scipy.stats import norm
from torchvision.transforms.v2 import functional as F

from seeded_images import seeded, short

OUT = Path(__file__).parents[3] / "crates/firebrick-regularize/tests/golden/augment/noise.json"
IMAGES = [(7, 5, 3, "noise"), (6, 9, 1, "scene"), (1, 5, 3, "scene"), (1, 1, 1, "flat")]
# ImageNet's, as Torch's fb.resnet has them: a column is a direction.
EIGENVALUES = np.array([0.2175, 0.0188, 0.0045])
EIGENVECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])
LEVELS = 12.75  # The deviation of noise(0.05).
EDGES = [-25.5, -16.5, -10.5, -6.5, -2.5, 1.5, 5.5, 9.5, 14.5, 22.5]


def noisy(image, std, normals):
    randn_like = torch.randn_like
    torch.randn_like = lambda like, **_: normals.to(torch.float32).reshape(like.shape)
    try:
        return F.gaussian_noise(image, sigma=std)
    finally:
        torch.randn_like = randn_like


def main():
    images = [
        {"width": width, "height": height, "channels": channels, "kind": kind, "seed": 300 + seed}
        for seed, (width, height, channels, kind) in enumerate(IMAGES)
    ]
    originals = [seeded(*image.values()) for image in images]
    noise = []
    for index, pixels in enumerate(originals):
        for std in (0.0, 0.02, 0.1, 0.7):
            # Few digits, so that the file is small and the numbers exact.
            normals = np.round(np.random.default_rng(10 * index + int(100 * std)).standard_normal(pixels.size), 3)
            # Halves are rounded to even by PyTorch, and away from zero by Rust.
            normals[np.abs(255 * std * normals % 1 - 0.5) < 1e-3] += 0.011
            assert (np.abs(255 * std * normals % 1 - 0.5) > 1e-3).all()
            given, image = torch.from_numpy(normals), torch.from_numpy(pixels)
            rounded = (noisy(image.double() / 255, std, given) * 255).round().to(torch.uint8).numpy()
            cut = noisy(image, std, given).numpy()
            assert std == 0 or pixels.size < 100 or (rounded != cut).any()
            noise.append(
                {
                    "image": index,
                    "std": std,
                    "normals": normals.tolist(),
                    "result": short(rounded, most=200),
                    "cut": short(cut, most=200),
                }
            )
    # A data set's own directions: those of the first image.
    colours = originals[0].reshape(-1, 3) / 255
    own = np.linalg.eigh(np.cov(colours, rowvar=False))
    pca = []
    for values, vectors in ((EIGENVALUES, EIGENVECTORS), (own[0][::-1], own[1][:, ::-1])):
        for alphas in ([0.13, -0.07, 0.21], [-0.9, 1.4, -2.2], [0.0, 0.0, 0.0]):
            shift = vectors @ (np.array(alphas) * values)
            assert alphas[0] == 0 or np.abs(255 * (shift - vectors.T @ (np.array(alphas) * values))).max() > 1
            pca.append(
                {
                    "eigenvalues": values.tolist(),
                    "eigenvectors": vectors.T.tolist(),
                    "alphas": alphas,
                    "shift": shift.tolist(),
                    "results": [
                        short(np.clip(np.round(pixels + 255 * shift), 0, 255).astype(np.uint8), most=200)
                        for pixels in originals
                        if pixels.shape[2] == 3
                    ],
                }
            )
    cumulative = [0.0, *norm.cdf(np.array(EDGES) / LEVELS), 1.0]
    document = {
        "command": "python3 xtask/golden/augment/noise.py",
        "versions": {name: version(name).split("+")[0] for name in ("torch", "torchvision", "numpy", "scipy")},
        "images": images,
        "noise": noise,
        "pca": pca,
        "edges": EDGES,
        "chances": np.diff(cumulative).tolist(),
    }
    lines = ",\n".join(
        f" {json.dumps(key)}: [\n" + ",\n".join(f"  {json.dumps(case)}" for case in value) + "\n ]"
        if isinstance(value, list) and isinstance(value[0], dict)
        else f" {json.dumps(key)}: {json.dumps(value)}"
        for key, value in document.items()
    )
    OUT.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
