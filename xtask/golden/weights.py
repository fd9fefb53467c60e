"""The published weights of the networks of the zoo: where they lie, how they are verified, and how they read images.

    python3 xtask/golden/weights.py [--files DIR] [--results results-imagenet.csv]

writes crates/firebrick-zoo/src/published.json, one line for each file. Needs torchvision and timm, whose tables it reads; nothing is downloaded.

The name of a file that torchvision, timm's releases or the CIFAR ResNets publish ends with the first 8 hexadecimal digits of its SHA-256, which
is what torch.hub verifies. Those digits are written; the whole SHA-256 where DIR holds the file. timm's files on the hub have no digits in
their names.

Accuracies are torchvision's, and those of timm's table of results where they were measured with the size and crop share of the row; most of
timm's are for larger images, and left out.
"""

import argparse
import csv
import hashlib
import io
import json
import re
from pathlib import Path

import timm
import torchvision
from timm.models import get_pretrained_cfg

OUT = Path(__file__).parents[2] / "crates/firebrick-zoo/src/published.json"

TORCHVISION = """
    alexnet vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn vgg16_bn vgg19_bn squeezenet1_0 squeezenet1_1 googlenet inception_v3 resnet18 resnet34
    resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d wide_resnet50_2 wide_resnet101_2 densenet121 densenet169 densenet201
    mobilenet_v2 mobilenet_v3_small mobilenet_v3_large shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0
    efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_v2_s mnasnet0_5 mnasnet0_75 mnasnet1_0
    mnasnet1_3 regnet_y_400mf regnet_y_800mf regnet_y_1_6gf regnet_y_3_2gf regnet_y_8gf convnext_tiny convnext_small
""".split()

# The zoo's name, and timm's where it is another one.
TIMM = {
    **{name: name for name in "resnet18d resnet26d resnet34d resnet50d resnet101d resnet152d".split()},
    **{name: name for name in "resnetv2_18 resnetv2_34 resnetv2_50 resnetv2_101 mobilenetv4_conv_small repvgg_a0".split()},
    **{f"efficientnet_lite{size}": f"tf_efficientnet_lite{size}" for size in range(5)},
}

# Lines of results/results-imagenet.csv of huggingface/pytorch-image-models, commit 0173a139a2c66db3a41ebfe1d8ac4fb02483642e.
RESULTS = """model,top1,top1_err,top5,top5_err,param_count,img_size,crop_pct,interpolation
resnet152d.gluon_in1k,80.476,19.524,95.202,4.798,60.21,224,0.875,bicubic
resnet101d.gluon_in1k,80.426,19.574,95.024,4.976,44.57,224,0.875,bicubic
resnet50d.gluon_in1k,79.078,20.922,94.468,5.532,25.58,224,0.875,bicubic
resnet50d.a3_in1k,78.722,21.278,94.236,5.764,25.58,224,0.950,bicubic
resnet34d.ra2_in1k,78.436,21.564,94.344,5.656,21.82,288,0.950,bicubic
resnet26d.bt_in1k,77.408,22.592,93.638,6.362,16.01,288,0.950,bicubic
resnet18d.ra2_in1k,73.794,26.206,91.838,8.162,11.71,288,0.950,bicubic
tf_efficientnet_lite3.in1k,79.808,20.192,94.912,5.088,8.20,300,0.904,bilinear
tf_efficientnet_lite2.in1k,77.464,22.536,93.750,6.250,6.09,260,0.890,bicubic
tf_efficientnet_lite1.in1k,76.644,23.356,93.230,6.770,5.42,240,0.882,bicubic
tf_efficientnet_lite0.in1k,74.830,25.170,92.172,7.828,4.65,224,0.875,bicubic
"""

# Those of Yerlan Idelbayev, with the errors of his README; his training code normalizes CIFAR-10 with the statistics of ImageNet.
CIFAR = "https://github.com/akamaster/pytorch_resnet_cifar10"
CIFAR_RESNETS = {
    "resnet20": ("12fca82f", 8.27),
    "resnet32": ("d509ac18", 7.37),
    "resnet44": ("014dd654", 6.90),
    "resnet56": ("4bfd9763", 6.61),
    "resnet110": ("1d1ed7c2", 6.32),
}

IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
HALF = ([0.5] * 3, [0.5] * 3)


def preprocessing(side, crop, interpolation, mean, std):
    return {
        "channels": 3,
        "height": side,
        "width": side,
        "crop": crop,
        "filter": interpolation,
        "mean": list(mean),
        "std": list(std),
    }


def digits(url):
    found = re.search(r"-([0-9a-f]{8,})\.\w+$", url)
    return found and found.group(1)


def row(model, tag, url, hub=None, **rest):
    sha256 = url and digits(url)
    file = url and url.rsplit("/", 1)[1]
    return {"model": model, "tag": tag, "url": url, "file": file, "hub": hub, "sha256": sha256, **rest}


def torchvision_rows():
    for model in TORCHVISION:
        enum = torchvision.models.get_model_weights(model)
        # The default first: the newest.
        for weights in sorted(enum, key=lambda weights: weights != enum.DEFAULT):
            transforms, meta = weights.transforms(), weights.meta
            if not meta["categories"]:
                # Features without a last layer.
                continue
            [side], [resize] = transforms.crop_size, transforms.resize_size
            # These networks bring images from there to -1 … 1 themselves (`transform_input`); here the preprocessing does.
            ported = model in ("googlenet", "inception_v3")
            mean, std = HALF if ported else (transforms.mean, transforms.std)
            [accuracy] = meta["_metrics"].values()
            yield row(
                model,
                weights.name,
                weights.url,
                mebibytes=meta["_file_size"],
                licence="BSD-3-Clause",
                data="imagenet",
                classes=len(meta["categories"]),
                preprocessing=preprocessing(side, side / resize, transforms.interpolation.value, mean, std),
                top1=accuracy["acc@1"],
                top5=accuracy["acc@5"],
                source=f"torchvision {torchvision.__version__.split('+')[0]}",
            )


def timm_rows(results):
    for model, name in TIMM.items():
        default = get_pretrained_cfg(name).tag
        names = sorted(timm.list_pretrained(f"{name}.*"), key=lambda full: full.split(".")[1] != default)
        for full in names:
            config = get_pretrained_cfg(full)
            # Files with digits in their names can be verified.
            hashed = config.url and digits(config.url)
            url = config.url if hashed else f"https://huggingface.co/{config.hf_hub_id}/resolve/main/model.safetensors"
            side = config.input_size[1]
            measured = results.get(full)
            same = measured and (int(measured["img_size"]), float(measured["crop_pct"])) == (side, round(config.crop_pct, 3))
            made = row(
                model,
                config.tag,
                url,
                hub=config.hf_hub_id,
                mebibytes=None,
                licence={"apache-2.0": "Apache-2.0", "mit": "MIT"}[config.license],
                data="imagenet",
                classes=config.num_classes,
                preprocessing=preprocessing(side, config.crop_pct, config.interpolation, config.mean, config.std),
                top1=float(measured["top1"]) if same else None,
                top5=float(measured["top5"]) if same else None,
                source=f"timm {timm.__version__}, {full}",
            )
            if not hashed:
                made["file"] = f"{config.hf_hub_id}/model.safetensors"
            yield made


def other_rows():
    for model, (sha256, error) in CIFAR_RESNETS.items():
        yield row(
            model,
            "cifar10",
            f"{CIFAR}/raw/master/pretrained_models/{model}-{sha256}.th",
            mebibytes=None,
            licence="BSD-2-Clause",
            data="cifar10",
            classes=10,
            preprocessing=preprocessing(32, 1.0, "bilinear", *IMAGENET),
            top1=round(100 - error, 2),
            top5=None,
            source="akamaster/pytorch_resnet_cifar10, README",
        )
    # Google's archive holds a TensorFlow graph of each width; there is no file with these keys.
    yield row(
        "mobilenet_v1",
        "google",
        None,
        mebibytes=None,
        licence="Apache-2.0",
        data="imagenet",
        classes=1000,
        preprocessing=preprocessing(224, 0.875, "bilinear", *HALF),
        top1=None,
        top5=None,
        source="tensorflow/models, slim: inception preprocessing",
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=Path, help="directory with published files, for their whole SHA-256")
    parser.add_argument("--results", type=Path, help="timm's table of results, in place of the lines here")
    arguments = parser.parse_args()
    table = arguments.results.read_text() if arguments.results else RESULTS
    results = {line["model"]: line for line in csv.DictReader(io.StringIO(table))}
    rows = [*torchvision_rows(), *timm_rows(results), *other_rows()]
    for made in rows:
        file = arguments.files and made["url"] and arguments.files / made["file"]
        if file and file.is_file():
            whole = hashlib.sha256(file.read_bytes()).hexdigest()
            assert whole.startswith(made["sha256"] or ""), file
            made["sha256"] = whole
    lines = ",\n".join(json.dumps(made, allow_nan=False) for made in rows)
    OUT.write_text(f"[\n{lines}\n]\n")
    print(f"{len(rows)} rows, {sum(made['top1'] is None for made in rows)} of them without accuracy")


main()
