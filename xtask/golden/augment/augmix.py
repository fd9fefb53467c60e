"""Golden values of `augmix`, from torchvision v2's `AugMix` with recorded draws.

    python3 xtask/golden/augment/augmix.py

writes crates/firebrick-regularize/tests/golden/augment/augmix.json: for each case a spec, the weights and operations that
torchvision drew, and the image that it made of them. torchvision's `AugMix` turns PIL images into tensors first; here its
operations see PIL images, as those of its other policies and of the paper's code do. The script fails unless most results
differ visibly from the image. Needs torch, torchvision, Pillow, numpy.
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torchvision.transforms.v2 import AugMix, InterpolationMode
from torchvision.transforms.v2 import functional as F

from seeded_images import from_pil, seeded, short, to_pil

OUT = Path(__file__).parents[3] / "crates/firebrick-regularize/tests/golden/augment/augmix.json"
IMAGES = [(17, 13, 3, "scene"), (12, 19, 1, "scene"), (1, 7, 3, "noise"), (1, 1, 1, "noise")]
GEOMETRIC = ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
NAMES = {"AutoContrast": "autocontrast", "ShearX": "shear_x", "ShearY": "shear_y", "TranslateX": "translate_x", "TranslateY": "translate_y"}
# Arguments of ours and of torchvision's; whether operations may move pixels.
CONFIGS = [
    ("augmix", {}, True),
    ("augmix", {}, False),
    ("augmix(10, 4, depth=2, alpha=2)", {"severity": 10, "mixture_width": 4, "chain_depth": 2, "alpha": 2.0}, True),
    ("augmix(10, 4, depth=2, alpha=2)", {"severity": 10, "mixture_width": 4, "chain_depth": 2, "alpha": 2.0}, False),
    ("augmix(7, 1, all_ops=false)", {"severity": 7, "mixture_width": 1, "all_ops": False}, False),
    ("augmix(9, 2, depth=1, filter=nearest, fill=0.2)", {"severity": 9, "mixture_width": 2, "chain_depth": 1, "interpolation": InterpolationMode.NEAREST, "fill": 51}, True),
]


class Recorded(AugMix):
    """Works on PIL images within, and notes what it draws."""

    def __init__(self, moves, **arguments):
        super().__init__(**arguments)
        self.moves, self.drawn, self.first, self.chains = moves, [], None, []

    def _sample_dirichlet(self, params):
        weights = torch._sample_dirichlet(params)
        self.drawn.append(weights)
        return weights

    def _get_random_item(self, space):
        return super()._get_random_item({name: how for name, how in space.items() if self.moves or name not in GEOMETRIC})

    def _apply_image_or_video_transform(self, image, name, magnitude, interpolation, fill):
        if self.first is None:
            self.first = image
        if image is self.first:
            self.chains.append([])
        self.chains[-1].append((name, magnitude))
        pil = to_pil(image[0].permute(1, 2, 0).numpy())
        filled = {type(pil): next(iter(fill.values()))} if fill else {type(pil): None}
        changed = super()._apply_image_or_video_transform(pil, name, magnitude, interpolation, filled)
        return F.pil_to_tensor(changed)[None]


def step(name, magnitude):
    change = {"operation": NAMES.get(name, name.lower())}
    if name not in ("AutoContrast", "Equalize"):
        change["magnitude"] = magnitude
    return change


def main():
    images = [
        {"width": width, "height": height, "channels": channels, "kind": kind, "seed": 200 + seed}
        for seed, (width, height, channels, kind) in enumerate(IMAGES)
    ]
    cases, different, visible = [], 0, 0
    for number, (spec, arguments, moves) in enumerate(CONFIGS):
        for index, image in enumerate(images):
            torch.manual_seed(1000 + 10 * number + index)
            original = seeded(*image.values())
            augmix = Recorded(moves, **arguments)
            result = from_pil(augmix(to_pil(original)))
            halves, weights = augmix.drawn
            # The products, as torchvision rounds them.
            combined = (weights * halves[:, 1].reshape(1, -1))[0].double().tolist()
            assert len(augmix.chains) == len(combined) == arguments.get("mixture_width", 3)
            if original.size > 100:
                visible += 1
                different += int(np.abs(result.astype(int) - original.astype(int)).max() > 8)
            cases.append(
                {
                    "spec": spec,
                    "image": index,
                    "params": {
                        "original": halves[0, 0].item(),
                        "chains": [
                            {"weight": weight, "changes": [step(*change) for change in chain]}
                            for weight, chain in zip(combined, augmix.chains)
                        ],
                    },
                    "result": short(result, most=1000),
                }
            )
    assert different * 4 > visible * 3, f"{different} of {visible} results differ visibly from the image"
    document = {
        "command": "python3 xtask/golden/augment/augmix.py",
        "versions": {name: version(name).split("+")[0] for name in ("torch", "torchvision", "pillow")},
        "images": images,
        "cases": cases,
    }
    lines = ",\n".join(
        f" {json.dumps(key)}: [\n" + ",\n".join(f"  {json.dumps(case)}" for case in value) + "\n ]"
        if isinstance(value, list)
        else f" {json.dumps(key)}: {json.dumps(value)}"
        for key, value in document.items()
    )
    OUT.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
