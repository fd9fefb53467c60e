"""Golden values of knowledge distillation, from PyTorch in float64 on the CPU.

    python3 xtask/golden/distillation.py

writes crates/firebrick-core/tests/golden/distillation.json. Needs torch.

The loss is that of Hinton, Vinyals and Dean 2015:

    (1 - alpha) · cross_entropy(logits, labels) + alpha · T² · kl_div(student_T, teacher_T, reduction="batchmean")

where the teacher is the mean of the softmax outputs of three members. The script fails unless each option moves the loss
by at least a hundred times the tolerance of the test. The seed is 1 because with 0 two of the settings happen to give
nearly the same loss.
"""

import json
import platform
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

OUT = Path(__file__).parents[2] / "crates/firebrick-core/tests/golden/distillation.json"
TOLERANCE = 1e-5
IMAGES, CLASSES, MEMBERS = 6, 5, 3


def array(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().flatten().tolist()}


def loss(logits, labels, teacher, temperature, alpha, smoothing):
    hard = cross_entropy(logits, labels, label_smoothing=smoothing)
    student_t = log_softmax(logits / temperature, 1)
    teacher_t = log_softmax(teacher / temperature, 1)
    soft = kl_div(student_t, teacher_t, reduction="batchmean", log_target=True)
    return (1 - alpha) * hard + alpha * temperature**2 * soft


def main():
    torch.manual_seed(1)

    def draw(scale):
        # Exact in f32, so that both sides start from the same.
        return (scale * torch.randn(IMAGES, CLASSES)).float().double()

    logits = draw(2.0)
    members = softmax(torch.stack([draw(3.0) for _ in range(MEMBERS)]), -1)
    teacher = members.mean(0).log().float().double()
    labels = torch.tensor([0, 4, 2, 2, 1, 3])
    mixed = softmax(draw(1.0), 1).float().double()
    settings = [
        # temperature, alpha, label smoothing
        (1.0, 0.5, 0.0),
        (4.0, 0.9, 0.0),
        (4.0, 0.5, 0.0),
        (2.5, 0.5, 0.0),
        (2.5, 0.5, 0.2),
        (2.5, 1.0, 0.0),
        (2.5, 0.0, 0.2),
        (8.0, 0.7, 0.0),
    ]
    cases = []
    for targets in (labels, mixed):
        found = []
        for temperature, alpha, smoothing in settings:
            x = logits.clone().requires_grad_()
            value = loss(x, targets, teacher, temperature, alpha, smoothing)
            value.backward()
            assert all(abs(value.item() - other) >= 100 * TOLERANCE for other in found)
            found.append(value.item())
            cases.append(
                {
                    "temperature": temperature,
                    "alpha": alpha,
                    "label_smoothing": smoothing,
                    "labels": labels.tolist() if targets is labels else None,
                    "soft": array(mixed) if targets is mixed else None,
                    "logits": array(logits),
                    "teacher": array(teacher),
                    "loss": value.item(),
                    "gradient": array(x.grad),
                }
            )
    document = {
        "command": "python3 xtask/golden/distillation.py",
        "versions": {"torch": torch.__version__.split("+")[0], "python": platform.python_version()},
        "distillation": cases,
    }
    lines = ",\n".join(
        f" {json.dumps(key)}: [\n" + ",\n".join(f"  {json.dumps(case)}" for case in value) + "\n ]"
        if isinstance(value, list)
        else f" {json.dumps(key)}: {json.dumps(value)}"
        for key, value in document.items()
    )
    OUT.write_text("{\n" + lines + "\n}\n")


if __name__ == "__main__":
    main()
