"""Golden values of `rmsprop` from `torch.optim.RMSprop`."""

import torch

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def rmsprop(lr, **options):
    return lambda parameters: torch.optim.RMSprop(parameters, lr=lr, foreach=False, **options)


golden = Golden("rmsprop", "torch.optim.RMSprop")
square, heavy = torch_state("square_avg"), torch_state("square_avg", "momentum_buffer")
centered = torch_state("square_avg", "grad_avg")
both = torch_state("square_avg", "grad_avg", "momentum_buffer")
golden.case("rmsprop(0.01)", rmsprop(0.01), 0.01, state=square)
golden.case("rmsprop(0.01, alpha=0.8)", rmsprop(0.01, alpha=0.8), 0.01, base="rmsprop(0.01)", state=square)
golden.case("rmsprop(0.01, eps=0.1)", rmsprop(0.01, eps=0.1), 0.01, base="rmsprop(0.01)", state=square)
golden.case(
    "rmsprop(0.01, weight_decay=0.1)", rmsprop(0.01, weight_decay=0.1), 0.01, base="rmsprop(0.01)", state=square
)
golden.case(
    "rmsprop(0.01, weight_decay=0.1)", rmsprop(0.01, weight_decay=0.1), 0.01,
    base="rmsprop(0.01, weight_decay=0.1)", state=square, schedule=change_weight_decay,
)
golden.case("rmsprop(0.01, momentum=0.9)", rmsprop(0.01, momentum=0.9), 0.01, base="rmsprop(0.01)", state=heavy)
golden.case(
    "rmsprop(0.01, momentum=0.9)", rmsprop(0.01, momentum=0.9), 0.01,
    base="rmsprop(0.01, momentum=0.9)", state=heavy, schedule=cycle_momentum,
)
golden.case("rmsprop(0.01, centered=true)", rmsprop(0.01, centered=True), 0.01, base="rmsprop(0.01)", state=centered)
golden.case(
    "rmsprop(0.01, momentum=0.9, centered=true)", rmsprop(0.01, momentum=0.9, centered=True), 0.01,
    base="rmsprop(0.01, centered=true)", state=both,
)
golden.cnn("rmsprop(0.002)", rmsprop(0.002), 0.002)
golden.cnn("rmsprop(0.001, momentum=0.9, centered=true)", rmsprop(0.001, momentum=0.9, centered=True), 0.001)
golden.write()
