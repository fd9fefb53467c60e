"""Golden values of `sgd` from `torch.optim.SGD`."""

import torch

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def sgd(lr, **options):
    return lambda parameters: torch.optim.SGD(parameters, lr=lr, foreach=False, **options)


golden = Golden("sgd", "torch.optim.SGD")
buffer = torch_state("momentum_buffer")
golden.case("sgd(0.05)", sgd(0.05), 0.05)
golden.case("sgd(0.05, weight_decay=0.1)", sgd(0.05, weight_decay=0.1), 0.05, base="sgd(0.05)")
golden.case(
    "sgd(0.05, weight_decay=0.1)", sgd(0.05, weight_decay=0.1), 0.05,
    base="sgd(0.05, weight_decay=0.1)", schedule=change_weight_decay,
)
golden.case("sgd(0.05, 0.9)", sgd(0.05, momentum=0.9), 0.05, base="sgd(0.05)", state=buffer)
golden.case(
    "sgd(0.05, momentum=0.9, dampening=0.3)", sgd(0.05, momentum=0.9, dampening=0.3), 0.05,
    base="sgd(0.05, 0.9)", state=buffer,
)
golden.case(
    "sgd(0.05, momentum=0.9, nesterov=true)", sgd(0.05, momentum=0.9, nesterov=True), 0.05,
    base="sgd(0.05, 0.9)", state=buffer,
)
golden.case(
    "sgd(0.05, momentum=0.8, weight_decay=0.1, nesterov=true)",
    sgd(0.05, momentum=0.8, weight_decay=0.1, nesterov=True), 0.05,
    base="sgd(0.05, momentum=0.9, nesterov=true)", state=buffer,
)
golden.case(
    "sgd(0.05, momentum=0.9)", sgd(0.05, momentum=0.9), 0.05,
    base="sgd(0.05, 0.9)", state=buffer, schedule=cycle_momentum,
)
golden.cnn("sgd(0.05, momentum=0.9)", sgd(0.05, momentum=0.9), 0.05)
golden.write()
