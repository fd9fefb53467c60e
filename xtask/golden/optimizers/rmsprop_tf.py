"""Golden values of `rmsprop_tf` from timm's `RMSpropTF`."""

from timm.optim import RMSpropTF

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def rmsprop(lr, **options):
    return lambda parameters: RMSpropTF(parameters, lr=lr, foreach=False, **options)


golden = Golden("rmsprop_tf", "timm.optim.RMSpropTF", packages=("torch", "timm"))
square, heavy = torch_state("square_avg"), torch_state("square_avg", "momentum_buffer")
centered = torch_state("square_avg", "grad_avg")
both = torch_state("square_avg", "grad_avg", "momentum_buffer")
plain = "rmsprop_tf(0.01)"
golden.case(plain, rmsprop(0.01), 0.01, state=square)
golden.case("rmsprop_tf(0.01, alpha=0.8)", rmsprop(0.01, alpha=0.8), 0.01, base=plain, state=square)
golden.case("rmsprop_tf(0.01, eps=0.1)", rmsprop(0.01, eps=0.1), 0.01, base=plain, state=square)
golden.case("rmsprop_tf(0.01, weight_decay=0.1)", rmsprop(0.01, weight_decay=0.1), 0.01, base=plain, state=square)
golden.case(
    "rmsprop_tf(0.01, weight_decay=0.3, decoupled_decay=true)",
    rmsprop(0.01, weight_decay=0.3, decoupled_decay=True), 0.01, base=plain, state=square,
)
golden.case(
    "rmsprop_tf(0.01, weight_decay=0.3, decoupled_decay=true)",
    rmsprop(0.01, weight_decay=0.3, decoupled_decay=True), 0.01,
    base="rmsprop_tf(0.01, weight_decay=0.3, decoupled_decay=true)", state=square, schedule=change_weight_decay,
)
golden.case("rmsprop_tf(0.01, momentum=0.9)", rmsprop(0.01, momentum=0.9), 0.01, base=plain, state=heavy)
golden.case(
    "rmsprop_tf(0.01, momentum=0.9)", rmsprop(0.01, momentum=0.9), 0.01,
    base="rmsprop_tf(0.01, momentum=0.9)", state=heavy, schedule=cycle_momentum,
)
# At a constant rate the values are those of `lr_in_momentum`; the buffer is not.
golden.case(
    "rmsprop_tf(0.01, momentum=0.9, lr_in_momentum=false)",
    rmsprop(0.01, momentum=0.9, lr_in_momentum=False), 0.01, base=plain, state=heavy,
)
golden.case("rmsprop_tf(0.01, centered=true)", rmsprop(0.01, centered=True), 0.01, base=plain, state=centered)
golden.case(
    "rmsprop_tf(0.01, momentum=0.9, centered=true)", rmsprop(0.01, momentum=0.9, centered=True), 0.01,
    base="rmsprop_tf(0.01, centered=true)", state=both,
)
golden.cnn("rmsprop_tf(0.002, momentum=0.9)", rmsprop(0.002, momentum=0.9), 0.002)
golden.write()
