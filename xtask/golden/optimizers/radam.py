"""Golden values of `radam` from `torch.optim.RAdam`."""

import torch

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def radam(lr, **options):
    return lambda parameters: torch.optim.RAdam(parameters, lr=lr, foreach=False, **options)


golden = Golden("radam", "torch.optim.RAdam")
kept = torch_state("exp_avg", "exp_avg_sq")
plain = "radam(0.02)"
golden.case(plain, radam(0.02), 0.02, state=kept)
golden.case("radam(0.02, beta1=0.7)", radam(0.02, betas=(0.7, 0.999)), 0.02, base=plain, state=kept)
golden.case("radam(0.02, beta2=0.8)", radam(0.02, betas=(0.9, 0.8)), 0.02, base=plain, state=kept)
golden.case("radam(0.02, eps=0.5)", radam(0.02, eps=0.5), 0.02, base=plain, state=kept)
golden.case("radam(0.02, weight_decay=0.1)", radam(0.02, weight_decay=0.1), 0.02, base=plain, state=kept)
decoupled = "radam(0.02, weight_decay=0.3, decoupled_weight_decay=true)"
golden.case(
    decoupled, radam(0.02, weight_decay=0.3, decoupled_weight_decay=True), 0.02, base=plain, state=kept
)
golden.case(
    decoupled, radam(0.02, weight_decay=0.3, decoupled_weight_decay=True), 0.02,
    base=decoupled, state=kept, schedule=change_weight_decay,
)
golden.case(plain, radam(0.02), 0.02, base=plain, state=kept, schedule=cycle_momentum)
golden.cnn("radam(0.01)", radam(0.01), 0.01)
golden.write()
