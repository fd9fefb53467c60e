"""Golden values of `adam` from `torch.optim.Adam`."""

import torch

from harness import Golden, cycle_momentum, torch_state


def adam(lr, **options):
    return lambda parameters: torch.optim.Adam(parameters, lr=lr, foreach=False, **options)


golden = Golden("adam", "torch.optim.Adam")
moments = torch_state("exp_avg", "exp_avg_sq")
largest = torch_state("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
golden.case("adam(0.02)", adam(0.02), 0.02, state=moments)
golden.case("adam(0.02, beta1=0.7)", adam(0.02, betas=(0.7, 0.999)), 0.02, base="adam(0.02)", state=moments)
golden.case("adam(0.02, beta2=0.8)", adam(0.02, betas=(0.9, 0.8)), 0.02, base="adam(0.02)", state=moments)
golden.case("adam(0.02, eps=0.1)", adam(0.02, eps=0.1), 0.02, base="adam(0.02)", state=moments)
golden.case("adam(0.02, weight_decay=0.1)", adam(0.02, weight_decay=0.1), 0.02, base="adam(0.02)", state=moments)
golden.case(
    "adam(0.02, beta2=0.8, amsgrad=true)", adam(0.02, betas=(0.9, 0.8), amsgrad=True), 0.02,
    base="adam(0.02, beta2=0.8)", state=largest,
)
golden.case("adam(0.02)", adam(0.02), 0.02, base="adam(0.02)", state=moments, schedule=cycle_momentum)
golden.cnn("adam(0.01)", adam(0.01), 0.01)
golden.write()
