"""Golden values of `schedule_free_sgd` from Meta's `schedulefree.SGDScheduleFree`."""

from schedulefree import SGDScheduleFree

from harness import Golden, evaluation_mode, training_mode


def sgd(lr, **options):
    return training_mode(lambda parameters: SGDScheduleFree(parameters, lr=lr, foreach=False, **options))


golden = Golden("schedule_free_sgd", "schedulefree.SGDScheduleFree", packages=("torch", "schedulefree"))


def z(optimizer, parameter):
    return {"z": optimizer.state[parameter]["z"]}


def case(options, base=None, **given):
    spec = "schedule_free_sgd(" + ", ".join(["0.3", *options]) + ")"
    golden.case(spec, sgd(0.3, **given), 0.3, base=base, state=z, view=evaluation_mode)
    return spec


plain = case([])
case(["momentum=0.7"], plain, momentum=0.7)
case(["weight_decay=0.1"], plain, weight_decay=0.1)
case(["warmup_steps=20"], plain, warmup_steps=20)
case(["r=1.0"], plain, r=1.0)
warm = case(["warmup_steps=20", "r=0.5"], plain, warmup_steps=20, r=0.5)
case(["warmup_steps=20", "r=0.5", "weight_lr_power=0.0"], warm, warmup_steps=20, r=0.5, weight_lr_power=0.0)
golden.cnn("schedule_free_sgd(0.5)", sgd(0.5), 0.5)
golden.write()
