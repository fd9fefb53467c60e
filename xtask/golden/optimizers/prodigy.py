"""Golden values of `prodigy` from the authors' `prodigyopt.Prodigy`."""

from prodigyopt import Prodigy

from harness import Golden, cycle_momentum, torch_state

WHY = "d grows from differences θ₀ - θ that f32 rounds at 6e-8 of θ"


def prodigy(lr, **options):
    return lambda parameters: Prodigy(parameters, lr=lr, **options)


golden = Golden("prodigy", "prodigyopt.Prodigy", packages=("torch", "prodigyopt"))
state = torch_state("exp_avg", "exp_avg_sq", "s")


def flat_state(optimizer, parameter):
    return {name: one.reshape(-1) for name, one in state(optimizer, parameter).items()}


def case(options, base=None, lr=1.0, schedule=None, **given):
    """All from d0 = 0.01, but for the case of the default."""
    spec = "prodigy(" + ", ".join([str(lr), "d0=0.01", *options]) + ")"
    golden.case(
        spec, prodigy(lr, d0=0.01, **given), lr, base=base, state=flat_state, schedule=schedule,
        f32_tolerance=2e-4, why=WHY,
    )
    return spec


plain = case([])
golden.case(
    "prodigy(1.0)", prodigy(1.0), 1.0, base=plain, state=flat_state, f32_tolerance=2e-2, why=WHY,
)
case([], plain, lr=0.5)
case(["beta1=0.5"], plain, betas=(0.5, 0.999))
case(["beta2=0.9"], plain, betas=(0.9, 0.9))
case(["beta3=0.9"], plain, beta3=0.9)
case(["eps=1.0"], plain, eps=1.0)
case(["weight_decay=0.3"], plain, weight_decay=0.3)
case(["weight_decay=0.3", "decouple=false"], plain, weight_decay=0.3, decouple=False)
case(["use_bias_correction=true"], plain, use_bias_correction=True)
case(["use_bias_correction=true", "safeguard_warmup=true"], plain, use_bias_correction=True, safeguard_warmup=True)
case(["d_coef=2.0"], plain, d_coef=2.0)
case(["growth_rate=1.02"], plain, growth_rate=1.02)
case([], plain, schedule=cycle_momentum)
golden.cnn("prodigy(1.0, d_coef=0.5)", prodigy(1.0, d_coef=0.5), 1.0)
golden.write()
