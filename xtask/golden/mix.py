"""Golden values of mixing: the images and soft targets that torchvision's v2.MixUp and v2.CutMix make.

    python3 xtask/golden/mix.py

writes crates/firebrick-regularize/tests/golden/mix.json. What is random in them is given: the share λ, and for
cutmix the middle of the box. The script fails unless every case changes images and targets.
"""

import json
from importlib.metadata import version
from pathlib import Path
from unittest.mock import patch

import torch
from torchvision.transforms import v2

OUT = Path(__file__).parents[2] / "crates/firebrick-regularize/tests/golden/mix.json"
SHAPE = [3, 2, 5, 7]
CLASSES = 4
LABELS = [2, 0, 3]


def batch():
    values = torch.arange(3 * 2 * 5 * 7, dtype=torch.float32)
    return torch.sin(0.37 * values).reshape(SHAPE), torch.tensor(LABELS)


def run(transform, lam, middle=None):
    places = iter(middle or [])
    # CutMix draws the column of the middle, then its row.
    with (
        patch.object(transform._dist, "sample", lambda *_: torch.tensor([lam])),
        patch.object(torch, "randint", lambda *_, **__: torch.tensor([next(places)])),
    ):
        images, targets = transform(*batch())
    assert (images != batch()[0]).any() and ((targets > 0) & (targets < 1)).any()
    return {"images": images.reshape(-1).tolist(), "targets": targets.reshape(-1).tolist()}


def main():
    mixup = [{"lambda": lam, **run(v2.MixUp(alpha=1.0, num_classes=CLASSES), lam)} for lam in (0.75, 0.3)]
    cutmix = [
        {"lambda": lam, "middle": [row, column], **run(v2.CutMix(alpha=1.0, num_classes=CLASSES), lam, [column, row])}
        for lam, row, column in [(0.75, 2, 3), (0.4, 0, 0), (0.4, 4, 6), (0.1, 2, 1)]
    ]
    document = {
        "command": "python3 xtask/golden/mix.py",
        "versions": {name: version(name).split("+")[0] for name in ("torch", "torchvision")},
        "shape": SHAPE,
        "classes": CLASSES,
        "labels": LABELS,
        "images": batch()[0].reshape(-1).tolist(),
        "mixup": mixup,
        "cutmix": cutmix,
    }
    lines = ",\n".join(
        f" {json.dumps(key)}: [\n" + ",\n".join(f"  {json.dumps(case)}" for case in value) + "\n ]"
        if isinstance(value, list) and value and isinstance(value[0], dict)
        else f" {json.dumps(key)}: {json.dumps(value)}"
        for key, value in document.items()
    )
    OUT.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
