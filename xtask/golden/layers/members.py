"""Golden values of networks with several members, from torch-uncertainty's layers in float64 on the CPU.

    python3 -m pip install torch torch-uncertainty
    python3 xtask/golden/layers/members.py

writes crates/firebrick-core/tests/golden/members.json, the layers, and crates/firebrick-zoo/tests/golden/members.json, the small CNN
with each kind of members: the logarithm of the mean probability in evaluation, the mean of the members' losses in training, its gradients and
the running statistics after it.

Parameters have Firebrick's keys: those of the plain network, and r_group and s_group beside them. The script fails unless members differ by at
least a hundred times the tolerance of the tests.
"""

import json
from importlib.metadata import version
from pathlib import Path

import torch
from einops import rearrange, repeat
from torch import nn
from torch_uncertainty.layers import BatchConv2d, BatchLinear, PackedConv2d, PackedLinear

CRATES = Path(__file__).parents[3] / "crates"
TOLERANCE = 1e-5
MEMBERS, CLASSES, WIDTH = 2, 3, 2


def draw(*shape):
    """Values that are exact in f32, so that both sides start from the same."""
    return torch.randn(*shape).float().double()


def array(tensor):
    return {"shape": list(tensor.shape), "values": [float(f"{value:.9g}") for value in tensor.detach().flatten().tolist()]}


def key(name):
    """The name without the plain layer inside torch-uncertainty's."""
    return name.replace(".conv.", ".").replace(".linear.", ".").removeprefix("conv.").removeprefix("linear.")


def filled(module):
    module = module.double()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            scale = 1 if parameter.dim() < 3 or "group" in name else parameter[0].numel() ** -0.5
            parameter.copy_((draw(*parameter.shape) * scale + ("group" in name)).float().double())
    return module


def passed(layer, x):
    x = x.clone().requires_grad_()
    y = layer(x)
    cotangent = draw(*y.shape)
    (y * cotangent).sum().backward()
    return {
        "parameters": {key(name): array(value) for name, value in layer.named_parameters()},
        "input": array(x),
        "cotangent": array(cotangent),
        "output": array(y),
        "input_gradient": array(x.grad),
        "gradients": {key(name): array(value.grad) for name, value in layer.named_parameters()},
    }


def layers():
    convs, linears, packed = [], [], []
    for members, kernel, stride, padding, groups, bias in ((3, 3, 1, 1, 1, True), (2, 3, 2, 0, 2, False)):
        options = {"stride": stride, "padding": padding, "groups": groups, "bias": bias}
        layer = filled(BatchConv2d(4, 6, kernel, members, **options))
        convs.append({"members": members, "channels": [4, 6], "kernel": kernel, **options, **passed(layer, draw(members * 2, 4, 6, 5))})
    for members, bias in ((3, True), (2, False)):
        layer = filled(BatchLinear(5, 4, members, bias=bias))
        linears.append({"members": members, "features": [5, 4], "bias": bias, **passed(layer, draw(members * 2, 5))})
    for groups, bias in ((3, True), (2, False)):
        layer = filled(PackedLinear(4, 2, alpha=groups, num_estimators=groups, bias=bias))
        packed.append({"groups": groups, "features": [4 * groups, 2 * groups], "bias": bias, **passed(layer, draw(5, 4 * groups))})
    return {"batch_conv2d": convs, "batch_linear": linears, "packed_linear": packed}


class Stage(nn.Module):
    def __init__(self, conv, norm, inputs, outputs, first):
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, images=first, inner=False), norm(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs, images=False, inner=True), norm(outputs)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        return self.bn2(self.conv2(x)).relu()


class SmallCnn(nn.Module):
    """Firebrick's `small_cnn`, of the layers that are given."""

    def __init__(self, conv, norm, head):
        super().__init__()
        self.layer1 = Stage(conv, norm, 3, WIDTH, True)
        self.layer2 = Stage(conv, norm, WIDTH, 2 * WIDTH, False)
        self.layer3 = Stage(conv, norm, 2 * WIDTH, 4 * WIDTH, False)
        self.fc = head

    def forward(self, x):
        x = nn.functional.max_pool2d(self.layer1(x), 2)
        x = nn.functional.max_pool2d(self.layer2(x), 2)
        return self.fc(self.layer3(x).mean((2, 3)))


def batch_ensemble():
    conv = lambda inputs, outputs, **_: BatchConv2d(inputs, outputs, 3, MEMBERS, padding=1, bias=False)
    return SmallCnn(conv, nn.BatchNorm2d, BatchLinear(4 * WIDTH, CLASSES, MEMBERS)), lambda x: repeat(x, "b ... -> (m b) ...", m=MEMBERS), lambda y: y


def packed():
    alpha, gamma = 2, 2
    options = {"alpha": alpha, "num_estimators": MEMBERS, "minimum_channels_per_group": 1}

    def conv(inputs, outputs, images, inner):
        return PackedConv2d(inputs, outputs, 3, padding=1, bias=False, first=images, gamma=gamma if inner else 1, **options)

    head = PackedLinear(4 * WIDTH, CLASSES, alpha, MEMBERS, last=True)
    return SmallCnn(conv, lambda planes: nn.BatchNorm2d(planes * alpha), head), lambda x: x, lambda y: y


def mimo():
    """Every input reads the same image, so that the order in which a batch is read does not matter."""
    conv = lambda inputs, outputs, images, **_: nn.Conv2d(inputs * (MEMBERS if images else 1), outputs, 3, padding=1, bias=False)
    network = SmallCnn(conv, nn.BatchNorm2d, nn.Linear(4 * WIDTH, MEMBERS * CLASSES))
    return network, lambda x: torch.cat([x] * MEMBERS, 1), lambda y: rearrange(y, "b (m c) -> (m b) c", m=MEMBERS)


def networks():
    cases = {}
    for spec, make in (
        ("batch_ensemble(2)", batch_ensemble),
        ("packed(2, alpha=2, gamma=2)", packed),
        ("mimo(2, input_repetition=1)", mimo),
    ):
        network, repeated, by_member = make()
        network = filled(network)
        with torch.no_grad():
            for name, buffer in network.named_buffers():
                if "running" in name:
                    buffer.copy_((draw(*buffer.shape) / 10).float() if "mean" in name else (draw(*buffer.shape).abs() + 0.5).float())
        state = {key(name): array(value) for name, value in network.state_dict().items() if value.is_floating_point()}
        images = draw(6, 3, 8, 8)
        labels = torch.tensor([0, 1, 2, 2, 1, 0])
        network.eval()
        members = by_member(network(repeated(images))).log_softmax(1).view(MEMBERS, 6, CLASSES)
        apart = (members[0] - members[1]).abs().max() / members.abs().max()
        assert apart >= 100 * TOLERANCE, spec
        log_p = members.exp().mean(0).log()
        network.train()
        scores = by_member(network(repeated(images)))
        loss = nn.functional.cross_entropy(scores, labels.repeat(MEMBERS))
        loss.backward()
        cases[spec] = {
            "state": state,
            "images": array(images),
            "labels": labels.tolist(),
            "log_probabilities": array(log_p),
            "loss": loss.item(),
            "gradients": {key(name): array(value.grad) for name, value in network.named_parameters()},
            "statistics": {key(name): array(value) for name, value in network.state_dict().items() if "running" in name},
        }
    return cases


def main():
    torch.manual_seed(0)
    versions = {name: version(name) for name in ("torch", "torch-uncertainty")}
    for crate, golden in (("firebrick-core", layers()), ("firebrick-zoo", {"width": WIDTH, "cases": networks()})):
        out = CRATES / crate / "tests/golden/members.json"
        out.parent.mkdir(exist_ok=True)
        out.write_text(json.dumps({**versions, **golden}, separators=(",", ":")) + "\n")


main()
