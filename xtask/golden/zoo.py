"""Golden values of the models of the zoo, from torchvision and timm on the CPU.

    python3 xtask/golden/zoo.py [NAME …]

writes crates/firebrick-zoo/tests/golden/{published,tiny}.json; with names, only those models are computed again. Needs torch, torchvision
and timm. All of them take about ten minutes.

Nothing is stored but results: both sides make weights, statistics and images by the same formula from the key of a tensor and the index of
an entry (`fill`). A gain, found by trying, keeps the logits of order one and dependent on the image, so that an error in an early layer
shows in them.

The published networks give their logits for one small image. The tiny ones, made of the same blocks, also give the gradients of a loss
in training and the running statistics after one step, in float64.
"""

import json
import math
import platform
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision
from timm.layers import BatchNormAct2d, create_conv2d
from timm.models import byobnet
from timm.models import efficientnet as timm_efficientnet
from timm.models import mobilenetv3 as timm_mobilenet
from timm.models import resnet as timm_resnet
from timm.models import resnetv2 as timm_resnetv2
from timm.models._efficientnet_builder import decode_arch_def
from torch import nn
from torchvision import models
from torchvision.models import convnext, densenet, efficientnet, inception, mnasnet, mobilenetv2
from torchvision.models import mobilenetv3, regnet, shufflenetv2, squeezenet, vgg
from torchvision.models.googlenet import BasicConv2d, GoogLeNet, Inception

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
OUT = Path(__file__).parents[2] / "crates/firebrick-zoo/tests/golden"
MASK = (1 << 64) - 1


def fnv(text):
    """FNV-1a, 64 bits."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def uniform(key, count):
    """Values in [-1, 1) that are exact in f32: SplitMix64 of the key's hash and the index."""
    x = np.arange(1, count + 1, dtype=np.uint64)
    x *= np.uint64(0x9E3779B97F4A7C15)
    x += np.uint64(fnv(key))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(40)).astype(np.float64) / (1 << 23) - 1.0


def values(key, shape, gain):
    """The entries of a parameter or a statistic."""
    u = uniform(key, math.prod(shape))
    field = key.rsplit(".", 1)[-1]
    if len(shape) in (2, 4):
        u = u * math.sqrt(3.0 * gain / math.prod(shape[1:]))
    elif len(shape) == 3:
        u = 0.5 + 0.1 * u
    elif field in ("weight", "running_var"):
        u = 1.0 + 0.2 * u
    else:
        u = 0.1 * u
    return u.astype(np.float32).reshape(shape)


def fill(model, gain):
    state = model.state_dict()
    for key, tensor in state.items():
        if not key.endswith("num_batches_tracked"):
            tensor.copy_(torch.from_numpy(values(key, tuple(tensor.shape), gain)))


def image(number, side):
    """An image of mean 0 and variance 1, `[3, side, side]`."""
    pixels = uniform(f"image {number}", 3 * side * side) * math.sqrt(3.0)
    return torch.from_numpy(pixels.astype(np.float32).reshape(3, side, side))


def keys(model):
    state = model.state_dict().items()
    kept = [(key, list(tensor.shape)) for key, tensor in state if not key.endswith("num_batches_tracked")]
    return sorted(f"{key} {shape}" for key, shape in kept)


# The networks of Google's MobileNet-V1, Wide ResNet for small images, and AlexNet's response normalization are in neither library.


class MobileNetV1(nn.Module):
    BLOCKS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    TINY = [(12, 1), (16, 2), (16, 1), (16, 2), (16, 1), (24, 2)] + [(24, 1)] * 5 + [(32, 2), (32, 1)]

    def __init__(self, blocks, width=1.0, classes=1000):
        super().__init__()
        self.order = []
        scaled = lambda channels: max(int(channels * width), 8)
        channels = self.add("conv0", 3, scaled(32), 3, 2, 1)
        for number, (outputs, stride) in enumerate(blocks, 1):
            self.add(f"dw{number}", channels, channels, 3, stride, channels)
            channels = self.add(f"pw{number}", channels, scaled(outputs), 1, 1, 1)
        self.fc = nn.Linear(channels, classes)

    def add(self, name, inputs, outputs, kernel, stride, groups):
        setattr(self, name, nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False))
        setattr(self, f"{name}_bn", nn.BatchNorm2d(outputs, eps=1e-3))
        self.order.append(name)
        return outputs

    def forward(self, x):
        for name in self.order:
            conv = getattr(self, name)
            kernel, stride = conv.kernel_size[0], conv.stride[0]
            sides = []
            for side in (x.shape[3], x.shape[2]):
                # TensorFlow's SAME.
                all_of_it = max((-(-side // stride) - 1) * stride + kernel - side, 0)
                sides += [all_of_it // 2, all_of_it - all_of_it // 2]
            x = nn.functional.relu6(getattr(self, f"{name}_bn")(conv(nn.functional.pad(x, sides))))
        return self.fc(x.mean((2, 3)))


class WideBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        if stride != 1 or inputs != outputs:
            self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        first = torch.relu(self.bn1(x))
        branch = self.conv2(torch.relu(self.bn2(self.conv1(first))))
        return branch + (self.convShortcut(first) if hasattr(self, "convShortcut") else x)


class WideResNet(nn.Module):
    def __init__(self, blocks, widths):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        for stage in (1, 2, 3):
            inputs, outputs, stride = widths[stage - 1], widths[stage], 1 if stage == 1 else 2
            block = nn.Module()
            rest = [WideBlock(outputs, outputs, 1) for _ in range(blocks - 1)]
            block.layer = nn.Sequential(WideBlock(inputs, outputs, stride), *rest)
            setattr(self, f"block{stage}", block)
        self.bn1 = nn.BatchNorm2d(widths[3])
        self.fc = nn.Linear(widths[3], 10)

    def forward(self, x):
        x = self.conv1(x)
        for block in (self.block1, self.block2, self.block3):
            x = block.layer(x)
        return self.fc(torch.relu(self.bn1(x)).mean((2, 3)))


def alexnet(widths, features, classes, lrn):
    model = models.AlexNet(num_classes=classes) if features == 4096 else nn.Module()
    norm = [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)] if lrn else []
    a, b, c, d, e = widths
    layers = {
        "0": nn.Conv2d(3, a, 11, 4, 2),
        "1": nn.Sequential(nn.ReLU(), *norm),
        "2": nn.MaxPool2d(3, 2),
        "3": nn.Conv2d(a, b, 5, padding=2),
        "4": nn.Sequential(nn.ReLU(), *norm),
        "5": nn.MaxPool2d(3, 2),
        "6": nn.Conv2d(b, c, 3, padding=1),
        "7": nn.ReLU(),
        "8": nn.Conv2d(c, d, 3, padding=1),
        "9": nn.ReLU(),
        "10": nn.Conv2d(d, e, 3, padding=1),
        "11": nn.ReLU(),
        "12": nn.MaxPool2d(3, 2),
    }
    dense = [nn.Dropout(0.0), nn.Linear(e * 36, features), nn.ReLU(), nn.Dropout(0.0), nn.Linear(features, features)]
    whole = nn.Sequential()
    whole.add_module("features", nn.Sequential(*layers.values()))
    whole.add_module("avgpool", nn.AdaptiveAvgPool2d(6))
    whole.add_module("flatten", nn.Flatten(1))
    whole.add_module("classifier", nn.Sequential(*dense, nn.ReLU(), nn.Linear(features, classes)))
    del model
    return whole


def tiny_vgg(norm):
    layers = vgg.make_layers([8, "M", 12, "M", 16, 16, "M", 16, "M", 16, "M"], norm)
    model = nn.Sequential()
    model.add_module("features", layers)
    model.add_module("avgpool", nn.AdaptiveAvgPool2d(7))
    model.add_module("flatten", nn.Flatten(1))
    dense = [nn.Linear(16 * 49, 32), nn.ReLU(), nn.Dropout(0.0), nn.Linear(32, 32), nn.ReLU(), nn.Dropout(0.0)]
    model.add_module("classifier", nn.Sequential(*dense, nn.Linear(32, 10)))
    return model


def tiny_squeezenet():
    model = squeezenet.SqueezeNet("1_1", num_classes=10, dropout=0.0)
    pool = partial(nn.MaxPool2d, 3, 2, ceil_mode=True)
    layers, inputs = [nn.Conv2d(3, 8, 3, 2), nn.ReLU()], 8
    for at, squeezed in enumerate([4, 4, 4, 4, 6, 6, 8, 8]):
        if at in (0, 2, 4):
            layers.append(pool())
        layers.append(squeezenet.Fire(inputs, squeezed, 4 * squeezed, 4 * squeezed))
        inputs = 8 * squeezed
    model.features = nn.Sequential(*layers)
    model.classifier[1] = nn.Conv2d(inputs, 10, 1)
    return model


def tiny_googlenet():
    model = GoogLeNet(num_classes=10, aux_logits=False, init_weights=False, dropout=0.0)
    model.conv1 = BasicConv2d(3, 8, kernel_size=7, stride=2, padding=3)
    model.conv2 = BasicConv2d(8, 8, kernel_size=1)
    model.conv3 = BasicConv2d(8, 12, kernel_size=3, padding=1)
    for name in ["3b", "4b", "4c", "4e", "5b"]:
        setattr(model, f"inception{name}", nn.Identity())
    model.inception3a = Inception(12, 4, 4, 6, 2, 4, 4)
    model.inception4a = Inception(18, 6, 4, 6, 2, 4, 4)
    model.inception4d = Inception(20, 6, 4, 6, 2, 4, 4)
    model.inception5a = Inception(20, 6, 4, 8, 2, 4, 4)
    model.fc = nn.Linear(22, 10)
    return model


def tiny_inception():
    def narrow(inputs, outputs, **window):
        return inception.BasicConv2d(inputs if inputs == 3 else inputs // 16, outputs // 16, **window)

    letters = [inception.InceptionA, inception.InceptionB, inception.InceptionC, inception.InceptionD, inception.InceptionE]
    blocks = [narrow] + [partial(block, conv_block=narrow) for block in letters] + [inception.InceptionAux]
    model = inception.Inception3(num_classes=10, aux_logits=False, inception_blocks=blocks, init_weights=False, dropout=0.0)
    model.fc = nn.Linear(128, 10)
    return model


def tiny_resnet(block, **options):
    return timm_resnet.ResNet(block, layers=(1, 2, 1, 1), channels=(8, 12, 16, 24), num_classes=10, **options)


def tiny_resnetv2(channels, **options):
    return timm_resnetv2.ResNetV2(
        layers=[1, 2, 1, 1],
        channels=channels,
        num_classes=10,
        stem_chs=8,
        conv_layer=create_conv2d,
        norm_layer=BatchNormAct2d,
        **options,
    )


def tiny_mobilenet_v3():
    def block(*row):
        return mobilenetv3.InvertedResidualConfig(*row, dilation=1, width_mult=1.0)

    rows = [
        block(8, 3, 8, 8, True, "RE", 2),
        block(8, 3, 24, 16, False, "RE", 2),
        block(16, 5, 40, 16, True, "HS", 1),
    ]
    return mobilenetv3.MobileNetV3(rows, 48, num_classes=10, dropout=0.0)


def tiny_mobilenet_v4():
    rows = [
        ["cn_r1_k3_s2_e1_c8", "cn_r1_k1_s1_e1_c8"],
        ["uir_r1_a5_k5_s2_e3_c16", "uir_r1_a0_k3_s1_e2_c16", "uir_r1_a3_k0_s1_e3_c16"],
        ["cn_r1_k1_s1_c32"],
    ]
    return timm_mobilenet.MobileNetV3(
        decode_arch_def(rows), num_classes=10, head_bias=False, head_norm=True, num_features=48, stem_size=8, act_layer=nn.ReLU
    )


def tiny_efficientnet():
    rows = [
        efficientnet.FusedMBConvConfig(1, 3, 1, 8, 8, 1),
        efficientnet.FusedMBConvConfig(2, 3, 2, 8, 16, 1),
        efficientnet.MBConvConfig(2, 5, 1, 16, 16, 2),
    ]
    norm = partial(nn.BatchNorm2d, eps=1e-3)
    return efficientnet.EfficientNet(rows, 0.0, 0.0, num_classes=10, norm_layer=norm, last_channel=48)


def tiny_efficientnet_lite():
    rows = [["ds_r1_k3_s1_e1_c8"], ["ir_r2_k3_s2_e2_c16"], ["ir_r2_k5_s2_e2_c16"]]
    return timm_efficientnet.EfficientNet(
        decode_arch_def(rows),
        num_classes=10,
        num_features=48,
        stem_size=8,
        fix_stem=True,
        pad_type="same",
        act_layer=nn.ReLU6,
        norm_layer=partial(nn.BatchNorm2d, eps=1e-3),
    )


def tiny_regnet():
    params = regnet.BlockParams(
        depths=[1, 2, 1, 1],
        widths=[8, 12, 16, 24],
        group_widths=[4] * 4,
        bottleneck_multipliers=[1.0] * 4,
        strides=[2] * 4,
        se_ratio=0.25,
    )
    return regnet.RegNet(params, num_classes=10, stem_width=8)


def tiny_convnext():
    rows = [(8, 12, 1), (12, 16, 1), (16, 24, 2), (24, None, 1)]
    return convnext.ConvNeXt([convnext.CNBlockConfig(*row) for row in rows], num_classes=10)


def tiny_repvgg():
    rows = [(2, 8), (2, 16), (1, 16), (1, 24)]
    blocks = tuple(byobnet.ByoBlockCfg(type="rep", d=depth, c=width, gs=0) for depth, width in rows)
    return byobnet.ByobNet(byobnet.ByoModelCfg(blocks=blocks, stem_type="rep", stem_chs=8), num_classes=10)


TINY = {
    "test_alexnet(dropout=0)": (64, lambda: alexnet([8, 16, 16, 12, 12], 32, 10, False)),
    "test_alexnet(dropout=0, lrn=true)": (64, lambda: alexnet([8, 16, 16, 12, 12], 32, 10, True)),
    "test_vgg(dropout=0)": (32, lambda: tiny_vgg(False)),
    "test_vgg_bn(dropout=0)": (32, lambda: tiny_vgg(True)),
    "test_squeezenet(dropout=0)": (32, tiny_squeezenet),
    "test_googlenet(dropout=0)": (32, tiny_googlenet),
    # Of the sides from 75 to 179 the one with the fewest values at a kink, where rounding decides the gradient.
    "test_inception_v3(dropout=0)": (111, tiny_inception),
    "test_resnet": (64, lambda: tiny_resnet(timm_resnet.BasicBlock)),
    "test_resnext": (64, lambda: tiny_resnet(timm_resnet.Bottleneck, cardinality=2, base_width=32)),
    # An odd side, so that means of 2×2 pixels meet an edge.
    "test_resnet_d": (
        72,
        lambda: tiny_resnet(timm_resnet.Bottleneck, stem_width=4, stem_type="deep", avg_down=True),
    ),
    "test_resnetv2": (64, lambda: tiny_resnetv2((32, 64, 64, 96))),
    "test_resnetv2_basic": (64, lambda: tiny_resnetv2((8, 16, 16, 24), basic=True, bottle_ratio=1.0)),
    "test_wide_resnet": (32, lambda: WideResNet(2, [8, 12, 16, 24])),
    "test_densenet": (32, lambda: densenet.DenseNet(4, (2, 1, 2, 2), 12, num_classes=10)),
    # Odd sides behind the first convolution, which TensorFlow pads in another way.
    "test_mobilenet_v1(dropout=0)": (36, lambda: MobileNetV1(MobileNetV1.TINY, classes=10)),
    "test_mobilenet_v2(dropout=0)": (
        32,
        lambda: mobilenetv2.MobileNetV2(10, 0.25, [[1, 32, 1, 1], [3, 32, 2, 2], [2, 64, 2, 2]], dropout=0.0),
    ),
    "test_mobilenet_v3(dropout=0)": (32, tiny_mobilenet_v3),
    "test_mobilenetv4": (64, tiny_mobilenet_v4),
    "test_shufflenet_v2": (64, lambda: shufflenetv2.ShuffleNetV2([2, 2, 1], [8, 12, 16, 24, 32], num_classes=10)),
    "test_efficientnet(dropout=0, drop_path=0)": (32, tiny_efficientnet),
    "test_efficientnet_lite": (36, tiny_efficientnet_lite),
    "test_mnasnet(dropout=0)": (64, lambda: mnasnet.MNASNet(0.1, num_classes=10, dropout=0.0)),
    "test_regnet": (32, tiny_regnet),
    "test_convnext(drop_path=0)": (32, tiny_convnext),
    "test_repvgg": (64, tiny_repvgg),
}

TORCHVISION = {
    "alexnet": 64,
    "vgg11": 32,
    "vgg13": 32,
    "vgg16": 32,
    "vgg19": 32,
    "vgg11_bn": 32,
    "vgg13_bn": 32,
    "vgg16_bn": 32,
    "vgg19_bn": 32,
    "squeezenet1_0": 64,
    "squeezenet1_1": 64,
    "googlenet": 64,
    "inception_v3": 96,
    "resnet34": 64,
    "resnet50": 64,
    "resnet101": 64,
    "resnet152": 64,
    "resnext50_32x4d": 64,
    "resnext101_32x8d": 64,
    "wide_resnet50_2": 64,
    "wide_resnet101_2": 64,
    "densenet121": 64,
    "densenet169": 64,
    "densenet201": 64,
    "mobilenet_v2": 64,
    "mobilenet_v3_large": 64,
    "mobilenet_v3_small": 64,
    "shufflenet_v2_x0_5": 64,
    "shufflenet_v2_x1_0": 64,
    "shufflenet_v2_x1_5": 64,
    "shufflenet_v2_x2_0": 64,
    "efficientnet_b0": 64,
    "efficientnet_b1": 64,
    "efficientnet_b2": 64,
    "efficientnet_b3": 64,
    "efficientnet_b4": 64,
    "efficientnet_v2_s": 64,
    "mnasnet0_5": 64,
    "mnasnet0_75": 64,
    "mnasnet1_0": 64,
    "mnasnet1_3": 64,
    "regnet_y_400mf": 64,
    "regnet_y_800mf": 64,
    "regnet_y_1_6gf": 64,
    "regnet_y_3_2gf": 64,
    "regnet_y_8gf": 64,
    "convnext_tiny": 64,
    "convnext_small": 64,
}

TIMM = {
    "resnet18d": 64,
    "resnet26d": 64,
    "resnet34d": 64,
    "resnet50d": 64,
    "resnet101d": 64,
    "resnet152d": 64,
    "resnetv2_18": 64,
    "resnetv2_34": 64,
    "resnetv2_50": 64,
    "resnetv2_101": 64,
    "resnetv2_152": 64,
    "mobilenetv4_conv_small": 64,
    "repvgg_a0": 64,
}


def published(name):
    options = {"aux_logits": False, "init_weights": False} if name in ("googlenet", "inception_v3") else {}
    return getattr(models, name)(**options)


def billions(name):
    """Multiply-adds for an image, in billions, as torchvision publishes them."""
    if name not in TORCHVISION:
        return None
    return next(iter(models.get_model_weights(name))).meta["_ops"]


def networks():
    found = {name: (side, partial(published, name)) for name, side in TORCHVISION.items()}
    found.update({name: (side, partial(timm.create_model, name)) for name, side in TIMM.items()})
    lite = {f"efficientnet_lite{number}": 64 for number in range(5)}
    found.update({name: (side, partial(timm.create_model, f"tf_{name}")) for name, side in lite.items()})
    found["wide_resnet28_10"] = (32, lambda: WideResNet(4, [16, 160, 320, 640]))
    found["mobilenet_v1"] = (64, lambda: MobileNetV1(MobileNetV1.BLOCKS))
    found["mobilenet_v1(width=0.25)"] = (64, lambda: MobileNetV1(MobileNetV1.BLOCKS, 0.25))
    return found


def with_gain(model, name, side):
    """Fills the model with the first gain that leaves the logits of order one, dependent on the image, and well-conditioned: the same in
    float32 as in float64. Returns the gain and the logits in float64; the model is left in float64."""
    images = torch.stack([image(0, side), image(1, side)])
    model.eval()
    tried = []
    for gain in (2.0, 1.5, 1.0, 0.5, 0.25, 1.25, 2.2, 2.3, 2.4, 2.5, 3.0, 4.5, 6.0):
        with torch.no_grad():
            fill(model.float(), gain)
            rounded = model(images).double()
            logits = model.double()(images.double())
        spread = logits[0].std().item()
        moved = (logits[0] - logits[1]).std().item() / spread
        error = (rounded - logits).abs().max().item() / spread
        if 1e-2 < spread < 1e6 and moved > 0.01 and error < 3e-5:
            return gain, logits
        tried.append((gain, spread, moved, error))
    raise SystemExit(f"{name}: no gain keeps the logits of order one: {tried}")


def record(name, side, model, gain, logits):
    every = max(1, logits.shape[1] // 16)
    return {
        "model": name,
        "side": side,
        "gain": gain,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "keys": len(keys(model)),
        "keys_hash": f"{fnv(chr(10).join(keys(model))):016x}",
        "logits": [short(logit) for logit in logits[0][::every]],
        "spread": short(logits[0].std()),
    }


def sample(tensor):
    flat = tensor.detach().double().flatten()
    return [short(flat.norm()), short(flat[0]), short(flat[-1])]


def short(value):
    """Nine digits."""
    return float(f"{float(value):.9g}")


def trained(name, side, make):
    """The tiny network in training: loss, gradients and running statistics for a batch of four images."""
    model = make()
    gain, logits = with_gain(model, name, side)
    document = record(name, side, model, gain, logits)
    model.train()
    images = torch.stack([image(number, side) for number in range(4)]).double()
    loss = nn.functional.cross_entropy(model(images), torch.arange(4))
    loss.backward()
    document["loss"] = loss.item()
    document["gradients"] = {key: sample(parameter.grad) for key, parameter in model.named_parameters()}
    document["single"] = single(make, gain, images, document["gradients"])
    document["statistics"] = {key: sample(buffer) for key, buffer in model.named_buffers() if "running" in key}
    return document


def single(make, gain, images, gradients):
    """How far PyTorch itself is from these gradients in float32: batch norms over few values, one behind another, lose digits."""
    model = make()
    fill(model, gain)
    nn.functional.cross_entropy(model.train()(images.float()), torch.arange(4)).backward()
    least = 1e-4 * max(norm for norm, _, _ in gradients.values())
    errors = [
        abs(found - expected) / max(gradients[key][0], least)
        for key, parameter in model.named_parameters()
        for found, expected in zip(sample(parameter.grad), gradients[key])
    ]
    return float(f"{max(errors):.2g}")


def write(name, documents, kept):
    path = OUT / f"{name}.json"
    old = json.loads(path.read_text())["models"] if path.exists() and kept else []
    old = {document["model"]: document for document in old}
    old.update({document["model"]: document for document in documents})
    head = {
        "command": "python3 xtask/golden/zoo.py",
        "versions": {
            "torch": torch.__version__.split("+")[0],
            "torchvision": torchvision.__version__.split("+")[0],
            "timm": timm.__version__,
            "python": platform.python_version(),
        },
    }
    lines = ",\n".join(f"  {json.dumps(document)}" for document in old.values())
    text = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in head.items())
    path.write_text("{\n" + text + ' "models": [\n' + lines + "\n ]\n}\n")


def main():
    torch.manual_seed(0)
    wanted = sys.argv[1:]
    OUT.mkdir(parents=True, exist_ok=True)
    chosen = lambda name: not wanted or name in wanted
    tiny = [trained(name, side, make) for name, (side, make) in TINY.items() if chosen(name)]
    write("tiny", tiny, bool(wanted))
    for name, (side, make) in networks().items():
        if not chosen(name):
            continue
        model = make()
        gain, logits = with_gain(model, name, side)
        document = record(name, side, model, gain, logits)
        document["billions"] = billions(name)
        print(name, gain, document["parameters"], f"{document['spread']:.3g}", flush=True)
        # Each by itself: what is done is kept when the next one fails.
        write("published", [document], True)


main()
