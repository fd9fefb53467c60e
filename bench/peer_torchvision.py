"""torchvision's transforms, version 2, for `peer_augment.py`."""

import io

import torch
from peer import Missing
from PIL import Image
from torchvision import io as files
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

BILINEAR = v2.InterpolationMode.BILINEAR


def tensor(pixels):
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def channels_last(pixels):
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def content(photo):
    return torch.frombuffer(bytearray(photo), dtype=torch.uint8)


def ways(case):
    """`(name, how a photo is brought into the form, the change)` for tensors and for Pillow images."""
    on_tensors, on_images = operation(case, False), operation(case, True)
    if case.get("jpegs"):
        return [
            ("tensors", content, lambda photo: on_tensors(files.decode_jpeg(photo))),
            (
                "contiguous tensors",
                content,
                lambda photo: on_tensors(files.decode_jpeg(photo).contiguous()),
            ),
            (
                "Pillow images",
                bytes,
                lambda photo: on_images(Image.open(io.BytesIO(photo)).convert("RGB")),
            ),
        ]
    all_ways = [
        ("tensors", tensor, on_tensors),
        ("channels-last tensors", channels_last, on_tensors),
        ("Pillow images", Image.fromarray, on_images),
    ]
    return [way for way in all_ways if way[2] is not None]


def normalized(case, is_image):
    to_tensor = [v2.ToImage()] if is_image else []
    mean, std = case["normalize"]["mean"], case["normalize"]["std"]
    return [*to_tensor, v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std, inplace=True)]


def operation(case, is_image):
    """The change of one photo; `None` where torchvision does it to the other form only."""
    values, output = case["values"], case["output"]
    if case["operation"] == "photo":
        jitter = v2.ColorJitter(values["brightness"], values["contrast"], values["saturation"])
        steps = [v2.RandomResizedCrop(output, antialias=True), v2.RandomHorizontalFlip(), jitter]
        return v2.Compose([*steps, *normalized(case, is_image)])
    if case["operation"] == "cifar":
        steps = [v2.RandomCrop(output, padding=values["padding"]), v2.RandomHorizontalFlip(), v2.TrivialAugmentWide()]
        return v2.Compose([*steps, *normalized(case, is_image), v2.RandomErasing(values["erase"])])

    def cropped(photo):
        part = functional.center_crop(photo, [output, output])
        return part if is_image else part.clone(memory_format=torch.contiguous_format)

    def grey(photo):
        result = functional.rgb_to_grayscale(photo, num_output_channels=3)
        return result if is_image else result.contiguous()

    if case["operation"] == "erase" and is_image:
        return None
    perspective = v2.RandomPerspective(values.get("distortion", 0), p=1.0)
    elastic = v2.ElasticTransform(values.get("alpha", 1.0), values.get("sigma", 1.0))
    share = values.get("share", 0.1)
    changes = {
        "hflip": functional.horizontal_flip,
        "vflip": functional.vertical_flip,
        "resize": lambda photo: functional.resize(photo, [output, output], BILINEAR, antialias=True),
        "center_crop": cropped,
        "rotate": lambda photo: functional.rotate(photo, values["degrees"], BILINEAR),
        "affine": lambda photo: functional.affine(
            photo, values["degrees"], [0, 0], values["scale"], [values["shear"], 0], BILINEAR
        ),
        "perspective": perspective,
        "brightness": lambda photo: functional.adjust_brightness(photo, values["factor"]),
        "contrast": lambda photo: functional.adjust_contrast(photo, values["factor"]),
        "saturation": lambda photo: functional.adjust_saturation(photo, values["factor"]),
        "hue": lambda photo: functional.adjust_hue(photo, values["turn"]),
        "sharpness": lambda photo: functional.adjust_sharpness(photo, values["factor"]),
        "posterize": lambda photo: functional.posterize(photo, values["bits"]),
        "solarize": lambda photo: functional.solarize(photo, values["threshold"]),
        "equalize": functional.equalize,
        "autocontrast": functional.autocontrast,
        "invert": functional.invert,
        "grayscale": grey,
        "blur": lambda photo: functional.gaussian_blur(photo, [values["kernel"]] * 2, [values["sigma"]] * 2),
        "elastic": elastic,
        "erase": v2.RandomErasing(1.0, (share, share), (1.0, 1.0)),
    }
    if case["operation"] not in changes:
        raise Missing(f"torchvision has no {case['operation']}")
    return changes[case["operation"]]
