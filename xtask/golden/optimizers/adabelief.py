"""Golden values of `adabelief` from timm's `AdaBelief` without rectification."""

from timm.optim import AdaBelief

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


def adabelief(lr, **options):
    return lambda parameters: AdaBelief(parameters, lr=lr, rectify=False, foreach=False, **options)


golden = Golden("adabelief", "timm.optim.AdaBelief, rectify=False", packages=("torch", "timm"))
moments = torch_state("exp_avg", "exp_avg_var")
largest = torch_state("exp_avg", "exp_avg_var", "max_exp_avg_var")
plain = "adabelief(0.02)"
golden.case(plain, adabelief(0.02), 0.02, state=moments)
golden.case("adabelief(0.02, beta1=0.7)", adabelief(0.02, betas=(0.7, 0.999)), 0.02, base=plain, state=moments)
golden.case("adabelief(0.02, beta2=0.8)", adabelief(0.02, betas=(0.9, 0.8)), 0.02, base=plain, state=moments)
golden.case("adabelief(0.02, eps=0.01)", adabelief(0.02, eps=0.01), 0.02, base=plain, state=moments)
golden.case("adabelief(0.02, weight_decay=0.3)", adabelief(0.02, weight_decay=0.3), 0.02, base=plain, state=moments)
golden.case(plain, adabelief(0.02), 0.02, base=plain, state=moments, schedule=change_weight_decay)
golden.case(
    "adabelief(0.02, beta2=0.8, amsgrad=true)", adabelief(0.02, betas=(0.9, 0.8), amsgrad=True), 0.02,
    base="adabelief(0.02, beta2=0.8)", state=largest,
)
golden.case(plain, adabelief(0.02), 0.02, base=plain, state=moments, schedule=cycle_momentum)
golden.cnn("adabelief(0.01, eps=1e-8)", adabelief(0.01, eps=1e-8), 0.01)
golden.write()
