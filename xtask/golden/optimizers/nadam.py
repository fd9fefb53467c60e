"""Golden values of `nadam` from `torch.optim.NAdam`."""

import torch

from harness import Golden, change_weight_decay, cycle_momentum, torch_state

# PyTorch keeps the product of the momenta in the default type.
torch.set_default_dtype(torch.float64)


def nadam(lr, **options):
    return lambda parameters: torch.optim.NAdam(parameters, lr=lr, foreach=False, **options)


golden = Golden("nadam", "torch.optim.NAdam")
kept = torch_state("exp_avg", "exp_avg_sq")
plain = "nadam(0.02)"
golden.case(plain, nadam(0.02), 0.02, state=kept)
golden.case("nadam(0.02, beta1=0.7)", nadam(0.02, betas=(0.7, 0.999)), 0.02, base=plain, state=kept)
golden.case("nadam(0.02, beta2=0.8)", nadam(0.02, betas=(0.9, 0.8)), 0.02, base=plain, state=kept)
golden.case("nadam(0.02, eps=0.1)", nadam(0.02, eps=0.1), 0.02, base=plain, state=kept)
golden.case("nadam(0.02, weight_decay=0.1)", nadam(0.02, weight_decay=0.1), 0.02, base=plain, state=kept)
golden.case("nadam(0.02, momentum_decay=1)", nadam(0.02, momentum_decay=1), 0.02, base=plain, state=kept)
decoupled = "nadam(0.02, weight_decay=0.3, decoupled_weight_decay=true)"
golden.case(
    decoupled, nadam(0.02, weight_decay=0.3, decoupled_weight_decay=True), 0.02, base=plain, state=kept
)
golden.case(
    decoupled, nadam(0.02, weight_decay=0.3, decoupled_weight_decay=True), 0.02,
    base=decoupled, state=kept, schedule=change_weight_decay,
)
golden.case(plain, nadam(0.02), 0.02, base=plain, state=kept, schedule=cycle_momentum)
golden.cnn("nadam(0.01)", nadam(0.01), 0.01)
golden.write()
