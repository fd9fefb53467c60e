"""Golden tables of the augmentation policies, and results of their operations, from torchvision v2.

    python3 xtask/golden/augment/policies.py

writes crates/firebrick-regularize/tests/golden/augment/policies.json. Needs torch, torchvision, Pillow, numpy.
"""

import json
import re
from importlib.metadata import version
from pathlib import Path

from torchvision.transforms import v2
from torchvision.transforms.v2 import AutoAugmentPolicy, InterpolationMode

from seeded_images import from_pil, seeded, short, to_pil

OUT = Path(__file__).parents[3] / "crates/firebrick-regularize/tests/golden/augment/policies.json"
SIZES = [(32, 32), (224, 150)]
# Class, and the number of steps that its `forward` asks for.
SPACES = {"auto": (v2.AutoAugment, 10), "rand": (v2.RandAugment, 31), "wide": (v2.TrivialAugmentWide, 31), "augmix": (v2.AugMix, 10)}
IMAGES = [(17, 31, 3, "scene"), (13, 9, 1, "noise"), (32, 32, 3, "scene"), (1, 7, 3, "noise"), (1, 1, 1, "noise"), (24, 20, 1, "scene")]


def snake(name):
    return name.lower() if name == "AutoContrast" else re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def main():
    spaces = []
    for name, (policy, steps) in SPACES.items():
        for width, height in SIZES:
            operations = []
            for operation, (magnitudes, signed) in policy._AUGMENTATION_SPACE.items():
                values = magnitudes(steps, height, width)
                values = None if values is None else [float(value) for value in values]
                operations.append({"operation": snake(operation), "signed": signed, "magnitudes": values})
            spaces.append({"space": name, "width": width, "height": height, "operations": operations})
    policies = []
    for policy in AutoAugmentPolicy:
        pairs = v2.AutoAugment(policy)._policies
        policies.append(
            {
                "policy": policy.value,
                "pairs": [[[snake(name), prob, step] for name, prob, step in pair] for pair in pairs],
            }
        )
    images = [
        {"width": width, "height": height, "channels": channels, "kind": kind, "seed": 100 + seed}
        for seed, (width, height, channels, kind) in enumerate(IMAGES)
    ]
    applied = []
    plain = v2.TrivialAugmentWide()
    for index, image in enumerate(images):
        original = seeded(*image.values())
        magnitudes = {
            "Identity": [0.0],
            "ShearX": [0.3, -0.99],
            "ShearY": [0.15, -0.62],
            "TranslateX": [4.9, -3.2],
            "TranslateY": [7.5, -1.0],
            "Rotate": [30.0, -67.5, 135.0],
            "Brightness": [0.9, -0.99],
            "Color": [0.45, -0.3],
            "Contrast": [0.99, -0.6],
            "Sharpness": [0.9, -0.5],
            "Posterize": [2.0, 5.0],
            "Solarize": [0.0, 0.43333333730697632, 1.0],
            "AutoContrast": [0.0],
            "Equalize": [0.0],
            "Invert": [0.0],
        }
        for name, values in magnitudes.items():
            geometric = name in ("ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate")
            # In full, so that a test can count the values that differ, and so only of small images.
            if geometric and original.size > 500:
                continue
            for magnitude in values:
                for filter_name in ("nearest", "bilinear") if geometric else ("nearest",):
                    result = plain._apply_image_or_video_transform(
                        to_pil(original), name, magnitude, InterpolationMode(filter_name), {type(to_pil(original)): None}
                    )
                    applied.append(
                        {
                            "image": index,
                            "operation": snake(name),
                            "magnitude": magnitude,
                            "filter": filter_name,
                            "result": short(from_pil(result), most=500 if geometric else 48),
                        }
                    )
    document = {
        "command": "python3 xtask/golden/augment/policies.py",
        "versions": {name: version(name).split("+")[0] for name in ("torch", "torchvision", "pillow")},
        "spaces": spaces,
        "policies": policies,
        "images": images,
        "applied": applied,
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
