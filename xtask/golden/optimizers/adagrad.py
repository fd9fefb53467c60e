"""Golden values of `adagrad` from `torch.optim.Adagrad`."""

import torch

from harness import Golden, change_weight_decay, torch_state


def adagrad(lr, **options):
    return lambda parameters: torch.optim.Adagrad(parameters, lr=lr, foreach=False, **options)


golden = Golden("adagrad", "torch.optim.Adagrad")
total = torch_state("sum")
golden.case("adagrad(0.1)", adagrad(0.1), 0.1, state=total)
golden.case("adagrad(0.1, lr_decay=0.01)", adagrad(0.1, lr_decay=0.01), 0.1, base="adagrad(0.1)", state=total)
golden.case("adagrad(0.1, weight_decay=0.1)", adagrad(0.1, weight_decay=0.1), 0.1, base="adagrad(0.1)", state=total)
golden.case(
    "adagrad(0.1, weight_decay=0.1)", adagrad(0.1, weight_decay=0.1), 0.1,
    base="adagrad(0.1, weight_decay=0.1)", state=total, schedule=change_weight_decay,
)
golden.case(
    "adagrad(0.1, initial_accumulator_value=0.5)", adagrad(0.1, initial_accumulator_value=0.5), 0.1,
    base="adagrad(0.1)", state=total,
)
golden.case("adagrad(0.1, eps=0.1)", adagrad(0.1, eps=0.1), 0.1, base="adagrad(0.1)", state=total)
golden.cnn("adagrad(0.05)", adagrad(0.05), 0.05)
golden.write()
