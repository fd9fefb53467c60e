"""Golden values of `adamax` from `torch.optim.Adamax`."""

import torch

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def adamax(lr, **options):
    return lambda parameters: torch.optim.Adamax(parameters, lr=lr, foreach=False, **options)


golden = Golden("adamax", "torch.optim.Adamax")
kept = torch_state("exp_avg", "exp_inf")
plain = "adamax(0.02)"
golden.case(plain, adamax(0.02), 0.02, state=kept)
golden.case("adamax(0.02, beta1=0.7)", adamax(0.02, betas=(0.7, 0.999)), 0.02, base=plain, state=kept)
golden.case("adamax(0.02, beta2=0.8)", adamax(0.02, betas=(0.9, 0.8)), 0.02, base=plain, state=kept)
golden.case("adamax(0.02, eps=0.1)", adamax(0.02, eps=0.1), 0.02, base=plain, state=kept)
golden.case("adamax(0.02, weight_decay=0.1)", adamax(0.02, weight_decay=0.1), 0.02, base=plain, state=kept)
golden.case(
    "adamax(0.02, weight_decay=0.1)", adamax(0.02, weight_decay=0.1), 0.02,
    base="adamax(0.02, weight_decay=0.1)", state=kept, schedule=change_weight_decay,
)
golden.case(plain, adamax(0.02), 0.02, base=plain, state=kept, schedule=cycle_momentum)
golden.cnn("adamax(0.01)", adamax(0.01), 0.01)
golden.write()
