//! `momentum`: gradient descent with momentum, in both forms that are in use.
//!
//! ```text
//! g ← gradient + weight_decay · θ
//! form = lr_outside      v ← momentum · v + g          θ ← θ - lr · v
//! form = lr_inside       v ← momentum · v - lr · g     θ ← θ + v
//! ```
//!
//! Sources: Polyak, "Some methods of speeding up the convergence of iteration methods", 1964;
//! `lr_outside` is PyTorch's `torch.optim.SGD(momentum)` (and `sgd(momentum)` here), `lr_inside` is
//! Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013,
//! equations 1 and 2, and Keras' `SGD(momentum)`.
//!
//! At a constant learning rate both give the same values to rounding, and the velocity of
//! `lr_inside` is `-lr` times the other. They differ when the rate changes: outside, the new rate
//! scales all that the velocity has gathered; inside, every gradient keeps the rate of its own step,
//! so a drop of the rate is felt only as old gradients fade.
//!
//! Differs from burn's: burn has the first form only, with dampening 0.1 by default.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::penalized;

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Momentum {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the velocity that is kept at each step.
    pub momentum: f64,
    /// Where the learning rate meets the gradient.
    pub form: Form,
    /// L2 penalty: adds `weight_decay · θ` to the gradient.
    pub weight_decay: f64,
}

/// Where the learning rate meets the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// When the velocity is applied: PyTorch's.
    LrOutside,
    /// When the gradient joins the velocity: Sutskever's, Keras'.
    LrInside,
}

impl Default for Momentum {
    fn default() -> Self {
        Self {
            lr: 1e-2,
            momentum: 0.9,
            form: Form::LrOutside,
            weight_decay: 0.0,
        }
    }
}

impl Momentum {
    /// The two forms keep velocities of different scales, so that neither resumes the other.
    fn kept(&self) -> &'static [&'static str] {
        match self.form {
            Form::LrOutside => &["momentum_buffer"],
            Form::LrInside => &["velocity"],
        }
    }
}

impl Configure for Momentum {
    const ABOUT: About = About {
        name: "momentum",
        aliases: &["heavy_ball"],
        summary: "SGD with momentum; the learning rate multiplies the velocity, or each gradient that enters it",
        source: "Polyak 1964; Sutskever et al. 2013, ICML, equations 1 and 2",
        fields: &[
            Field::LR,
            Field::new("momentum", Range::Share).lecture("0.9 or 0.99"),
            Field::new("form", Range::Choice(&["lr_outside", "lr_inside"])).lecture("both"),
            Field::WEIGHT_DECAY,
        ],
        cost: "one pass over the parameters",
    };
}

impl Rule for Momentum {
    fn state(&self) -> StateNames {
        StateNames::tensors(self.kept())
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        elementwise(tensors, self.kept(), |one| {
            let (take, rate) = match self.form {
                Form::LrOutside => (1.0, -one.now.lr),
                Form::LrInside => (-one.now.lr, 1.0),
            };
            Velocity {
                decay: one.now.weight_decay(self.weight_decay),
                keep: one.now.momentum(self.momentum),
                take,
                rate,
            }
        })
    }
}

/// One step of one element.
#[derive(Debug, Clone, Copy)]
struct Velocity {
    decay: f64,
    /// Share of the velocity that is kept, and what the gradient joins it with.
    keep: f64,
    take: f64,
    /// What the velocity is applied with.
    rate: f64,
}

impl Formula<2, 1> for Velocity {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, velocity]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
        let gradient = penalized(gradient, &value, self.decay);
        let velocity = velocity * self.keep + gradient * self.take;
        [value + velocity.clone() * self.rate, velocity]
    }
}

#[cfg(test)]
mod tests {
    use firebrick_core::update::Update;

    use super::*;
    use crate::about::Optimize;
    use crate::rule::tests::{assert_near, descend, descend_at, kept};

    fn form(form: Form) -> Box<dyn Update> {
        let momentum = Momentum {
            momentum: 0.5,
            form,
            ..Momentum::default()
        };
        momentum.build().unwrap()
    }

    #[test]
    fn two_steps_by_hand() {
        // v = 1, θ = 0.9; v = 0.5 - 2 = -1.5, θ = 0.9 + 0.15.
        let (values, state) = descend(form(Form::LrOutside), 0.1, &[1.0, -2.0]);
        assert_near(&values, &[0.9, 1.05]);
        assert_near(&[kept(&state, "momentum_buffer")], &[-1.5]);
        let (values, state) = descend(form(Form::LrInside), 0.1, &[1.0, -2.0]);
        assert_near(&values, &[0.9, 1.05]);
        assert_near(&[kept(&state, "velocity")], &[0.15]);
    }

    #[test]
    fn the_penalty_joins_the_gradient() {
        let momentum = Momentum {
            momentum: 0.5,
            weight_decay: 1.0,
            ..Momentum::default()
        };
        // v = 1 + 1 = 2, θ = 0.8; v = 1 - 2 + 0.8 = -0.2, θ = 0.82.
        let (values, _) = descend(momentum.build().unwrap(), 0.1, &[1.0, -2.0]);
        assert_near(&values, &[0.8, 0.82]);
    }

    #[test]
    fn the_forms_agree_until_the_rate_changes() {
        let gradients = [1.0, -2.0, 0.5, 3.0, -1.0];
        let run = |which, rates: [f64; 5]| descend_at(form(which), &rates, &gradients).0;
        let constant = [0.1; 5];
        assert_near(
            &run(Form::LrOutside, constant),
            &run(Form::LrInside, constant),
        );
        let dropped = [0.1, 0.1, 0.01, 0.01, 0.01];
        let (outside, inside) = (run(Form::LrOutside, dropped), run(Form::LrInside, dropped));
        assert_near(&outside[..2], &inside[..2]);
        // The velocity is -1.5 when the rate drops: 0.01 · (-0.75 + 0.5) or -0.075 + 0.01 · 0.5.
        assert_near(&[outside[2] - outside[1]], &[0.0025]);
        assert_near(&[inside[2] - inside[1]], &[0.07]);
    }
}
