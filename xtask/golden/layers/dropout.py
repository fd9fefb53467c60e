"""Golden values of the dropout family, from PyTorch and torchvision in float64 on the CPU.

    python3 xtask/golden/layers/dropout.py

writes crates/firebrick-regularize/tests/golden/dropout.json. Needs torch and torchvision.

What a layer draws is replaced by given masks, samples or corners, which the file holds, so that both sides compute from the same.
Gradients are those of the sum of output · cotangent.
"""

import json
import platform
from pathlib import Path
from unittest import mock

import torch
import torchvision
from torch import nn
from torchvision.ops import drop_block2d, stochastic_depth

OUT = Path(__file__).parents[3] / "crates/firebrick-regularize/tests/golden/dropout.json"


def draw(*shape):
    """Values that are exact in f32, so that both sides start from the same."""
    return torch.randn(*shape).float().double()


def array(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().double().flatten().tolist()}


def passed(function, x, **given):
    x = x.clone().requires_grad_()
    y = function(x)
    cotangent = draw(*y.shape)
    (y * cotangent).sum().backward()
    return {
        **given,
        "input": array(x),
        "cotangent": array(cotangent),
        "output": array(y),
        "input_gradient": array(x.grad),
    }


def alpha_dropout():
    cases = []
    for p in (0.1, 0.5, 0.8):
        # The layer draws inside ATen, where no mask can be given: one is read off its output, and checked against the formula.
        x = draw(2, 3, 4, 5)
        torch.manual_seed(int(p * 10))
        y = nn.AlphaDropout(p).double()(x)
        torch.manual_seed(int(p * 10))
        of_zeros = nn.AlphaDropout(p).double()(torch.zeros_like(x))
        mask = of_zeros == of_zeros.max()
        assert len(of_zeros.unique()) == 2

        def function(x):
            torch.manual_seed(int(p * 10))
            return nn.AlphaDropout(p).double()(x)

        assert torch.equal(function(x), y)
        cases.append(passed(function, x, p=p, mask=mask.double().flatten().tolist()))
    return cases


def drop_block():
    cases = []
    for shape, p, block in (((2, 3, 9, 8), 0.3, 3), ((1, 2, 7, 7), 0.2, 5), ((2, 2, 5, 4), 0.5, 1)):
        n, c, h, w = shape
        begins = torch.rand(n, c, h - block + 1, w - block + 1) < (p if block == 1 else 0.06)
        rates = []

        def given(tensor, p=0.5, **_):
            rates.append(p)
            return tensor.copy_(begins.double())

        with mock.patch.object(torch.Tensor, "bernoulli_", given):
            # `eps` keeps a divisor from zero that is not zero here.
            case = passed(lambda x: drop_block2d(x, p, block, eps=0.0), draw(*shape), p=p, block=block)
        cases.append({**case, "begins": begins.flatten().tolist(), "gamma": rates[0]})
    return cases


def drop_path():
    cases = []
    for p, mode, mask in ((0.2, "row", [1, 0, 1, 1]), (0.7, "row", [0, 1, 0, 0]), (0.4, "batch", [1]), (0.4, "batch", [0])):
        kept = torch.tensor(mask).view([-1, 1, 1, 1])

        def given(tensor, p=0.5, **_):
            return tensor.copy_(kept.double())

        with mock.patch.object(torch.Tensor, "bernoulli_", given):
            case = passed(lambda x: stochastic_depth(x, p, mode), draw(4, 2, 3, 3), p=p, mode=mode)
        cases.append({**case, "kept": [bool(one) for one in mask]})
    return cases


def fractional_max_pool():
    cases = []
    for shape, kernel, output in (((2, 3, 9, 12), 2, (6, 8)), ((1, 2, 25, 11), 3, (17, 5)), ((2, 2, 7, 7), 2, (1, 6))):
        samples = torch.rand(shape[0], shape[1], 2, dtype=torch.float64)
        pool = nn.FractionalMaxPool2d(kernel, output_size=output, _random_samples=samples)
        case = passed(pool, draw(*shape), kernel=kernel, output_size=list(output))
        cases.append({**case, "samples": samples.view(-1, 2).tolist()})
    return cases


def main():
    torch.manual_seed(0)
    golden = {
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "python": platform.python_version(),
        "alpha_dropout": alpha_dropout(),
        "dropblock": drop_block(),
        "drop_path": drop_path(),
        "fractional_max_pool": fractional_max_pool(),
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(golden, separators=(",", ":")) + "\n")


main()
