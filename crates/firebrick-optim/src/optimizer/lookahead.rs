//! `lookahead`: wraps another optimizer: slow weights follow its fast ones.
//!
//! ```text
//! θ ← a step of base
//! every k steps:
//!   φ ← φ + alpha · (θ - φ)      φ begins as the θ before the first step
//!   θ ← φ
//! ```
//!
//! Source: Zhang et al., "Lookahead Optimizer: k steps forward, 1 step back", NeurIPS 2019, algorithm
//! 1. Reference: pytorch_optimizer's `Lookahead` with `pullback_momentum="none"`.
//!
//! Differs from timm's, whose slow weights begin as the fast ones of step k, so that its first
//! synchronization does nothing. The fast weights are evaluated, as in timm; the paper evaluates the
//! slow ones. Parameters that a step leaves alone are left out of its synchronization.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use firebrick_core::ConfigError;
use firebrick_core::kernels::step::{Tensors, apply};
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::spec::Spec;
use firebrick_core::update::{Reevaluate, Step, Update, UpdateError, UpdateState};
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real};
use crate::wrapper::{Wrapped, Wrapper, Wrapping};

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lookahead {
    /// Steps between two synchronizations.
    pub k: u64,
    /// Share of the way from the slow weights to the fast ones.
    pub alpha: f64,
    /// The optimizer of the fast weights.
    pub base: Spec,
}

impl Default for Lookahead {
    fn default() -> Self {
        Self {
            k: 5,
            alpha: 0.5,
            base: Spec::new("adam"),
        }
    }
}

impl Configure for Lookahead {
    const ABOUT: About = About {
        name: "lookahead",
        aliases: &[],
        summary: "wraps another optimizer: every k updates, slow weights move part of the way to its weights",
        source: "Zhang et al. 2019, arXiv:1907.08610, algorithm 1",
        fields: &[
            Field::new("k", Range::Count(1)),
            Field::new("alpha", Range::Within(0.0, 1.0)),
            Field::new("base", Range::Unit("optimizer")),
        ],
        cost: "that of the inner optimizer, and one pass every k steps",
    };
}

impl Wrapping for Lookahead {
    fn base(&self) -> &Spec {
        &self.base
    }

    fn around(&self, base: Box<dyn Update>) -> Result<Box<dyn Update>, ConfigError> {
        let follow = Follow::new(self.k, self.alpha, &*base);
        Wrapped::build(Self::ABOUT.name, follow, base)
    }

    fn own_memory(&self, shape: &[usize]) -> usize {
        shape.iter().product()
    }
}

#[derive(Debug, Clone)]
struct Follow {
    k: u64,
    alpha: f64,
    /// Names in the state that no optimizer inside uses, also where that is such a wrapper.
    slow_name: String,
    step_name: String,
    steps: u64,
    slow: BTreeMap<String, Tensor<1>>,
}

impl Follow {
    fn new(k: u64, alpha: f64, base: &dyn Update) -> Self {
        let inside = base.name().matches("lookahead(").count();
        let suffix = if inside == 0 {
            String::new()
        } else {
            format!("_{inside}")
        };
        Self {
            k,
            alpha,
            slow_name: format!("slow{suffix}"),
            step_name: format!("lookahead_step{suffix}"),
            steps: 0,
            slow: BTreeMap::new(),
        }
    }

    /// Takes the own part out of a state: steps and slow weights.
    fn own(
        &self,
        state: &mut UpdateState,
        paths: &[String],
    ) -> Result<(u64, BTreeMap<String, Tensor<1>>), String> {
        let Some(steps) = state.numbers.remove(&self.step_name) else {
            return Err(format!("the {} of lookahead is missing", self.step_name));
        };
        if !(steps >= 0.0 && steps.fract() == 0.0) {
            return Err(format!("its {} is {steps}", self.step_name));
        }
        let mut slow = BTreeMap::new();
        for (path, state) in &mut state.parameters {
            match state.tensors.remove(&self.slow_name) {
                Some(_) if !paths.contains(path) => {
                    return Err(format!(
                        "it has state for `{path}`, which is not a parameter of the model"
                    ));
                }
                Some(tensor) => {
                    slow.insert(path.clone(), tensor);
                }
                None if state.tensors.is_empty() && state.numbers.is_empty() => {}
                None => {
                    return Err(format!(
                        "`{path}` has no {}, which lookahead keeps",
                        self.slow_name
                    ));
                }
            }
        }
        // Entries that were made for the slow weights alone.
        state.parameters.retain(|path, state| {
            !(slow.contains_key(path) && state.tensors.is_empty() && state.numbers.is_empty())
        });
        Ok((steps as u64, slow))
    }
}

impl Wrapper for Follow {
    fn step(
        &mut self,
        base: &mut dyn Update,
        step: &Step<'_>,
        parameters: Parameters,
        gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let mut begin = Vec::new();
        let mut stepped = Vec::with_capacity(parameters.0.len());
        for (index, parameter) in parameters.0.iter().enumerate() {
            let gradient = gradients.0.get(index).is_some_and(Option::is_some);
            let steps = gradient && step.group(index).lr != 0.0;
            stepped.push(steps);
            match self.slow.get(&parameter.path) {
                Some(slow) if slow.dims() != parameter.value.dims() => {
                    return Err(UpdateError::State(format!(
                        "`{}` has {} elements, but its {} has {}",
                        parameter.path,
                        parameter.value.dims()[0],
                        self.slow_name,
                        slow.dims()[0]
                    )));
                }
                None if steps => begin.push((parameter.path.clone(), parameter.value.clone())),
                _ => {}
            }
        }
        let Parameters(mut parameters) = base.step(step, parameters, gradients, reevaluate)?;
        self.slow.extend(begin);
        self.steps += 1;
        if !self.steps.is_multiple_of(self.k) {
            return Ok(Parameters(parameters));
        }
        let mut pairs = Vec::new();
        for parameter in parameters
            .iter_mut()
            .zip(stepped)
            .filter_map(|(parameter, stepped)| stepped.then_some(parameter))
        {
            if let Some(slow) = self.slow.remove(&parameter.path) {
                let empty = Tensor::empty([0], &parameter.value.device());
                let value = std::mem::replace(&mut parameter.value, empty);
                let synchronize = Tensors {
                    formula: Synchronize(self.alpha),
                    written: [value, slow],
                    read: [],
                };
                pairs.push((parameter, synchronize));
            }
        }
        let (places, pairs): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        for (parameter, [value, slow]) in places.into_iter().zip(apply(pairs)) {
            parameter.value = value;
            self.slow.insert(parameter.path.clone(), slow);
        }
        Ok(Parameters(parameters))
    }

    fn save(&self, state: &mut UpdateState) {
        state
            .numbers
            .insert(self.step_name.clone(), self.steps as f64);
        for (path, slow) in &self.slow {
            let parameter = state.parameters.entry(path.clone()).or_default();
            parameter
                .tensors
                .insert(self.slow_name.clone(), slow.clone());
        }
    }

    fn load(
        self,
        state: &mut UpdateState,
        paths: &[String],
        device: &Device,
    ) -> Result<Self, UpdateError> {
        let (steps, slow) = self.own(state, paths).map_err(UpdateError::State)?;
        let device = device.clone().without_autodiff();
        let moved = |tensor: Tensor<1>| tensor.without_autodiff().to_device(&device);
        let slow = slow.into_iter();
        Ok(Self {
            steps,
            slow: slow.map(|(path, tensor)| (path, moved(tensor))).collect(),
            ..self
        })
    }
}

/// Slow weights a share of the way to the fast ones, and the fast ones back to them.
#[derive(Debug, Clone, Copy)]
struct Synchronize(f64);

impl Formula<2, 0> for Synchronize {
    #[inline(always)]
    fn apply<R: Real>(&self, [fast, slow]: [R; 2], []: [R; 0]) -> [R; 2] {
        let slow = slow.clone() + (fast - slow) * self.0;
        [slow.clone(), slow]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::tests::{assert_near, descend};

    fn update(spec: &str) -> Box<dyn Update> {
        crate::optimizer::build(&spec.parse().unwrap())
            .unwrap()
            .update
    }

    #[test]
    fn every_second_step_goes_back_a_quarter_of_the_way() {
        // 1, 0.9, then fast 0.7: slow 1 + 0.75 · (0.7 - 1) = 0.775; then 0.675; then fast 0.575,
        // slow 0.775 + 0.75 · (0.575 - 0.775) = 0.625.
        let gradients = [1.0, 2.0, 1.0, 1.0];
        let (values, state) = descend(update("lookahead(2, 0.75, base=sgd)"), 0.1, &gradients);
        assert_near(&values, &[0.9, 0.775, 0.675, 0.625]);
        assert_near(&[crate::rule::tests::kept(&state, "slow")], &[0.625]);
    }

    #[test]
    fn wrapped_twice_both_keep_their_own() {
        let spec = "lookahead(2, 0.5, base=lookahead(1, 0.5, base=sgd))";
        // Inside, each step goes half its way: 0.95; 0.85. Outside: 1 + 0.5 · (0.85 - 1).
        let (values, state) = descend(update(spec), 0.1, &[1.0, 2.0]);
        assert_near(&values, &[0.95, 0.925]);
        let names: Vec<_> = state.tensors.keys().collect();
        assert_eq!(names, ["slow", "slow_1"]);
        assert_eq!(update(spec).name(), "lookahead(lookahead(sgd))");
    }

    #[test]
    fn a_state_of_the_base_alone_is_refused() {
        let mut wrapper = update("lookahead(base=sgd)");
        let device = firebrick_core::device("flex").unwrap();
        let refused = wrapper.load_state(update("sgd").state(), &[], &device);
        let error = refused.unwrap_err().to_string();
        assert!(
            error.contains("it was written by sgd, but the optimizer is lookahead(sgd)"),
            "{error}"
        );
        let fresh = wrapper.state();
        wrapper.load_state(fresh, &["p".into()], &device).unwrap();
    }

    #[test]
    fn mistakes_inside_are_named() {
        for (spec, needle) in [
            ("lookahead(k=0)", "lookahead: k = 0"),
            ("lookahead(alpha=1.5)", "lookahead: alpha = 1.5"),
            ("lookahead(base=adm)", "`adm`"),
            ("lookahead(base=adam(beta1=1.0))", "adam: beta1 = 1"),
        ] {
            let error = crate::optimizer::build(&spec.parse().unwrap());
            let error = error.err().unwrap().to_string();
            assert!(error.contains(needle), "{spec}: {error}");
        }
    }
}
