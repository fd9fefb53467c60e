"""Golden values of `asgd` from `torch.optim.ASGD`."""

import torch

from harness import Golden, change_weight_decay, torch_state

# PyTorch keeps the rate in the default type.
torch.set_default_dtype(torch.float64)


def asgd(lr, **options):
    return lambda parameters: torch.optim.ASGD(parameters, lr=lr, foreach=False, **options)


def average(optimizer, parameter):
    return optimizer.state[parameter]["ax"]


golden = Golden("asgd", "torch.optim.ASGD")
kept = {"state": torch_state("ax"), "view": average}
plain, falling = "asgd(0.05)", "asgd(0.05, lambd=0.5)"
golden.case(plain, asgd(0.05), 0.05, **kept)
golden.case(falling, asgd(0.05, lambd=0.5), 0.05, base=plain, **kept)
golden.case("asgd(0.05, lambd=0.5, alpha=0.3)", asgd(0.05, lambd=0.5, alpha=0.3), 0.05, base=falling, **kept)
golden.case("asgd(0.05, t0=7)", asgd(0.05, t0=7), 0.05, base=plain, **kept)
golden.case("asgd(0.05, weight_decay=0.1)", asgd(0.05, weight_decay=0.1), 0.05, base=plain, **kept)
golden.case(
    "asgd(0.05, weight_decay=0.1)", asgd(0.05, weight_decay=0.1), 0.05,
    base="asgd(0.05, weight_decay=0.1)", schedule=change_weight_decay, **kept,
)
golden.cnn("asgd(0.05, lambd=0.01)", asgd(0.05, lambd=0.01), 0.05)
golden.write()
