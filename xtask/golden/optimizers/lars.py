"""Golden values of `lars` from timm's `Lars`."""

from timm.optim import Lars

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def lars(lr, **options):
    return lambda parameters: Lars(parameters, lr=lr, foreach=False, **options)


golden = Golden("lars", "timm.optim.Lars", packages=("torch", "timm"))
buffer = torch_state("momentum_buffer")
plain = "lars(0.05, weight_decay=0)"
golden.case(plain, lars(0.05), 0.05)
golden.case("lars(0.05, 0.9, weight_decay=0)", lars(0.05, momentum=0.9), 0.05, base=plain, state=buffer)
golden.case(
    "lars(0.05, momentum=0.9, dampening=0.3, weight_decay=0)", lars(0.05, momentum=0.9, dampening=0.3), 0.05,
    base="lars(0.05, 0.9, weight_decay=0)", state=buffer,
)
golden.case(
    "lars(0.05, momentum=0.9, weight_decay=0, nesterov=true)", lars(0.05, momentum=0.9, nesterov=True), 0.05,
    base="lars(0.05, 0.9, weight_decay=0)", state=buffer,
)
decayed = "lars(1, weight_decay=0.1, trust_coeff=0.05)"
golden.case(decayed, lars(1.0, weight_decay=0.1, trust_coeff=0.05), 1.0, base=plain)
golden.case(
    "lars(1, weight_decay=0.1, trust_coeff=0.1)", lars(1.0, weight_decay=0.1, trust_coeff=0.1), 1.0, base=decayed,
)
golden.case(
    "lars(1, weight_decay=0.1, trust_coeff=0.05, eps=1)",
    lars(1.0, weight_decay=0.1, trust_coeff=0.05, eps=1.0), 1.0, base=decayed,
)
golden.case(
    decayed, lars(1.0, weight_decay=0.1, trust_coeff=0.05), 1.0, base=decayed, schedule=change_weight_decay,
)
adapted = "lars(1, momentum=0.8, weight_decay=0, trust_coeff=0.05, always_adapt=true)"
golden.case(
    adapted, lars(1.0, momentum=0.8, trust_coeff=0.05, always_adapt=True), 1.0, base=plain, state=buffer,
)
golden.case(
    adapted, lars(1.0, momentum=0.8, trust_coeff=0.05, always_adapt=True), 1.0,
    base=adapted, state=buffer, schedule=cycle_momentum,
)
golden.case(
    "lars(0.1, weight_decay=0, trust_coeff=0.05, always_adapt=true, trust_clip=true)",
    lars(0.1, trust_coeff=0.05, always_adapt=True, trust_clip=True), 0.1, base=plain,
)
golden.cnn(
    "lars(0.5, momentum=0.9, weight_decay=1e-4, trust_coeff=0.01)",
    lars(0.5, momentum=0.9, weight_decay=1e-4, trust_coeff=0.01), 0.5,
)
golden.write()
