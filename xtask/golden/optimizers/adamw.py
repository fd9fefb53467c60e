"""Golden values of `adamw` from `torch.optim.AdamW`; `cautious` from timm's `AdamWLegacy(caution=True)`."""

import torch
from timm.optim import AdamWLegacy

from harness import Golden, change_weight_decay, torch_state


def adamw(lr, **options):
    return lambda parameters: torch.optim.AdamW(parameters, lr=lr, foreach=False, **options)


def cautious(lr, **options):
    return lambda parameters: AdamWLegacy(parameters, lr=lr, caution=True, foreach=False, **options)


golden = Golden("adamw", "torch.optim.AdamW; cautious: timm.optim.AdamWLegacy", packages=("torch", "timm"))
moments = torch_state("exp_avg", "exp_avg_sq")
largest = torch_state("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
golden.case("adamw(0.02)", adamw(0.02), 0.02, state=moments)
golden.case("adamw(0.02, beta1=0.7)", adamw(0.02, betas=(0.7, 0.999)), 0.02, base="adamw(0.02)", state=moments)
golden.case("adamw(0.02, beta2=0.8)", adamw(0.02, betas=(0.9, 0.8)), 0.02, base="adamw(0.02)", state=moments)
golden.case("adamw(0.02, eps=0.1)", adamw(0.02, eps=0.1), 0.02, base="adamw(0.02)", state=moments)
golden.case("adamw(0.02, weight_decay=0.3)", adamw(0.02, weight_decay=0.3), 0.02, base="adamw(0.02)", state=moments)
golden.case(
    "adamw(0.02)", adamw(0.02), 0.02, base="adamw(0.02)", state=moments, schedule=change_weight_decay,
)
golden.case(
    "adamw(0.02, beta2=0.8, amsgrad=true)", adamw(0.02, betas=(0.9, 0.8), amsgrad=True), 0.02,
    base="adamw(0.02, beta2=0.8)", state=largest,
)
golden.case("adamw(0.02, cautious=true)", cautious(0.02), 0.02, base="adamw(0.02)", state=moments)
golden.case(
    "adamw(0.02, beta2=0.8, amsgrad=true, cautious=true)", cautious(0.02, betas=(0.9, 0.8), amsgrad=True), 0.02,
    base="adamw(0.02, cautious=true)",
)
golden.cnn("adamw(0.01)", adamw(0.01), 0.01)
golden.cnn("adamw(0.01, cautious=true)", cautious(0.01), 0.01)
golden.write()
