"""Golden values of layers, loss and clipping, from PyTorch in float64 on the CPU.

    python3 xtask/golden/nn.py

writes crates/firebrick-core/tests/golden/nn.json. Needs torch.

Outputs and gradients of the sum of output · cotangent, so that every output entry counts. The
script fails unless each option of the loss moves it by at least a hundred times the tolerance of
the test.
"""

import json
import platform
from pathlib import Path

import torch
from torch import nn

OUT = Path(__file__).parents[2] / "crates/firebrick-core/tests/golden/nn.json"
TOLERANCE = 1e-5


def draw(*shape):
    """Values that are exact in f32, so that both sides start from the same."""
    return torch.randn(*shape).float().double()


def array(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().flatten().tolist()}


def conv2d(shape, out, kernel, **options):
    layer = nn.Conv2d(shape[1], out, kernel, **options).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(draw(*parameter.shape))
    x = draw(*shape).requires_grad_()
    y = layer(x)
    cotangent = draw(*y.shape)
    (y * cotangent).sum().backward()
    record = {
        "channels": [shape[1], out],
        "kernel": list(layer.kernel_size),
        "stride": list(layer.stride),
        "padding": list(layer.padding),
        "dilation": list(layer.dilation),
        "groups": layer.groups,
        "input": array(x),
        "weight": array(layer.weight),
        "cotangent": array(cotangent),
        "output": array(y),
        "input_gradient": array(x.grad),
        "weight_gradient": array(layer.weight.grad),
    }
    if layer.bias is not None:
        record["bias"] = array(layer.bias)
        record["bias_gradient"] = array(layer.bias.grad)
    return record


def batch_norm(shape, eps, momentum):
    layer = nn.BatchNorm2d(shape[1], eps=eps, momentum=momentum).double()
    with torch.no_grad():
        layer.weight.copy_(draw(shape[1]))
        layer.bias.copy_(draw(shape[1]))
    passes = []
    for training in (True, True, False):
        layer.train(training)
        layer.zero_grad()
        # Channels of different mean and scale; a small batch shows the unbiased variance.
        x = (draw(*shape) * 3 + torch.arange(shape[1]).view(1, -1, 1, 1)).float().double().requires_grad_()
        y = layer(x)
        cotangent = draw(*shape)
        (y * cotangent).sum().backward()
        passes.append(
            {
                "training": training,
                "input": array(x),
                "cotangent": array(cotangent),
                "output": array(y),
                "input_gradient": array(x.grad),
                "weight_gradient": array(layer.weight.grad),
                "bias_gradient": array(layer.bias.grad),
                "running_mean": array(layer.running_mean),
                "running_var": array(layer.running_var),
            }
        )
    return {
        "eps": eps,
        "momentum": momentum,
        "weight": array(layer.weight),
        "bias": array(layer.bias),
        "passes": passes,
    }


def cross_entropy():
    count, classes = 5, 4
    logits = draw(count, classes) * 2
    labels = torch.tensor([0, 3, 1, 1, 2])
    soft = torch.softmax(draw(count, classes), 1).float().double()
    # Weights that f32 cannot hold exactly.
    weights = [0.3, 2.1, 0.9, 0.7]
    cases = []
    for targets in (labels, soft):
        plain = None
        for smoothing, class_weights in ((0.0, None), (0.2, None), (0.0, weights), (0.2, weights)):
            x = logits.clone().requires_grad_()
            weight = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float64)
            loss = nn.functional.cross_entropy(x, targets, weight=weight, label_smoothing=smoothing)
            loss.backward()
            plain = loss.item() if plain is None else plain
            moved = abs(loss.item() - plain) / abs(plain)
            assert (smoothing, class_weights) == (0.0, None) or moved >= 100 * TOLERANCE
            cases.append(
                {
                    "label_smoothing": smoothing,
                    "class_weights": class_weights,
                    "labels": labels.tolist() if targets is labels else None,
                    "soft": array(soft) if targets is soft else None,
                    "logits": array(logits),
                    "loss": loss.item(),
                    "gradient": array(x.grad),
                }
            )
    return cases


def activation():
    functions = {
        "relu": nn.functional.relu,
        "leaky_relu": nn.functional.leaky_relu,
        "elu": nn.functional.elu,
        "gelu": nn.functional.gelu,
        "silu": nn.functional.silu,
        "tanh": torch.tanh,
        "sigmoid": torch.sigmoid,
        "relu6": nn.functional.relu6,
        "hardsigmoid": nn.functional.hardsigmoid,
        "hardswish": nn.functional.hardswish,
        "identity": nn.Identity(),
        # Clamped: for larger values the result is a difference of large numbers.
        "log_softmax": lambda x: nn.functional.log_softmax(x.clamp(-9.5, 9.5), 1),
    }
    # The kink and its neighbourhood, the tails, and where an exponential overflows in f32.
    special = torch.tensor([0.0, -0.0, 1e-3, -1e-3, 1e-6, -1e-6, -2, 2, 9, -9, 20, -20, 95, -95, 400, -400])
    x = torch.cat([special.double(), torch.linspace(-6, 6, 48).double()]).float().double().reshape(8, 8)
    cotangent = draw(8, 8)
    cases = []
    for name, function in functions.items():
        input = x.clone().requires_grad_()
        output = function(input)
        (output * cotangent).sum().backward()
        cases.append(
            {
                "name": name,
                "input": array(x),
                "cotangent": array(cotangent),
                "output": array(output),
                "input_gradient": array(input.grad),
            }
        )
    # The exact form of GELU differs from the tanh form by far more than the tolerance.
    wide = x.clone().requires_grad_()
    (nn.functional.gelu(wide, approximate="tanh") * cotangent).sum().backward()
    gelu = next(case for case in cases if case["name"] == "gelu")
    exact = torch.tensor(gelu["input_gradient"]["values"], dtype=torch.float64).reshape(8, 8)
    assert (wide.grad - exact).abs().max() >= 100 * TOLERANCE
    return cases


def clip():
    cases = []
    gradients = [draw(3), draw(4), draw(1)]
    for limit in (0.5, 100.0):
        parameters = [nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
        for parameter, gradient in zip(parameters, gradients):
            parameter.grad = gradient.clone()
        norm = nn.utils.clip_grad_norm_(parameters, limit)
        cases.append(
            {
                "limit": limit,
                "norm": norm.item(),
                "gradients": [array(gradient) for gradient in gradients],
                "clipped": [array(parameter.grad) for parameter in parameters],
            }
        )
    assert cases[0]["norm"] > 0.5
    return cases


def main():
    torch.manual_seed(0)
    document = {
        "command": "python3 xtask/golden/nn.py",
        "versions": {"torch": torch.__version__.split("+")[0], "python": platform.python_version()},
        "conv2d": [
            conv2d((2, 3, 6, 5), 4, 3),
            conv2d((2, 4, 7, 6), 6, 3, stride=2, padding=1, bias=False),
            conv2d((1, 4, 9, 8), 4, 3, padding=2, dilation=2, groups=2),
            conv2d((2, 4, 5, 5), 4, 3, padding=1, groups=4),
            conv2d((2, 4, 5, 4), 6, 1, stride=2, bias=False),
            conv2d((1, 2, 8, 7), 3, (5, 2), stride=(2, 1), padding=(1, 0)),
        ],
        "batch_norm": [batch_norm((2, 3, 2, 2), 1e-5, 0.1), batch_norm((3, 2, 4, 3), 1e-2, 0.3)],
        "cross_entropy": cross_entropy(),
        "clip": clip(),
        "activation": activation(),
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(
        f" {json.dumps(key)}: [\n" + ",\n".join(f"  {json.dumps(case)}" for case in value) + "\n ]"
        if isinstance(value, list)
        else f" {json.dumps(key)}: {json.dumps(value)}"
        for key, value in document.items()
    )
    OUT.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
