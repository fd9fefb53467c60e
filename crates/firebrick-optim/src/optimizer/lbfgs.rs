//! `lbfgs`: the limited-memory quasi-Newton method of Broyden, Fletcher, Goldfarb and Shanno.
//!
//! ```text
//! up to max_iter times in one step, g the gradient:
//!   y ← g - g of before,  s ← t · d         kept, at most history_size pairs, if y·s > 1e-10
//!   d ← -H · g                              by the two loops over the pairs, from y·s / y·y · I
//!   t ← lr, or min(1, 1 / Σ |g|) · lr at the very first
//!   t ← by search along d                   if line_search is strong_wolfe
//!   θ ← θ + t · d
//!   stop  if max |g| ≤ tolerance_grad, max |t · d| ≤ tolerance_change,
//!         the loss changes by less than tolerance_change, or after max_eval evaluations
//! ```
//!
//! Sources: Nocedal, "Updating quasi-Newton matrices with limited storage", 1980; Nocedal & Wright,
//! "Numerical Optimization", 2006, algorithms 7.4 (two loops), 3.5 and 3.6 (strong Wolfe conditions,
//! here with 1e-4 and 0.9). Reference: PyTorch's `torch.optim.LBFGS`; one step is one call of its
//! `step(closure)`.
//!
//! It is for the full batch: curvature is the difference of gradients of different steps, and
//! another batch makes that noise. All parameters move together, so their groups need one
//! learning-rate factor (0 leaves them alone). Frozen parameters and those without gradient are not
//! part of the problem; when the set changes, the history begins anew. It has no weight decay:
//! put the penalty into the loss, where the line search sees it. One evaluation of each step finds
//! the loss where the loop's own gradient was taken. Batch norm's running statistics are
//! those of the batch where the step ends: it goes so far that those where it began would be old.
//!
//! Differs from PyTorch's: in a line search a loss that is not finite counts as too high, and
//! without one it is an error; a rate of 0 leaves parameters and state as they are; running
//! statistics take in a share of every evaluation in PyTorch. Differs from
//! burn's: works with batch norm and frozen parameters, the line search has PyTorch's bound, and
//! the state resumes on the device it is given.

mod strong_wolfe;

use burn::tensor::Tensor;
use firebrick_core::ConfigError;
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::update::{Reevaluate, Step, Update, UpdateError, UpdateState};
use serde::{Deserialize, Serialize};

use crate::about::{About, Configure, Field, Optimize, Range};
use crate::whole_model::{
    JointVector, Kept, Names, WholeModel, WholeModelRule, dot, failed, join, largest, split,
};
use strong_wolfe::{Point, strong_wolfe};

const NAME: &str = "lbfgs";
const DIRECTION: &str = "d";
const GRADIENT: &str = "prev_grad";
const N_ITER: &str = "n_iter";
const LENGTH: &str = "t";
const H_DIAG: &str = "h_diag";

/// How far a step goes along its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineSearch {
    /// By the learning rate.
    None,
    /// To where the loss has fallen enough and its slope too.
    StrongWolfe,
}

/// The optimizer; see the [module](self).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lbfgs {
    /// Length of a step along its direction, or where the search begins; [`crate::plan()`] hands it
    /// to the schedule.
    pub lr: f64,
    /// The most iterations of a step.
    pub max_iter: u64,
    /// The most evaluations of a step; 5/4 of `max_iter` unless given.
    pub max_eval: Option<u64>,
    /// Stops where no entry of the gradient is larger.
    pub tolerance_grad: f64,
    /// Stops where neither the loss nor any parameter changes more.
    pub tolerance_change: f64,
    /// Pairs of differences that are kept.
    pub history_size: u64,
    /// How far to go.
    pub line_search: LineSearch,
}

impl Default for Lbfgs {
    fn default() -> Self {
        Self {
            lr: 1.0,
            max_iter: 20,
            max_eval: None,
            tolerance_grad: 1e-7,
            tolerance_change: 1e-9,
            history_size: 100,
            line_search: LineSearch::None,
        }
    }
}

impl Configure for Lbfgs {
    const ABOUT: About = About {
        name: NAME,
        aliases: &["l_bfgs"],
        summary: "limited-memory quasi-Newton method (L-BFGS), for full batches",
        source: "Nocedal 1980; Nocedal & Wright 2006, algorithms 7.4, 3.5 and 3.6",
        fields: &[
            Field::LR,
            Field::new("max_iter", Range::Count(1)),
            Field::new("max_eval", Range::Count(1)),
            Field::new("tolerance_grad", Range::NotNegative),
            Field::new("tolerance_change", Range::NotNegative),
            Field::new("history_size", Range::Count(1)),
            Field::new("line_search", Range::Choice(&["none", "strong_wolfe"])),
        ],
        cost: "up to max_eval evaluations of the batch and 4 · history_size passes for each",
    };
}

impl Optimize for Lbfgs {
    fn update(&self) -> Result<Box<dyn Update>, ConfigError> {
        Ok(Box::new(WholeModel::new(QuasiNewton {
            rule: self.clone(),
            history: None,
        })))
    }

    /// With a full history; it fills as the iterations go.
    fn memory(&self, shape: &[usize]) -> usize {
        let vectors = 2 + 2 * self.history_size as usize;
        vectors * shape.iter().product::<usize>()
    }
}

/// A difference of gradients, the step that made it, and 1 / y·s.
#[derive(Debug, Clone)]
struct Pair {
    y: Tensor<1>,
    s: Tensor<1>,
    ro: f64,
}

/// What one iteration leaves to the next.
#[derive(Debug, Clone)]
struct History {
    /// The parameters whose values are the vectors, in order, and their lengths.
    paths: Vec<String>,
    lens: Vec<usize>,
    pairs: Vec<Pair>,
    /// The last direction, how far it was followed, and the gradient before that.
    direction: Tensor<1>,
    length: f64,
    gradient: Tensor<1>,
    h_diag: f64,
    iterations: u64,
}

impl History {
    /// Takes the gradient in and finds the next direction.
    fn advance(&mut self, gradient: &Tensor<1>, size: usize) {
        let y = gradient.clone() - self.gradient.clone();
        let s = self.direction.clone() * self.length;
        let ys = dot(&y, &s);
        if ys > 1e-10 {
            if self.pairs.len() == size {
                self.pairs.remove(0);
            }
            self.h_diag = ys / dot(&y, &y);
            self.pairs.push(Pair { y, s, ro: 1.0 / ys });
        }
        let mut q = gradient.clone().neg();
        let mut shares = Vec::with_capacity(self.pairs.len());
        for pair in self.pairs.iter().rev() {
            let share = dot(&pair.s, &q) * pair.ro;
            q = q - pair.y.clone() * share;
            shares.push(share);
        }
        let mut direction = q * self.h_diag;
        for (pair, share) in self.pairs.iter().zip(shares.into_iter().rev()) {
            let back = dot(&pair.y, &direction) * pair.ro;
            direction = direction + pair.s.clone() * (share - back);
        }
        self.direction = direction;
        self.gradient = gradient.clone();
        self.iterations += 1;
    }
}

#[derive(Debug, Clone)]
struct QuasiNewton {
    rule: Lbfgs,
    history: Option<History>,
}

impl QuasiNewton {
    /// The history, if it is of these parameters.
    fn fitting(&self, joint: &JointVector) -> Result<Option<History>, UpdateError> {
        let Some(history) = self.history.as_ref().filter(|one| one.paths == joint.paths) else {
            return Ok(None);
        };
        for ((path, kept), len) in joint.paths.iter().zip(&history.lens).zip(&joint.lens) {
            if kept != len {
                return Err(UpdateError::State(format!(
                    "`{path}` has {len} elements, but its {DIRECTION} has {kept}"
                )));
            }
        }
        Ok(Some(history.clone()))
    }
}

impl WholeModelRule for QuasiNewton {
    const NAME: &'static str = NAME;
    const RECOUNTS_STATISTICS: bool = true;

    fn names(&self) -> Names<'_> {
        fn is_pair(name: &str) -> bool {
            name.len() > 1 && name.starts_with(['y', 's']) && name[1..].parse::<u32>().is_ok()
        }
        Names {
            optional: |name| name == DIRECTION || name == GRADIENT || is_pair(name),
            optional_numbers: |name| {
                [N_ITER, LENGTH, H_DIAG].contains(&name) || name.starts_with("ro")
            },
            ..Names::NONE
        }
    }

    fn step(
        &mut self,
        kept: &mut Kept,
        joint: &JointVector,
        step: &Step<'_>,
        parameters: Parameters,
        _gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let lr = joint.rate(step)?;
        let mut history = self.fitting(joint)?;
        if lr == 0.0 || joint.len() == 0 {
            return Ok(parameters);
        }
        let rule = self.rule.clone();
        let max_eval = rule.max_eval.unwrap_or(rule.max_iter * 5 / 4);
        let mut values = joint.values(&parameters);
        let mut evaluate = |at: &Tensor<1>| joint.evaluate(&parameters, at, reevaluate);
        let (mut loss, mut gradient) = evaluate(&values)?;
        let mut evaluations = 1;
        let mut flat = largest(&gradient) <= rule.tolerance_grad;
        let mut iteration = 0;
        while !flat && iteration < rule.max_iter {
            iteration += 1;
            let (first, mut now) = match history.take() {
                Some(mut before) => {
                    before.advance(&gradient, rule.history_size as usize);
                    (false, before)
                }
                None => {
                    let first = History {
                        paths: joint.paths.clone(),
                        lens: joint.lens.clone(),
                        pairs: Vec::new(),
                        direction: gradient.clone().neg(),
                        length: 0.0,
                        gradient: gradient.clone(),
                        h_diag: 1.0,
                        iterations: 1,
                    };
                    (true, first)
                }
            };
            now.length = if first {
                let sum = gradient.clone().abs().sum().into_scalar::<f64>();
                lr * f64::min(1.0, 1.0 / sum)
            } else {
                lr
            };
            let slope = dot(&gradient, &now.direction);
            if !slope.is_finite() {
                return Err(failed(
                    NAME,
                    format!(
                        "the slope along its direction is {slope} in iteration {iteration}, where \
                         the loss is {loss}; take a smaller lr or line_search=strong_wolfe"
                    ),
                ));
            }
            if slope > -rule.tolerance_change {
                history = Some(now);
                break;
            }
            let before = loss;
            if rule.line_search == LineSearch::StrongWolfe {
                let start = Point {
                    t: 0.0,
                    loss,
                    gradient,
                    slope,
                };
                let mut along = |t: f64| {
                    let (loss, gradient) = evaluate(&(values.clone() + now.direction.clone() * t))?;
                    let slope = dot(&gradient, &now.direction);
                    let loss = if loss.is_finite() {
                        loss
                    } else {
                        f64::INFINITY
                    };
                    Ok(Point {
                        t,
                        loss,
                        gradient,
                        slope,
                    })
                };
                let smallest = rule.tolerance_change / largest(&now.direction);
                let most = max_eval.saturating_sub(evaluations);
                let (there, spent) = strong_wolfe(start, now.length, smallest, most, &mut along)?;
                evaluations += spent;
                (loss, gradient, now.length) = (there.loss, there.gradient, there.t);
                values = values + now.direction.clone() * now.length;
                flat = largest(&gradient) <= rule.tolerance_grad;
            } else {
                values = values + now.direction.clone() * now.length;
                // The last gradient would not be used.
                if iteration != rule.max_iter {
                    (loss, gradient) = evaluate(&values)?;
                    evaluations += 1;
                    flat = largest(&gradient) <= rule.tolerance_grad;
                    if !loss.is_finite() {
                        return Err(failed(
                            NAME,
                            format!(
                                "the loss is {loss} after iteration {iteration}; take a smaller lr \
                                 or line_search=strong_wolfe"
                            ),
                        ));
                    }
                }
            }
            let moved = largest(&now.direction) * now.length.abs();
            history = Some(now);
            if iteration == rule.max_iter
                || evaluations >= max_eval
                || moved <= rule.tolerance_change
                || (loss - before).abs() < rule.tolerance_change
            {
                break;
            }
        }
        self.history = history;
        kept.count(joint);
        Ok(joint.with(&parameters, &values))
    }

    fn save(&self, state: &mut UpdateState) {
        let Some(history) = &self.history else {
            return;
        };
        let pairs = history.pairs.iter().enumerate();
        let pairs =
            pairs.flat_map(|(at, pair)| [(format!("y{at}"), &pair.y), (format!("s{at}"), &pair.s)]);
        let last = [
            (DIRECTION.to_string(), &history.direction),
            (GRADIENT.to_string(), &history.gradient),
        ];
        for (name, vector) in last.into_iter().chain(pairs) {
            for (path, part) in history.paths.iter().zip(split(vector, &history.lens)) {
                let one = state.parameters.entry(path.clone()).or_default();
                one.tensors.insert(name.clone(), part);
            }
        }
        let numbers = [
            (N_ITER, history.iterations as f64),
            (LENGTH, history.length),
            (H_DIAG, history.h_diag),
        ];
        let numbers = numbers.map(|(name, number)| (name.to_string(), number));
        let ro = history.pairs.iter().enumerate();
        let ro = ro.map(|(at, pair)| (format!("ro{at}"), pair.ro));
        state.numbers.extend(numbers.into_iter().chain(ro));
    }

    fn load(&mut self, kept: &mut Kept, paths: &[String]) -> Result<(), UpdateError> {
        let numbers = std::mem::take(&mut kept.numbers);
        // Those of the last step, in the order of the model.
        let last = |path: &&String| {
            let state = kept.parameters.get(*path);
            state.is_some_and(|state| state.tensors.contains_key(DIRECTION))
        };
        let there = if kept.parameters.is_empty() {
            Vec::new()
        } else {
            paths.iter().filter(last).cloned().collect()
        };
        let mut history = None;
        if !there.is_empty() {
            let number = |name: &str| {
                numbers.get(name).copied().ok_or_else(|| {
                    UpdateError::State(format!("the number {name}, which {NAME} keeps, is missing"))
                })
            };
            let vector = |name: &str| {
                let parts = there.iter().map(|path| {
                    kept.parameters[path]
                        .tensors
                        .get(name)
                        .cloned()
                        .ok_or_else(|| {
                            UpdateError::State(format!(
                                "`{path}` has no {name}, which {NAME} keeps"
                            ))
                        })
                });
                let parts: Vec<_> = parts.collect::<Result<_, _>>()?;
                Ok::<_, UpdateError>(join(parts.into_iter()))
            };
            let pairs = numbers.keys().filter(|name| name.starts_with("ro")).count();
            let pairs = (0..pairs).map(|at| {
                Ok(Pair {
                    y: vector(&format!("y{at}"))?,
                    s: vector(&format!("s{at}"))?,
                    ro: number(&format!("ro{at}"))?,
                })
            });
            let len = |path: &String| kept.parameters[path].tensors[DIRECTION].dims()[0];
            history = Some(History {
                pairs: pairs.collect::<Result<_, UpdateError>>()?,
                direction: vector(DIRECTION)?,
                length: number(LENGTH)?,
                gradient: vector(GRADIENT)?,
                h_diag: number(H_DIAG)?,
                iterations: number(N_ITER)? as u64,
                lens: there.iter().map(len).collect(),
                paths: there,
            });
        }
        // The vectors are in the history.
        for one in kept.parameters.values_mut() {
            one.tensors.clear();
        }
        self.history = history;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole_model::tests::{Slope, Walk};

    fn walk(rule: &Lbfgs) -> Walk {
        Walk::new(rule.build().unwrap())
    }

    /// x² + 10 y².
    fn bowl(z: &[f64]) -> Slope {
        (
            z[0] * z[0] + 10.0 * z[1] * z[1],
            vec![2.0 * z[0], 20.0 * z[1]],
        )
    }

    fn rosenbrock(z: &[f64]) -> Slope {
        let gap = z[1] - z[0] * z[0];
        let slope = vec![-400.0 * z[0] * gap - 2.0 * (1.0 - z[0]), 200.0 * gap];
        (100.0 * gap * gap + (1.0 - z[0]).powi(2), slope)
    }

    #[test]
    fn the_first_iteration_is_a_scaled_gradient_and_the_second_fits_the_curvature() {
        let one = Lbfgs {
            max_iter: 1,
            ..Lbfgs::default()
        };
        // g = (2, 20): t = 1/22.
        let mut lbfgs = walk(&one);
        let first = lbfgs.walk(&[1.0, 1.0], 1, 1.0, bowl).unwrap();
        assert!((first[0] - 10.0 / 11.0).abs() < 1e-15 && (first[1] - 1.0 / 11.0).abs() < 1e-15);
        // In one dimension a pair is the whole curvature: x² from 1, t = 1/2 · 0.5, then the minimum.
        let line = |z: &[f64]| (z[0] * z[0], vec![2.0 * z[0]]);
        let found = walk(&one).walk(&[1.0], 2, 0.5, line).unwrap();
        assert!(
            (found[0] - 0.25).abs() < 1e-15,
            "half the way to 0 from 0.5: {found:?}"
        );
    }

    #[test]
    fn the_search_descends_where_the_fixed_step_does_not() {
        // PyTorch's tolerance of 1e-9 ends it on the flat floor of the valley, 4e-5 before the minimum.
        let searching = Lbfgs {
            line_search: LineSearch::StrongWolfe,
            tolerance_change: 1e-15,
            ..Lbfgs::default()
        };
        let mut lbfgs = walk(&searching);
        let found = lbfgs.walk(&[-1.2, 1.0], 6, 1.0, rosenbrock).unwrap();
        assert!(
            (found[0] - 1.0).abs() < 1e-5 && (found[1] - 1.0).abs() < 1e-5,
            "{found:?}"
        );
        let fixed = Lbfgs::default();
        let far = walk(&fixed).walk(&[-1.2, 1.0], 1, 1.0, rosenbrock);
        assert!(far.is_err() || rosenbrock(&far.unwrap()).0 > 1e-5);
    }

    #[test]
    fn a_search_steps_back_from_where_the_loss_is_not_a_number() {
        let wall = |z: &[f64]| {
            let loss = if z[0] < -0.25 {
                f64::NAN
            } else {
                (z[0] + 0.2).powi(2)
            };
            (loss, vec![2.0 * (z[0] + 0.2)])
        };
        let searching = Lbfgs {
            line_search: LineSearch::StrongWolfe,
            ..Lbfgs::default()
        };
        let found = walk(&searching).walk(&[1.0], 3, 3.0, wall).unwrap();
        assert!((found[0] + 0.2).abs() < 1e-6, "{found:?}");
        let error = walk(&Lbfgs::default())
            .walk(&[1.0], 3, 3.0, wall)
            .unwrap_err();
        assert!(
            error.contains("NaN") && error.contains("strong_wolfe"),
            "{error}"
        );
    }

    #[test]
    fn a_rate_of_zero_evaluates_nothing() {
        let mut lbfgs = walk(&Lbfgs::default());
        let at = lbfgs.walk(&[1.0, 1.0], 3, 0.0, bowl).unwrap();
        assert_eq!((at, lbfgs.evaluations), (vec![1.0, 1.0], 3));
    }
}
