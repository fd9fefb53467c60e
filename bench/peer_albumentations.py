"""albumentations 2.0.8, the last version under the MIT licence, for `peer_augment.py`."""

import albumentations as A
import cv2
import numpy
from albumentations.pytorch import ToTensorV2
from peer import Missing


def ways(case):
    """`(name, how a photo is brought into the form, the change)`."""
    transform = operation(case)
    crops = case["operation"] == "center_crop"

    def change(photo):
        image = transform(image=photo)["image"]
        return numpy.ascontiguousarray(image) if crops else image

    if not case.get("jpegs"):
        return [("arrays", numpy.copy, change)]

    def content(photo):
        return numpy.frombuffer(photo, numpy.uint8)

    return [("arrays", content, lambda photo: change(cv2.imdecode(photo, cv2.IMREAD_COLOR_RGB)))]


def jitter(**given):
    """A change of colours by these factors alone."""
    still = {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1, 1), "hue": (0, 0)}
    return A.ColorJitter(**{**still, **given}, p=1)


def operation(case):
    """The change of one photo."""
    values, output, name = case["values"], case["output"], case["operation"]
    if name == "photo":
        ranges = {key: (1 - value, 1 + value) for key, value in values.items()}
        steps = [
            A.RandomResizedCrop((output, output)),
            A.HorizontalFlip(p=0.5),
            jitter(**ranges),
            A.Normalize(case["normalize"]["mean"], case["normalize"]["std"]),
            ToTensorV2(),
        ]
        return A.Compose(steps, seed=0)
    if name in ("brightness", "contrast", "saturation"):
        return jitter(**{name: (values["factor"],) * 2})
    transforms = {
        "hflip": lambda: A.HorizontalFlip(p=1),
        "vflip": lambda: A.VerticalFlip(p=1),
        # Its bilinear filter has no antialiasing, its area filter has.
        "resize": lambda: A.Resize(output, output, cv2.INTER_AREA),
        "center_crop": lambda: A.CenterCrop(output, output),
        "rotate": lambda: A.Rotate((values["degrees"],) * 2, p=1),
        "affine": lambda: A.Affine(
            scale=(values["scale"],) * 2,
            # It turns anticlockwise, and slants before.
            rotate=(-values["degrees"],) * 2,
            shear={"x": (values["shear"],) * 2, "y": (0, 0)},
            p=1,
        ),
        "perspective": lambda: A.Perspective(scale=(values["distortion"] / 4,) * 2, p=1),
        "hue": lambda: jitter(hue=(values["turn"],) * 2),
        "sharpness": lambda: A.Sharpen((0.5, 0.5), (1.0, 1.0), p=1),
        "posterize": lambda: A.Posterize(values["bits"], p=1),
        "solarize": lambda: A.Solarize((values["threshold"] / 256,) * 2, p=1),
        "equalize": lambda: A.Equalize(p=1),
        "autocontrast": lambda: A.AutoContrast(method="pil", p=1),
        "invert": lambda: A.InvertImg(p=1),
        "grayscale": lambda: A.ToGray(p=1),
        "blur": lambda: A.GaussianBlur((values["kernel"],) * 2, (values["sigma"],) * 2, p=1),
        # Its fields are not halved.
        "elastic": lambda: A.ElasticTransform(
            values["alpha"] / 2, values["sigma"], noise_distribution="uniform", p=1
        ),
        "erase": lambda: A.Erasing((values["share"],) * 2, (1.0, 1.0), p=1),
    }
    if name not in transforms:
        raise Missing({"cifar": "it has no TrivialAugment"}.get(name, f"it has no {name}"))
    return transforms[name]()
