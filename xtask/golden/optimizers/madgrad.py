"""Golden values of `madgrad` from timm's `MADGRAD`, the authors' code."""

from timm.optim import MADGRAD

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def madgrad(lr, **options):
    return lambda parameters: MADGRAD(parameters, lr=lr, **options)


golden = Golden("madgrad", "timm.optim.MADGRAD", packages=("torch", "timm"))
state = torch_state("grad_sum_sq", "s", "x0")
sums = torch_state("grad_sum_sq", "s")
plain = "madgrad(0.02)"
golden.case(plain, madgrad(0.02), 0.02, state=state)
golden.case("madgrad(0.02, momentum=0.5)", madgrad(0.02, momentum=0.5), 0.02, base=plain, state=state)
golden.case("madgrad(0.02, momentum=0)", madgrad(0.02, momentum=0), 0.02, base=plain, state=sums)
golden.case("madgrad(0.02, weight_decay=0.1)", madgrad(0.02, weight_decay=0.1), 0.02, base=plain, state=state)
golden.case(
    "madgrad(0.02, weight_decay=0.1, decoupled_decay=true)",
    madgrad(0.02, weight_decay=0.1, decoupled_decay=True), 0.02,
    base="madgrad(0.02, weight_decay=0.1)", state=state,
)
golden.case("madgrad(0.02, eps=0.1)", madgrad(0.02, eps=0.1), 0.02, base=plain, state=state)
golden.case(plain, madgrad(0.02), 0.02, base=plain, state=state, schedule=change_weight_decay)
golden.case(plain, madgrad(0.02), 0.02, base=plain, state=state, schedule=cycle_momentum)
golden.cnn("madgrad(0.001)", madgrad(0.001), 0.001)
golden.write()
