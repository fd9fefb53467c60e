//! `nesterov`: Nesterov's momentum, in its original form and in the reformulated one.
//!
//! ```text
//! form = lookahead         p ← θ + momentum · v
//!                          v ← momentum · v - lr · (∇f(p) + weight_decay · p)
//!                          θ ← θ + v
//! form = reformulated      g ← ∇f(φ) + weight_decay · φ
//!                          v ← momentum · v - lr · g
//!                          φ ← φ + momentum · v - lr · g
//! ```
//!
//! `lookahead` takes the gradient where the velocity is about to lead; the loop evaluates the batch
//! there (see [`Update::gradient_point`](firebrick_core::update::Update::gradient_point)), once for each step. `reformulated` keeps `φ = θ + momentum · v`
//! in place of `θ`, so that ordinary gradients do. From `v = 0`, its `φ` is the `p` of `lookahead`
//! as long as the momentum is constant, whatever the learning rate; `φ` is also what is evaluated and
//! saved.
//!
//! The third form is PyTorch's, `sgd(nesterov=true)`: `b ← momentum · b + g`,
//! `φ ← φ - lr · (g + momentum · b)`. It is the reformulated one with `v = -lr · b`, so it gives the same
//! values at a constant learning rate, and others when the rate changes (see `momentum`).
//!
//! Sources: Nesterov 1983; Sutskever et al., "On the importance of initialization and momentum in
//! deep learning", ICML 2013, equations 3 and 4 (`lookahead`); Bengio et al., "Advances in Optimizing
//! Recurrent Networks", 2012, equations 6 and 7, Keras' `SGD(nesterov)` (`reformulated`).
//!
//! Differs from burn's: burn has PyTorch's form only.

use burn::tensor::Tensor;
use firebrick_core::update::ParameterState;
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Moment, Real, Rule, StateNames, Stepping, elementwise};
use crate::weight_decay::penalized;

const VELOCITY: &str = "velocity";

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nesterov {
    /// Base learning rate; [`crate::plan()`] hands it to the schedule.
    pub lr: f64,
    /// Share of the velocity that is kept at each step.
    pub momentum: f64,
    /// Which of the two points the parameters are.
    pub form: Form,
    /// L2 penalty, at the point of the gradient.
    pub weight_decay: f64,
}

/// Which point the parameters are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Where the steps lead; the gradient is taken ahead of it.
    Lookahead,
    /// Where the gradient is taken.
    Reformulated,
}

impl Default for Nesterov {
    fn default() -> Self {
        Self {
            lr: 1e-2,
            momentum: 0.9,
            form: Form::Lookahead,
            weight_decay: 0.0,
        }
    }
}

impl Configure for Nesterov {
    const ABOUT: About = About {
        name: "nesterov",
        aliases: &["nag"],
        summary: "SGD with Nesterov momentum: the gradient is taken at the look-ahead point",
        source: "Nesterov 1983; Sutskever et al. 2013, ICML, equations 3 and 4",
        fields: &[
            Field::LR,
            Field::new("momentum", Range::Share).lecture("0.9 or 0.99"),
            Field::new("form", Range::Choice(&["lookahead", "reformulated"])).lecture("both"),
            Field::WEIGHT_DECAY,
        ],
        cost: "one pass; lookahead: one more to go to the point of the gradient",
    };
}

impl Rule for Nesterov {
    fn state(&self) -> StateNames {
        StateNames::tensors(&[VELOCITY])
    }

    fn gradient_point(
        &self,
        value: &Tensor<1>,
        state: &ParameterState,
        now: Moment,
    ) -> Option<Tensor<1>> {
        let velocity = state.tensors.get(VELOCITY)?.clone();
        let momentum = now.momentum(self.momentum);
        (self.form == Form::Lookahead).then(|| value.clone() + velocity * momentum)
    }

    fn step(&self, tensors: Vec<Stepping<'_>>) -> Vec<Tensor<1>> {
        let ahead = |one: &Stepping<'_>| Ahead {
            lr: one.now.lr,
            momentum: one.now.momentum(self.momentum),
            decay: one.now.weight_decay(self.weight_decay),
        };
        match self.form {
            Form::Lookahead => elementwise(tensors, &[VELOCITY], ahead),
            Form::Reformulated => elementwise(tensors, &[VELOCITY], |one| Reformulated(ahead(one))),
        }
    }
}

/// One step of one element, the gradient being that of the point ahead.
#[derive(Debug, Clone, Copy)]
struct Ahead {
    lr: f64,
    momentum: f64,
    decay: f64,
}

impl Formula<2, 1> for Ahead {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, velocity]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
        let kept = velocity * self.momentum;
        let gradient = if self.decay == 0.0 {
            gradient
        } else {
            gradient + (value.clone() + kept.clone()) * self.decay
        };
        let velocity = kept + gradient * -self.lr;
        [value + velocity.clone(), velocity]
    }
}

/// One step of one element, the gradient being its own.
#[derive(Debug, Clone, Copy)]
struct Reformulated(Ahead);

impl Formula<2, 1> for Reformulated {
    #[inline(always)]
    fn apply<R: Real>(&self, [value, velocity]: [R; 2], [gradient]: [R; 1]) -> [R; 2] {
        let Ahead {
            lr,
            momentum,
            decay,
        } = self.0;
        let pull = penalized(gradient, &value, decay) * -lr;
        let velocity = velocity * momentum + pull.clone();
        [value + velocity.clone() * momentum + pull, velocity]
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, TensorData};
    use firebrick_core::parameters::{Gradients, Parameter, Parameters};
    use firebrick_core::update::Step;

    use super::*;
    use crate::about::Optimize;
    use crate::optimizer::sgd::Sgd;
    use crate::rule::tests::{assert_near, descend, kept};

    const HALF: Nesterov = Nesterov {
        lr: 0.1,
        momentum: 0.5,
        form: Form::Lookahead,
        weight_decay: 0.0,
    };

    #[test]
    fn two_steps_by_hand() {
        // v = -0.1, θ = 0.9; v = -0.05 + 0.2 = 0.15, θ = 1.05.
        let (values, state) = descend(HALF.build().unwrap(), 0.1, &[1.0, -2.0]);
        assert_near(&values, &[0.9, 1.05]);
        assert_near(&[kept(&state, VELOCITY)], &[0.15]);
        // φ = 1 - 0.05 - 0.1 = 0.85; φ = 0.85 + 0.075 + 0.2 = 1.125.
        let reformulated = Nesterov {
            form: Form::Reformulated,
            ..HALF
        };
        let (values, state) = descend(reformulated.build().unwrap(), 0.1, &[1.0, -2.0]);
        assert_near(&values, &[0.85, 1.125]);
        assert_near(&[kept(&state, VELOCITY)], &[0.15]);
    }

    #[test]
    fn the_penalty_is_that_of_the_point_ahead() {
        let decayed = Nesterov {
            weight_decay: 1.0,
            ..HALF
        };
        // v = -0.1 · 2, θ = 0.8; p = 0.7; v = -0.1 - 0.1 · (-2 + 0.7) = 0.03.
        let (values, _) = descend(decayed.build().unwrap(), 0.1, &[1.0, -2.0]);
        assert_near(&values, &[0.8, 0.83]);
    }

    /// The points of descent on a bowl with a bent floor from (1, -0.5, 2), and those at which the
    /// gradients are taken. The rate and the momentum are those of each step.
    fn follow(
        config: &impl Optimize,
        moments: &[(f64, Option<f64>)],
    ) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
        let device = firebrick_core::device("flex").unwrap();
        let tensor = |values: &[f64]| {
            let data = TensorData::new(values.to_vec(), [values.len()]);
            Tensor::<1>::from_data(data, (&device, DType::F64))
        };
        let read =
            |all: &Parameters| -> Vec<f64> { all.0[0].value.to_data().iter::<f64>().collect() };
        let mut update = config.build().unwrap();
        let mut parameters = Parameters(vec![Parameter {
            path: "p".into(),
            shape: vec![3],
            value: tensor(&[1.0, -0.5, 2.0]),
        }]);
        let (mut reached, mut ahead) = (Vec::new(), Vec::new());
        for (index, &(lr, momentum)) in moments.iter().enumerate() {
            let step = Step {
                momentum,
                ..Step::new(index as u64, lr)
            };
            let point = update.gradient_point(&step, &parameters);
            let at = read(point.as_ref().unwrap_or(&parameters));
            let slopes: Vec<_> = at
                .iter()
                .enumerate()
                .map(|(i, x)| (1 + i) as f64 * x + x.sin())
                .collect();
            let gradients = Gradients(vec![Some(tensor(&slopes))]);
            reached.push(read(&parameters));
            ahead.push(at);
            let mut no_search = |_: &Parameters| panic!("no search");
            parameters = update
                .step(&step, parameters, gradients, &mut no_search)
                .unwrap();
        }
        (reached, ahead)
    }

    fn distance(one: &[Vec<f64>], other: &[Vec<f64>]) -> f64 {
        let pairs = one.iter().flatten().zip(other.iter().flatten());
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn the_reformulated_iterate_is_the_point_looked_ahead_to() {
        let nesterov = |form| Nesterov {
            momentum: 0.9,
            form,
            weight_decay: 0.1,
            ..HALF
        };
        let constant = vec![(0.05, None); 40];
        let falling: Vec<_> = (0..40).map(|k| (0.05 * 0.9_f64.powi(k), None)).collect();
        for moments in [&constant, &falling] {
            let (theta, ahead) = follow(&nesterov(Form::Lookahead), moments);
            let (phi, own) = follow(&nesterov(Form::Reformulated), moments);
            assert_eq!(phi, own);
            assert!(distance(&phi, &ahead) < 1e-12);
            assert!(distance(&theta, &ahead) > 0.1);
        }
        // The momentum has to stay what it is.
        let bent: Vec<_> = (0..40)
            .map(|k| (0.05, Some(0.5 + 0.01 * f64::from(k))))
            .collect();
        let (_, ahead) = follow(&nesterov(Form::Lookahead), &bent);
        let (phi, _) = follow(&nesterov(Form::Reformulated), &bent);
        assert!(distance(&phi, &ahead) > 1e-4);
    }

    #[test]
    fn pytorchs_form_is_the_reformulated_one_at_a_constant_rate() {
        let reformulated = Nesterov {
            momentum: 0.9,
            form: Form::Reformulated,
            ..HALF
        };
        let sgd = Sgd {
            momentum: 0.9,
            nesterov: true,
            ..Sgd::default()
        };
        let constant = vec![(0.05, None); 40];
        let falling: Vec<_> = (0..40).map(|k| (0.05 * 0.9_f64.powi(k), None)).collect();
        let apart = |moments| distance(&follow(&reformulated, moments).0, &follow(&sgd, moments).0);
        assert!(apart(&constant) < 1e-12);
        assert!(apart(&falling) > 1e-3);
    }

    #[test]
    fn what_is_left_alone_is_not_looked_ahead_of() {
        let device = firebrick_core::device("flex").unwrap();
        let one = || Tensor::<1>::ones([1], &device);
        let parameter = |path: &str| Parameter {
            path: path.into(),
            shape: vec![1],
            value: one(),
        };
        let both = Parameters(vec![parameter("a"), parameter("b")]);
        let mut update = HALF.build().unwrap();
        assert!(update.gradient_point(&Step::new(0, 0.1), &both).is_none());
        let gradients = Gradients(vec![Some(one()), Some(one())]);
        let mut no_search = |_: &Parameters| panic!("no search");
        let both = update
            .step(&Step::new(0, 0.1), both, gradients, &mut no_search)
            .unwrap();
        let groups = [0.0, 1.0].map(|lr| firebrick_core::update::GroupFactors {
            lr,
            weight_decay: 1.0,
        });
        let step = Step {
            groups: &groups,
            ..Step::new(1, 0.1)
        };
        let point = update.gradient_point(&step, &both).unwrap();
        let at = |index: usize| f64::from(point.0[index].value.clone().into_scalar::<f32>());
        assert!((at(0) - 0.9).abs() < 1e-6);
        assert!((at(1) - 0.85).abs() < 1e-6);
    }
}
