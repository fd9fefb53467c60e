"""The classes of ImageNet (ILSVRC 2012) in the order of published networks: crates/firebrick-zoo/src/imagenet.txt.

    python3 xtask/golden/imagenet.py

The WordNet id of each, from timm, and the name that torchvision's weights have in their metadata. Every name must be among the words that
WordNet has for the id, but for the few in RENAMED, so that the two lists cannot be out of step. Needs torchvision and timm; nothing is downloaded.
"""

from pathlib import Path

import timm
import torchvision
from timm.data import ImageNetInfo
from torchvision.models import ResNet50_Weights, get_model_weights, list_models

OUT = Path(__file__).parents[2] / "crates/firebrick-zoo/src/imagenet.txt"

# Names of torchvision's that tell two classes apart which are one word in WordNet.
RENAMED = {"n02012849": "crane bird", "n03710721": "maillot tank suit"}


def versions():
    return f"torchvision {torchvision.__version__.split('+')[0]}, timm {timm.__version__}"


def main():
    names = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    # All of torchvision's classifiers have these; weights without a last layer have none.
    for model in list_models(module=torchvision.models):
        for weights in get_model_weights(model):
            assert (weights.meta["categories"] or names) == names, weights
    info = ImageNetInfo("imagenet-1k")
    ids = info.label_names()
    assert len(names) == len(ids) == len(set(names)) == len(set(ids)) == 1000
    for wordnet, name in zip(ids, names):
        words = info.label_name_to_description(wordnet).split(", ")
        assert RENAMED.get(wordnet, name) == name and (wordnet in RENAMED or name in words), (wordnet, name, words)
    lines = [f"{wordnet} {name}\n" for wordnet, name in zip(ids, names)]
    OUT.write_text(f"# WordNet id and name of each class, from {versions()}; written by xtask/golden/imagenet.py\n" + "".join(lines))
    print(f"{len(lines)} classes")


main()
