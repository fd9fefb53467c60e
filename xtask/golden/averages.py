"""Golden values of averages of weights: PyTorch's AveragedModel and timm's ModelEmaV3 over one sequence of weights.

    python3 xtask/golden/averages.py

writes crates/firebrick-ensemble/tests/golden/averages.json. The weights after update k are a formula that the test
computes too. `swa` and `polyak` are AveragedModel's equal average, over the updates that the unit takes in; `ema` is
AveragedModel with get_ema_multi_avg_fn, and with warm-up timm's ModelEmaV3. `lawa` is the mean of the latest ones.
"""

import json
from importlib.metadata import version
from pathlib import Path

import torch
from timm.utils import ModelEmaV3
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

OUT = Path(__file__).parents[2] / "crates/firebrick-ensemble/tests/golden/averages.json"
UPDATES, PER_EPOCH = 40, 8


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(3, 2)


def weights(step):
    """The weight and bias after update `step`, in float32."""
    values = [((step * 31 + at * 17) % 101) / 50 - 1 + step / 20 for at in range(8)]
    return torch.tensor(values[:6]).reshape(2, 3), torch.tensor(values[6:])


def sequence(take):
    net = Net()
    for step in range(1, UPDATES + 1):
        with torch.no_grad():
            for parameter, value in zip(net.parameters(), weights(step)):
                parameter.copy_(value)
        take(net, step)


def flat(net):
    return [value for parameter in net.parameters() for value in parameter.reshape(-1).tolist()]


def averaged(taken, **arguments):
    model = AveragedModel(Net(), **arguments)
    sequence(lambda net, step: model.update_parameters(net) if taken(step) else None)
    return flat(model.module)


def timm_ema(start, every, **arguments):
    model = ModelEmaV3(Net(), update_after_step=start, foreach=False, **arguments)
    first = []

    def take(net, step):
        if step <= start or (step - start) % every:
            return
        # ModelEmaV3 starts from the weights that it was made with.
        if not first:
            model.set(net)
            first.append(step)
        else:
            model.update(net, step=step)

    sequence(take)
    return flat(model.module)


def lawa(k, taken):
    kept = []
    sequence(lambda net, step: kept.append(flat(net)) if taken(step) else None)
    return [sum(column) / len(column) for column in zip(*kept[-k:])]


def main():
    cases = {
        "swa(start=50%)": averaged(lambda step: step > 20 and (step - 20) % PER_EPOCH == 0),
        "swa(start=10, every=3)": averaged(lambda step: step > 10 and (step - 10) % 3 == 0),
        "polyak": averaged(lambda step: True),
        "polyak(start=75%)": averaged(lambda step: step > 30),
        "ema(0.9)": averaged(lambda step: True, multi_avg_fn=get_ema_multi_avg_fn(0.9)),
        "ema(0.99)": timm_ema(0, 1, decay=0.99),
        "ema(0.95, warmup=true)": timm_ema(0, 1, decay=0.95, use_warmup=True),
        "ema(0.95, warmup=true, gamma=3, power=0.75, start=5, every=2)": timm_ema(
            5, 2, decay=0.95, use_warmup=True, warmup_gamma=3, warmup_power=0.75
        ),
        "lawa(3)": lawa(3, lambda step: step % PER_EPOCH == 0),
        "lawa(4, start=3, every=5)": lawa(4, lambda step: step > 3 and (step - 3) % 5 == 0),
    }
    assert len({json.dumps(values) for values in cases.values()}) == len(cases)
    OUT.parent.mkdir(parents=True, exist_ok=True)
    versions = {name: version(name).split("+")[0] for name in ["torch", "timm"]}
    golden = {"generator": "xtask/golden/averages.py", **versions, "cases": cases}
    OUT.write_text(json.dumps(golden, indent=1) + "\n")


main()
