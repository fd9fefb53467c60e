"""Features of a frozen network from JPEG files in PyTorch, decoded by Pillow: `peer.py` runs it for `cargo xtask bench transfer`.

By default one process decodes and computes, one batch after another. Tuned, the quickest of this and of a `DataLoader` whose
workers decode meanwhile, each with NCHW and channels-last tensors.
"""

import os

import torch
from PIL import Image
from torchvision import transforms

from peer_networks import build


class Photos(torch.utils.data.Dataset):
    """The JPEG files of a data set, as the network reads them."""

    def __init__(self, case):
        folders = [entry.path for entry in os.scandir(case["photos"]) if entry.is_dir()]
        files = [entry.path for folder in folders for entry in os.scandir(folder)]
        # In the order in which Firebrick reads them.
        self.files = sorted(files)
        side = case["side"]
        self.read = transforms.Compose(
            [
                transforms.Resize(round(side / case["crop"]), transforms.InterpolationMode.BILINEAR),
                transforms.CenterCrop(side),
                transforms.ToTensor(),
                transforms.Normalize(case["normalize"]["mean"], case["normalize"]["std"]),
            ]
        )

    def __len__(self):
        return len(self.files)

    def __getitem__(self, index):
        with Image.open(self.files[index]) as photo:
            return self.read(photo.convert("RGB"))


def frozen(case, layout):
    """The network without its last layer: `[N, 3, H, W]` to `[N, features]`."""
    model = build(case).eval().to(memory_format=layout)
    if hasattr(model, "fc"):
        model.fc = torch.nn.Identity()
    elif hasattr(model, "forward_head"):  # timm's
        model.reset_classifier(0)
    else:  # SqueezeNet: its last layer is a convolution in front of the mean
        model.classifier = torch.nn.Identity()
        planes = model.features
        return lambda images: planes(images).mean((2, 3))
    return model


def features(case, tuned, fastest):
    """The features of all photos, decoding included."""
    photos = Photos(case)
    if len(photos) != case["count"]:
        raise RuntimeError(f"there are {len(photos)} photos instead of {case['count']}")

    def way(layout, workers):
        model = frozen(case, layout)
        loader = torch.utils.data.DataLoader(
            photos,
            batch_size=case["batch"],
            num_workers=workers,
            persistent_workers=workers > 0,
        )

        def step():
            with torch.inference_mode():
                rows = [model(images.to(memory_format=layout)) for images in loader]
            return torch.cat(rows)

        return step

    plain = way(torch.contiguous_format, 0)
    report = {"logits": plain()[0, :3].tolist(), "how": "NCHW, no workers"}
    if not tuned:
        return plain, report
    ways = [(report["how"], plain)]
    for name, layout in [("NCHW", torch.contiguous_format), ("channels last", torch.channels_last)]:
        for workers in (0, case["workers"]):
            if (layout, workers) != (torch.contiguous_format, 0):
                said = f"{workers} workers" if workers else "no workers"
                ways.append((f"{name}, {said}", way(layout, workers)))
    report["how"], step = fastest(ways)
    return step, report
