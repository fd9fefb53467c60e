"""Golden values of `schedule_free_adamw` from Meta's `schedulefree.AdamWScheduleFree`."""

from schedulefree import AdamWScheduleFree

from harness import Golden, evaluation_mode, training_mode


def adamw(lr, **options):
    return training_mode(lambda parameters: AdamWScheduleFree(parameters, lr=lr, foreach=False, **options))


golden = Golden("schedule_free_adamw", "schedulefree.AdamWScheduleFree", packages=("torch", "schedulefree"))


def state(optimizer, parameter):
    return {name: optimizer.state[parameter][name] for name in ("z", "exp_avg_sq")}


def case(options, base=None, **given):
    spec = "schedule_free_adamw(" + ", ".join(["0.1", *options]) + ")"
    golden.case(spec, adamw(0.1, **given), 0.1, base=base, state=state, view=evaluation_mode)
    return spec


plain = case([])
case(["beta1=0.5"], plain, betas=(0.5, 0.999))
case(["beta2=0.8"], plain, betas=(0.9, 0.8))
case(["eps=0.1"], plain, eps=0.1)
case(["weight_decay=0.3"], plain, weight_decay=0.3)
case(["warmup_steps=20"], plain, warmup_steps=20)
case(["r=1.0"], plain, r=1.0)
warm = case(["warmup_steps=20", "r=0.5"], plain, warmup_steps=20, r=0.5)
case(["warmup_steps=20", "r=0.5", "weight_lr_power=0.0"], warm, warmup_steps=20, r=0.5, weight_lr_power=0.0)
golden.cnn("schedule_free_adamw(0.01)", adamw(0.01), 0.01)
golden.write()
