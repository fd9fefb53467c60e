"""Golden Grad-CAM maps of LeNet-5, from PyTorch's gradients in float64.

    python3 xtask/golden/grad_cam.py

writes tests/tests/golden/grad_cam.json. Needs torch. Both sides make weights and image by the same formula (`numbers`). The head of
LeNet-5 is no mean over the image, so the maps depend on gradients that differ from pixel to pixel.
"""

import json
import math
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

OUT = Path(__file__).parents[2] / "tests/tests/golden/grad_cam.json"


def numbers(seed, count):
    """Values in [-1, 1) that are exact in float32."""
    values = []
    for at in range(1, count + 1):
        x = (at * 2654435761 + seed * 97531) & 0xFFFFFFFF
        x ^= x >> 15
        x = (x * 2246822519) & 0xFFFFFFFF
        x ^= x >> 13
        values.append((x >> 8) / (1 << 23) - 1.0)
    return values


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        first = F.relu(self.conv1(x))
        second = F.relu(self.conv2(F.max_pool2d(first, 2)))
        x = F.relu(self.fc1(F.max_pool2d(second, 2).flatten(1)))
        return first, second, self.fc3(F.relu(self.fc2(x)))


def main():
    net = LeNet5().double()
    with torch.no_grad():
        for seed, (_, tensor) in enumerate(sorted(net.state_dict().items()), start=1):
            scale = math.sqrt(6.0 / math.prod(tensor.shape[1:])) if tensor.dim() > 1 else 0.1
            # Rounded as the other side rounds it.
            values = (torch.tensor(numbers(seed, tensor.numel()), dtype=torch.float64) * scale).float().double()
            tensor.copy_(values.reshape(tensor.shape))
    image = torch.tensor(numbers(0, 784), dtype=torch.float64).reshape(1, 1, 28, 28)
    first, second, logits = net(image)
    cases = []
    for stage, features in [("conv1", first), ("conv2", second)]:
        for number in range(10):
            (gradient,) = torch.autograd.grad(logits[0, number], features, retain_graph=True)
            weights = gradient.mean((2, 3), keepdim=True)
            unclamped = (weights * features).sum(1)
            # The first class for which the clamp decides something, and neither keeps nor takes all.
            if 0.2 < (unclamped < 0).double().mean() < 0.8:
                heat = F.relu(unclamped).flatten().tolist()
                heat = [float(f"{value:.7g}") for value in heat]
                cases.append({"stage": stage, "class": number, "logit": logits[0, number].item(), "map": heat})
                break
        else:
            raise SystemExit(f"no class for {stage}")
    document = {"torch": torch.__version__, "cases": cases}
    OUT.write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
