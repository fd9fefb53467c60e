"""Golden values of `adadelta` from `torch.optim.Adadelta`."""

import torch

from harness import Golden, change_weight_decay, torch_state


def adadelta(lr, **options):
    return lambda parameters: torch.optim.Adadelta(parameters, lr=lr, foreach=False, **options)


golden = Golden("adadelta", "torch.optim.Adadelta")
means = torch_state("square_avg", "acc_delta")
golden.case("adadelta", adadelta(1.0), 1.0, state=means)
golden.case("adadelta(3)", adadelta(3.0), 3.0, base="adadelta", state=means)
golden.case("adadelta(rho=0.5)", adadelta(1.0, rho=0.5), 1.0, base="adadelta", state=means)
golden.case("adadelta(eps=1e-3)", adadelta(1.0, eps=1e-3), 1.0, base="adadelta", state=means)
golden.case("adadelta(weight_decay=0.3)", adadelta(1.0, weight_decay=0.3), 1.0, base="adadelta", state=means)
golden.case(
    "adadelta(weight_decay=0.3)", adadelta(1.0, weight_decay=0.3), 1.0,
    base="adadelta(weight_decay=0.3)", state=means, schedule=change_weight_decay,
)
golden.cnn("adadelta", adadelta(1.0), 1.0)
golden.write()
