"""Golden values of `soap` from pytorch_optimizer's `SOAP`.

Its QR decomposition goes through float32; here `torch.linalg.qr` is given the float64 matrix. A matrix
keeps burn's layout, since the rule treats all dimensions alike. In the network, the linear layer's 16
rows are beyond `max_precondition_dim`: the first gradient spans three of them, and the basis of the
other thirteen would be any.
"""

import torch
from pytorch_optimizer import SOAP

from harness import Golden, change_weight_decay, cycle_momentum, torch_state


class InFloat64(SOAP):
    def get_orthogonal_matrix_qr(self, state, max_precondition_dim=10000, merge_dims=False):
        to = torch.Tensor.to
        torch.Tensor.to = lambda tensor, *types, **options: (
            tensor if types == (torch.float32,) else to(tensor, *types, **options)
        )
        try:
            return super().get_orthogonal_matrix_qr(state, max_precondition_dim, merge_dims)
        finally:
            torch.Tensor.to = to


def soap(lr, **options):
    return lambda parameters: InFloat64(parameters, lr=lr, **options)


golden = Golden("soap", "pytorch_optimizer.SOAP, its QR in float64", packages=("torch", "pytorch_optimizer"))
mean = torch_state("exp_avg")


def case(*arguments, **options):
    golden.case(
        *arguments, f32_tolerance=1e-4, why="bases turn by f32's rounding over the gap of two eigenvalues", **options,
    )



plain = "soap(0.02)"
case(plain, soap(0.02), 0.02, state=mean)
case("soap(0.02, beta1=0.7)", soap(0.02, betas=(0.7, 0.95)), 0.02, base=plain, state=mean)
case("soap(0.02, beta2=0.8)", soap(0.02, betas=(0.95, 0.8)), 0.02, base=plain, state=mean)
case("soap(0.02, shampoo_beta=0.3)", soap(0.02, shampoo_beta=0.3), 0.02, base=plain, state=mean)
case("soap(0.02, eps=0.1)", soap(0.02, eps=0.1), 0.02, base=plain, state=mean)
case("soap(0.02, weight_decay=0.3)", soap(0.02, weight_decay=0.3), 0.02, base=plain, state=mean)
case(
    "soap(0.02, precondition_frequency=3)", soap(0.02, precondition_frequency=3), 0.02, base=plain, state=mean,
)
case(
    "soap(0.02, max_precondition_dim=2)", soap(0.02, max_precondition_dim=2), 0.02, base=plain, state=mean,
)
case("soap(0.02, correct_bias=false)", soap(0.02, correct_bias=False), 0.02, base=plain, state=mean)
case(
    "soap(0.02, normalize_gradient=true)", soap(0.02, normalize_gradient=True), 0.02, base=plain, state=mean,
)
case(plain, soap(0.02), 0.02, base=plain, state=mean, schedule=change_weight_decay)
case(plain, soap(0.02), 0.02, base=plain, state=mean, schedule=cycle_momentum)
golden.cnn("soap(0.01, max_precondition_dim=8)", soap(0.01, max_precondition_dim=8), 0.01)
golden.write()
