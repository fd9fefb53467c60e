"""Golden values of normalization layers, from PyTorch and timm in float64 on the CPU.

    python3 xtask/golden/layers/normalization.py

writes crates/firebrick-core/tests/golden/normalization.json. Needs torch and timm.

Outputs and gradients of the sum of output · cotangent, so that every output entry counts. The script fails unless each option moves the
output by at least a hundred times the tolerance of the test.
"""

import json
import platform
from pathlib import Path

import timm
import torch
from timm.layers import LayerNorm2d, ScaledStdConv2d, StdConv2d
from torch import nn

OUT = Path(__file__).parents[3] / "crates/firebrick-core/tests/golden/normalization.json"
TOLERANCE = 1e-5


def draw(*shape):
    """Values that are exact in f32, so that both sides start from the same."""
    return torch.randn(*shape).float().double()


def array(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().flatten().tolist()}


def moved(one, other):
    return (one - other).abs().max() / one.abs().max() >= 100 * TOLERANCE


def passed(layer, x):
    """One pass with its gradients; parameters under PyTorch's keys."""
    layer.zero_grad()
    x = x.clone().requires_grad_()
    y = layer(x)
    cotangent = draw(*y.shape)
    (y * cotangent).sum().backward()
    return {
        "parameters": {key: array(value) for key, value in layer.named_parameters()},
        "input": array(x),
        "cotangent": array(cotangent),
        "output": array(y),
        "input_gradient": array(x.grad),
        "gradients": {key: array(value.grad) for key, value in layer.named_parameters()},
    }


def filled(layer):
    layer = layer.double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(draw(*parameter.shape))
    return layer


def group_norm():
    cases = []
    for groups, channels, eps, affine in ((2, 6, 1e-5, True), (1, 4, 0.1, True), (4, 4, 1e-5, False)):
        x = draw(3, channels, 4, 5) * 2 + torch.arange(channels).view(1, -1, 1, 1)
        layer = filled(nn.GroupNorm(groups, channels, eps=eps, affine=affine))
        other = nn.GroupNorm(channels if groups == 1 else 1, channels, eps=eps, affine=affine).double()
        other.load_state_dict(layer.state_dict())
        assert moved(layer(x), other(x))
        cases.append({"groups": groups, "channels": channels, "eps": eps, "affine": affine, **passed(layer, x)})
    return cases


def layer_norm2d():
    cases = []
    for channels, eps, affine in ((5, 1e-6, True), (3, 0.5, True), (4, 1e-6, False)):
        x = draw(2, channels, 3, 4)
        layer = filled(LayerNorm2d(channels, eps=eps, affine=affine))
        cases.append({"channels": channels, "eps": eps, "affine": affine, **passed(layer, x)})
    return cases


def std_conv2d():
    cases = []
    for kind, kernel, stride, padding, groups, bias in (("std", 3, 1, 1, 1, False), ("std", 3, 2, 0, 2, True), ("scaled", 3, 1, 1, 1, True)):
        options = {"stride": stride, "padding": padding, "groups": groups, "bias": bias}
        if kind == "std":
            layer, gamma = StdConv2d(4, 6, kernel, **options), 1.0
        else:
            gamma = 1.7139588594436646
            layer = ScaledStdConv2d(4, 6, kernel, gamma=gamma, **options)
        layer = filled(layer)
        x = draw(2, 4, 6, 5)
        plain = nn.functional.conv2d(x, layer.weight, layer.bias, stride, padding, 1, groups)
        assert moved(layer(x), plain)
        assert layer.eps == 1e-6
        cases.append({"channels": [4, 6], "kernel": kernel, "gamma": gamma, "scaled": kind == "scaled", **options, **passed(layer, x)})
    return cases


def statistics():
    """Running statistics over several batches, and the exact moments of all their values."""
    batches = [draw(count, 3, 2, 2) * (1 + index) + index for index, count in enumerate((4, 6, 2))]
    cases = []
    for momentum, affine, tracked in ((None, True, True), (0.25, False, True), (0.1, True, False)):
        layer = filled(nn.BatchNorm2d(3, momentum=momentum, affine=affine, track_running_stats=tracked))
        passes = [passed(layer, x) for x in batches]
        state = {key: array(value) for key, value in layer.state_dict().items() if value.is_floating_point()}
        counted = [] if not tracked else [int(layer.num_batches_tracked)]
        layer.eval()
        evaluation = passed(layer, batches[0])
        assert tracked == bool(moved(torch.tensor(evaluation["output"]["values"]), torch.tensor(passes[0]["output"]["values"])))
        cases.append({"momentum": momentum, "affine": affine, "tracked": tracked, "passes": passes, "state": state, "counted": counted, "evaluation": evaluation})
    everything = torch.cat(batches).permute(1, 0, 2, 3).flatten(1)
    exact = {"mean": array(everything.mean(1)), "variance": array(everything.var(1))}
    cumulative = torch.tensor(cases[0]["state"]["running_var"]["values"])
    assert moved(everything.var(1), cumulative)
    return {"cases": cases, "exact": exact}


def fold():
    """A convolution and a batch norm in evaluation, and the one convolution that torch makes of them."""
    cases = []
    for groups, stride, bias in ((1, 1, False), (2, 2, True)):
        conv = filled(nn.Conv2d(4, 6, 3, padding=1, stride=stride, groups=groups, bias=bias))
        bn = filled(nn.BatchNorm2d(6, eps=1e-3))
        with torch.no_grad():
            bn.running_mean.copy_(draw(6))
            bn.running_var.copy_(draw(6).abs() + 0.1)
        bn.running_var.copy_(bn.running_var.float().double())
        bn.eval()
        x = draw(2, 4, 5, 5)
        one = torch.nn.utils.fusion.fuse_conv_bn_eval(conv.eval(), bn)
        assert (one(x) - bn(conv(x))).abs().max() < 1e-12
        cases.append(
            {
                "groups": groups,
                "stride": stride,
                "eps": bn.eps,
                "conv": {key: array(value) for key, value in conv.state_dict().items()},
                "bn": {key: array(value) for key, value in bn.state_dict().items() if value.is_floating_point()},
                "folded": {key: array(value) for key, value in one.state_dict().items()},
                "input": array(x),
                "output": array(one(x)),
            }
        )
    return cases


def main():
    torch.manual_seed(0)
    golden = {
        "torch": torch.__version__,
        "timm": timm.__version__,
        "python": platform.python_version(),
        "group_norm": group_norm(),
        "layer_norm2d": layer_norm2d(),
        "std_conv2d": std_conv2d(),
        "statistics": statistics(),
        "fold": fold(),
    }
    OUT.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
