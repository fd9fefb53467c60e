//! `sam` and `asam`: sharpness-aware minimization. They wrap another optimizer and take its gradient where the loss
//! nearby is highest.
//!
//! ```text
//! g ← the batch's gradient at θ
//! e ← rho · T² g / ‖T g‖        T = 1 in sam,   |θ| + eta in asam
//! g ← the batch's gradient at θ + e
//! θ ← a step of base with g
//! ```
//!
//! The norm is joint over all parameters. Both evaluations see the same random draws, and batch-norm
//! statistics are counted once.
//!
//! Sources: Foret et al., "Sharpness-Aware Minimization for Efficiently Improving Generalization",
//! ICLR 2021, algorithm 1; Kwon et al., "ASAM: Adaptive Sharpness-Aware Minimization", ICML 2021,
//! algorithm 1. Reference: davda54's `SAM`, with `adaptive=True` for `asam(eta=0)`.
//!
//! Differs from davda54's and pytorch_optimizer's: there is an `eta`, whose default with that of
//! `rho` is the paper's. Differs from the authors' code of ASAM, where T = 1 for parameters that are
//! not called weight. Parameters whose group has learning rate 0 are not moved and not counted.

use firebrick_core::ConfigError;
use firebrick_core::kernels::step::{Tensors, apply};
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::spec::Spec;
use firebrick_core::update::{Reevaluate, Step, Update, UpdateError};
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Range};
use crate::rule::{Formula, Real};
use crate::wrapper::{Wrapped, Wrapper, Wrapping};

/// Added to the norm, as the references do.
const NORM_EPS: f64 = 1e-12;

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sam {
    /// How far the second evaluation lies from the parameters.
    pub rho: f64,
    /// The optimizer that steps.
    pub base: Spec,
}

impl Default for Sam {
    fn default() -> Self {
        Self {
            rho: 0.05,
            base: Spec::new("sgd"),
        }
    }
}

impl Configure for Sam {
    const ABOUT: About = About {
        name: "sam",
        aliases: &[],
        summary: "wraps another optimizer: sharpness-aware minimization, which takes the gradient where the loss nearby is highest",
        source: "Foret et al. 2021, arXiv:2010.01412, algorithm 1",
        fields: &[
            Field::new("rho", Range::NotNegative),
            Field::new("base", Range::Unit("optimizer")),
        ],
        cost: "that of the inner optimizer, a second evaluation of the batch, two passes",
    };
}

impl Wrapping for Sam {
    fn base(&self) -> &Spec {
        &self.base
    }

    fn around(&self, base: Box<dyn Update>) -> Result<Box<dyn Update>, ConfigError> {
        let (rho, eta) = (self.rho, None);
        Wrapped::build(Self::ABOUT.name, Perturbed { rho, eta }, base)
    }
}

/// The optimizer that moves each parameter in proportion to its size; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asam {
    /// How far the second evaluation lies from the parameters, relative to them.
    pub rho: f64,
    /// Added to the size of each parameter.
    pub eta: f64,
    /// The optimizer that steps.
    pub base: Spec,
}

impl Default for Asam {
    fn default() -> Self {
        Self {
            rho: 0.5,
            eta: 0.01,
            base: Spec::new("sgd"),
        }
    }
}

impl Configure for Asam {
    const ABOUT: About = About {
        name: "asam",
        aliases: &[],
        summary: "adaptive SAM: sam whose step to that point is relative to the size of each parameter",
        source: "Kwon et al. 2021, arXiv:2102.11600, algorithm 1",
        fields: &[
            Field::new("rho", Range::NotNegative),
            Field::new("eta", Range::NotNegative),
            Field::new("base", Range::Unit("optimizer")),
        ],
        cost: "that of the inner optimizer, a second evaluation of the batch, three passes",
    };
}

impl Wrapping for Asam {
    fn base(&self) -> &Spec {
        &self.base
    }

    fn around(&self, base: Box<dyn Update>) -> Result<Box<dyn Update>, ConfigError> {
        let (rho, eta) = (self.rho, Some(self.eta));
        Wrapped::build(Self::ABOUT.name, Perturbed { rho, eta }, base)
    }
}

#[derive(Debug, Clone)]
struct Perturbed {
    rho: f64,
    /// Of `asam`.
    eta: Option<f64>,
}

impl Perturbed {
    /// The point to evaluate again.
    fn point(&self, step: &Step<'_>, center: &Parameters, gradients: &Gradients) -> Parameters {
        let moves = |index: usize| step.group(index).lr != 0.0;
        let pairs = || {
            let all = center.0.iter().zip(&gradients.0).enumerate();
            all.filter(move |(index, _)| moves(*index))
                .filter_map(|(index, (one, gradient))| Some((index, one, gradient.as_ref()?)))
        };
        let sized = match self.eta {
            None => pairs().map(|(.., gradient)| gradient.clone()).collect(),
            Some(eta) => {
                let sized = pairs().map(|(_, one, gradient)| Tensors {
                    formula: Scaled { eta },
                    written: [gradient.clone()],
                    read: [one.value.clone()],
                });
                let sized = apply(sized.collect()).into_iter();
                sized.map(|[sized]| sized).collect::<Vec<_>>()
            }
        };
        let sized = Gradients(sized.into_iter().map(Some).collect());
        let distance = self.rho / (sized.norm() + NORM_EPS);
        let moved = pairs()
            .zip(sized.0.into_iter().flatten())
            .map(|((_, one, _), sized)| Tensors {
                formula: Climb {
                    distance,
                    eta: self.eta,
                },
                written: [one.value.clone()],
                read: [sized],
            });
        let moved = apply(moved.collect());
        let mut point = center.clone();
        for ((index, ..), [value]) in pairs().zip(moved) {
            point.0[index].value = value;
        }
        point
    }
}

impl Wrapper for Perturbed {
    const REEVALUATES: bool = true;

    fn step(
        &mut self,
        base: &mut dyn Update,
        step: &Step<'_>,
        parameters: Parameters,
        gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let ahead = base.gradient_point(step, &parameters);
        let center = ahead.as_ref().unwrap_or(&parameters);
        let point = self.point(step, center, &gradients);
        drop((ahead, gradients));
        let (loss, gradients) = reevaluate(&point)?;
        drop(point);
        if !loss.is_finite() {
            return Err(UpdateError::NotFinite {
                name: base.name().into(),
            });
        }
        base.step(step, parameters, gradients, reevaluate)
    }
}

/// T g
#[derive(Debug, Clone, Copy)]
struct Scaled {
    eta: f64,
}

impl Formula<1, 1> for Scaled {
    #[inline(always)]
    fn apply<R: Real>(&self, [gradient]: [R; 1], [value]: [R; 1]) -> [R; 1] {
        [gradient * (value.abs() + self.eta)]
    }
}

/// θ + distance · T (T g)
#[derive(Debug, Clone, Copy)]
struct Climb {
    distance: f64,
    eta: Option<f64>,
}

impl Formula<1, 1> for Climb {
    #[inline(always)]
    fn apply<R: Real>(&self, [value]: [R; 1], [sized]: [R; 1]) -> [R; 1] {
        let way = sized * self.distance;
        [match self.eta {
            None => value + way,
            Some(eta) => value.clone() + way * (value.abs() + eta),
        }]
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Tensor, TensorData};
    use firebrick_core::parameters::Parameter;
    use firebrick_core::update::GroupFactors;

    use super::*;
    use crate::about::Optimize;

    /// The norm has 1e-12 added.
    fn assert_near(found: &[f64], expected: &[f64]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-11, "{found} {expected}");
        }
    }

    fn tensor(values: &[f64]) -> Tensor<1> {
        let device = firebrick_core::device("flex").unwrap();
        Tensor::from_data(TensorData::from(values), (&device, DType::F64))
    }

    fn values(parameters: &Parameters) -> Vec<f64> {
        let tensors = parameters.0.iter();
        tensors
            .flat_map(|one| one.value.to_data().iter::<f64>().collect::<Vec<_>>())
            .collect()
    }

    /// One step from (1, -2) and 3 with the gradients (3, 0) and 4; gives the point of the second
    /// evaluation, where the gradient is the point itself, and the values after it.
    fn once(spec: &str, groups: &[GroupFactors]) -> (Vec<f64>, Vec<f64>) {
        let mut update = crate::optimizer::build(&spec.parse().unwrap())
            .unwrap()
            .update;
        let parameter = |path: &str, values: &[f64]| Parameter {
            path: path.into(),
            shape: vec![values.len()],
            value: tensor(values),
        };
        let parameters = Parameters(vec![parameter("a", &[1.0, -2.0]), parameter("b", &[3.0])]);
        let gradients = Gradients(vec![Some(tensor(&[3.0, 0.0])), Some(tensor(&[4.0]))]);
        let mut seen = Vec::new();
        let step = Step {
            groups,
            ..Step::new(0, 0.1)
        };
        let stepped = update.step(&step, parameters, gradients, &mut |point: &Parameters| {
            seen = values(point);
            let gradients = point.0.iter().map(|one| Some(one.value.clone()));
            Ok((1.0, Gradients(gradients.collect())))
        });
        (seen, values(&stepped.unwrap()))
    }

    #[test]
    fn the_second_gradient_is_taken_a_step_up_and_used_from_the_start() {
        // e = 0.5 · (3, 0, 4) / 5.
        let (point, after) = once("sam(0.5, base=sgd)", &[]);
        assert_near(&point, &[1.3, -2.0, 3.4]);
        assert_near(&after, &[0.87, -1.8, 2.66]);
    }

    #[test]
    fn asam_moves_in_proportion_to_the_size() {
        // T = (1.5, 2.5, 3.5): T g = (4.5, 0, 14).
        let norm = (4.5_f64 * 4.5 + 14.0 * 14.0).sqrt();
        let (point, _) = once("asam(0.5, eta=0.5, base=sgd)", &[]);
        let expected = [1.0 + 0.5 * 6.75 / norm, -2.0, 3.0 + 0.5 * 49.0 / norm];
        assert_near(&point, &expected);
    }

    #[test]
    fn parameters_that_are_left_alone_do_not_move_the_point() {
        let still = GroupFactors {
            lr: 0.0,
            ..GroupFactors::default()
        };
        let (point, after) = once("sam(0.5, base=sgd)", &[GroupFactors::default(), still]);
        assert_near(&point, &[1.5, -2.0, 3.0]);
        assert_near(&after, &[0.85, -1.8, 3.0]);
    }

    #[test]
    fn a_loss_that_is_not_finite_leaves_the_base_alone() {
        let mut update = Sam::default().build().unwrap();
        let parameters = Parameters(vec![Parameter {
            path: "a".into(),
            shape: vec![1],
            value: tensor(&[1.0]),
        }]);
        let gradients = Gradients(vec![Some(tensor(&[1.0]))]);
        let again = gradients.clone();
        let failed = update.step(
            &Step::new(0, 0.1),
            parameters,
            gradients,
            &mut |_: &Parameters| Ok((f64::NAN, again.clone())),
        );
        assert!(matches!(failed, Err(UpdateError::NotFinite { name }) if name == "sam(sgd)"));
        assert!(update.state().parameters.is_empty());
    }

    #[test]
    fn more_than_four_inside_each_other_are_refused() {
        let nested = |depth: usize| {
            let spec = "sam(base=asam(base=".repeat(depth / 2) + "sgd" + &"))".repeat(depth / 2);
            crate::optimizer::build(&spec.parse().unwrap()).map(|built| built.update)
        };
        assert_eq!(nested(4).unwrap().name(), "sam(asam(sam(asam(sgd))))");
        let error = nested(6).err().unwrap().to_string();
        assert!(error.contains("at most 4 of sam and asam"), "{error}");
    }
}
