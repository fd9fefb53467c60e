"""Golden values of what augmentations do to colours and sharpness, from torchvision v2 on PIL images.

    python3 xtask/golden/augment/pixels.py

writes crates/firebrick-regularize/tests/golden/augment/pixels.json. Needs torch, torchvision, Pillow, numpy.
The script fails unless each argument changes the result on one of the images.
"""

import json
from importlib.metadata import version
from pathlib import Path

from torchvision.transforms.v2 import functional as F

from seeded_images import from_pil, seeded, short, to_pil

OUT = Path(__file__).parents[3] / "crates/firebrick-regularize/tests/golden/augment/pixels.json"
SIZES = [(1, 1), (1, 7), (9, 1), (2, 2), (3, 3), (13, 7), (17, 31)]
IMAGES = [
    (width, height, channels, kind)
    for width, height in SIZES
    for channels in (1, 3)
    for kind in ("noise", "scene")
] + [(17, 31, channels, kind) for channels in (1, 3) for kind in ("narrow", "flat")] + [(96, 96, 3, "noise")]

FACTORS = [0.0, 0.3, 0.6, 1.0, 1.4, 2.7]
OPERATIONS = {
    "brightness": (F.adjust_brightness, FACTORS),
    "contrast": (F.adjust_contrast, FACTORS),
    "saturation": (F.adjust_saturation, FACTORS),
    "sharpness": (F.adjust_sharpness, FACTORS),
    "hue": (F.adjust_hue, [-0.5, -0.2, -0.013, 0.0, 0.1, 0.5]),
    "posterize": (F.posterize, [1, 3, 4, 7, 8]),
    "solarize": (F.solarize, [0, 0.5, 100.3, 128, 255, 256]),
    "grayscale": (lambda image, _: F.rgb_to_grayscale(image, 3 if image.mode == "RGB" else 1), [None]),
    "invert": (lambda image, _: F.invert(image), [None]),
    "equalize": (lambda image, _: F.equalize(image), [None]),
    "autocontrast": (lambda image, _: F.autocontrast(image), [None]),
}
# Kernel and sigma.
BLURS = [(3, 0.5), (5, 1.1), (7, 0.1), (9, 2.0)]


def main():
    images, cases = [], []
    for seed, (width, height, channels, kind) in enumerate(IMAGES, 1):
        images.append({"width": width, "height": height, "channels": channels, "kind": kind, "seed": seed})
    originals = [seeded(*case.values()) for case in images]
    for name, (apply, arguments) in OPERATIONS.items():
        results = {}
        for argument in arguments:
            results[argument] = [short(from_pil(apply(to_pil(pixels), argument))) for pixels in originals]
            cases.append({"operation": name, "argument": argument, "results": results[argument]})
        for one in results:
            others = [other for other in results if other != one]
            assert all(results[one] != results[other] for other in others), f"{name}({one}) has no effect"
        if arguments == [None]:
            assert results[None] != [short(pixels) for pixels in originals], f"{name} has no effect"
    blurs = []
    for kernel, sigma in BLURS:
        for index, pixels in enumerate(originals):
            # torchvision refuses images that are not larger than half the kernel.
            if min(pixels.shape[:2]) > kernel // 2 and 9 <= pixels.size <= 600:
                blurred = from_pil(F.gaussian_blur(to_pil(pixels), [kernel, kernel], [sigma, sigma]))
                blurs.append(
                    {"image": index, "kernel": kernel, "sigma": sigma, "result": short(blurred, most=600)}
                )
    document = {
        "command": "python3 xtask/golden/augment/pixels.py",
        "versions": {name: version(name).split("+")[0] for name in ("torch", "torchvision", "pillow")},
        "images": images,
        "cases": cases,
        "blurs": blurs,
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
