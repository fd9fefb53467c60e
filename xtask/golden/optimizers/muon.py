"""Golden values of `muon` by the formula of `torch.optim.Muon`.

PyTorch runs the Newton-Schulz iteration in bfloat16, so the formula is written here in float64; matrices
are followed by `torch.optim.Muon` beside it for three steps, and have to agree to a fifth of their way:
bfloat16's rounding, which the iteration amplifies where a singular value is small. PyTorch takes
matrices `[out, in]` alone: burn's linear weight is transposed for it, and a kernel is the matrix
`[out, in * h * w]`, as in Jordan's code. Vectors go to `torch.optim.AdamW`.
"""

import math

import torch

from harness import Golden, change_weight_decay, cycle_momentum

COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def newton_schulz(update, coefficients, steps, eps):
    a, b, c = coefficients
    x = update.T if update.size(0) > update.size(1) else update
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if update.size(0) > update.size(1) else x


def scale(function, rows, columns):
    return {
        "original": math.sqrt(max(1, rows / columns)),
        "match_rms_adamw": 0.2 * math.sqrt(max(rows, columns)),
        "spectral_unclamped": math.sqrt(rows / columns),
    }[function]


def matrix(parameter):
    """As PyTorch takes it: `[out, in]`."""
    return parameter.T if parameter.dim() == 2 else parameter.flatten(1)


class Muon:
    def __init__(
        self, parameters, lr, weight_decay=0.1, momentum=0.95, nesterov=True, ns_coefficients=COEFFICIENTS,
        eps=1e-7, ns_steps=5, adjust_lr_fn="original", adam=None,
    ):
        self.matrices = [parameter for parameter in parameters if parameter.dim() > 1]
        vectors = [parameter for parameter in parameters if parameter.dim() < 2]
        ratio = (adam := dict(adam or {})).pop("ratio", 1.0)
        self.adamw = torch.optim.AdamW(vectors, **({"lr": lr * ratio, "weight_decay": 0.01} | adam), foreach=False)
        self.options = {"weight_decay": weight_decay, "momentum": momentum}
        self.fixed = (lr, nesterov, ns_coefficients, eps, ns_steps, adjust_lr_fn)
        self.param_groups = [self.options, *self.adamw.param_groups]
        self.buffers = {parameter: torch.zeros_like(matrix(parameter)) for parameter in self.matrices}
        # PyTorch's, from the same start.
        self.twins = [torch.nn.Parameter(matrix(parameter).detach().clone()) for parameter in self.matrices]
        self.reference = torch.optim.Muon(
            self.twins, lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov,
            ns_coefficients=ns_coefficients, eps=eps, ns_steps=ns_steps, adjust_lr_fn=adjust_lr_fn,
        )
        self.steps = 0

    def zero_grad(self):
        self.adamw.zero_grad()
        for parameter in self.matrices:
            parameter.grad = None

    @property
    def state(self):
        return {parameter: {"momentum_buffer": self.buffer(parameter)} for parameter in self.matrices} | dict(
            self.adamw.state
        )

    def buffer(self, parameter):
        buffer = self.buffers[parameter]
        return (buffer.T if parameter.dim() == 2 else buffer).contiguous()

    @torch.no_grad()
    def step(self):
        lr, nesterov, coefficients, eps, steps, adjust = self.fixed
        momentum, decay = self.options["momentum"], self.options["weight_decay"]
        for twin, parameter in zip(self.twins, self.matrices):
            twin.grad = matrix(parameter.grad).clone()
        self.reference.param_groups[0].update(self.options)
        if self.steps < 3:
            self.reference.step()
        self.steps += 1
        for parameter in self.matrices:
            gradient, buffer = matrix(parameter.grad), self.buffers[parameter]
            buffer.lerp_(gradient, 1 - momentum)
            update = gradient.lerp(buffer, momentum) if nesterov else buffer
            update = newton_schulz(update, coefficients, steps, eps) * lr * scale(adjust, *buffer.shape)
            parameter.mul_(1 - lr * decay)
            parameter.sub_((update.T if parameter.dim() == 2 else update).reshape(parameter.shape))
        if self.steps <= 3:
            for twin, parameter in zip(self.twins, self.matrices):
                apart = (twin - matrix(parameter)).norm() / (3 * lr * math.sqrt(min(twin.shape)) + 1e-12)
                assert apart < 0.2, f"PyTorch's Muon is {apart:.1e} of its steps away"
        self.adamw.step()


def muon(lr, **options):
    return lambda parameters: Muon(parameters, lr=lr, **options)


def state(optimizer, parameter):
    names = ("momentum_buffer",) if parameter.dim() > 1 else ("exp_avg", "exp_avg_sq")
    return {name: optimizer.state[parameter][name] for name in names}



golden = Golden("muon", "the formula of torch.optim.Muon in float64, torch.optim.AdamW for vectors")
plain = "muon(0.02)"
golden.case(plain, muon(0.02), 0.02, state=state)
for name, value in (("weight_decay", 1.0), ("momentum", 0.6), ("eps", 5.0), ("ns_steps", 3)):
    golden.case(f"muon(0.02, {name}={value})", muon(0.02, **{name: value}), 0.02, base=plain, state=state)
golden.case("muon(0.02, nesterov=false)", muon(0.02, nesterov=False), 0.02, base=plain, state=state)
golden.case(
    "muon(0.02, ns_coefficients=[2.0, -1.5, 0.5])", muon(0.02, ns_coefficients=(2.0, -1.5, 0.5)), 0.02,
    base=plain, state=state,
)
for function in ("match_rms_adamw", "spectral_unclamped"):
    golden.case(
        f"muon(0.02, adjust_lr_fn={function})", muon(0.02, adjust_lr_fn=function), 0.02, base=plain, state=state,
    )
for spec, adam in (
    ("adam_lr_ratio=0.5", {"ratio": 0.5}),
    ("adam_beta1=0.7", {"betas": (0.7, 0.999)}),
    ("adam_beta2=0.8", {"betas": (0.9, 0.8)}),
    ("adam_eps=0.1", {"eps": 0.1}),
    ("adam_weight_decay=0.5", {"weight_decay": 0.5}),
):
    golden.case(f"muon(0.02, {spec})", muon(0.02, adam=adam), 0.02, base=plain, state=state)
golden.case(plain, muon(0.02), 0.02, base=plain, state=state, schedule=change_weight_decay)
golden.case(plain, muon(0.02), 0.02, base=plain, state=state, schedule=cycle_momentum)
golden.cnn("muon(0.005)", muon(0.005), 0.005)
golden.write()
