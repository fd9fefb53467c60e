//! Newton's method for smooth convex functions of many variables.

use std::borrow::Cow;

/// A convex function with its derivatives.
pub trait Objective {
    /// What `curvature` needs of a point.
    type State;

    /// Value and gradient at a point.
    fn at(&self, variables: &[f64]) -> Point<Self::State>;

    /// The product of the Hessian at a point with a direction.
    fn curvature(&self, state: &Self::State, along: &[f64]) -> Vec<f64>;

    /// The product of a residual with what is about the inverse of the Hessian, positive definite: the nearer it comes, the
    /// fewer curvatures a Newton direction needs.
    fn precondition<'a>(&self, _state: &Self::State, residual: &'a [f64]) -> Cow<'a, [f64]> {
        Cow::Borrowed(residual)
    }
}

/// An objective at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct Point<S> {
    /// The value of the function.
    pub value: f64,
    /// Its derivative by each variable.
    pub gradient: Vec<f64>,
    /// What `curvature` needs.
    pub state: S,
}

/// When the minimum is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Goal {
    /// The largest part that the gradient may have at the minimum.
    pub flat: f64,
    /// Newton steps, of which a convex function needs some ten.
    pub steps: usize,
}

impl Goal {
    /// The last digits.
    pub const EXACT: Self = Self {
        flat: 1e-11,
        steps: 200,
    };
}

/// Why no minimum is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoMinimum {
    /// The value rises along a direction in which it should fall.
    #[error("no step makes it smaller")]
    NoStep,
    /// The gradient is not flat after so many steps.
    #[error("its variables grow without end")]
    Endless,
}

/// The minimum, from a start, with Newton directions by conjugate gradients (Nocedal and Wright 2006, algorithm 7.1).
///
/// # Errors
/// [`NoMinimum`], where the function has no minimum, or none that is found.
pub fn minimize<O: Objective>(
    objective: &O,
    start: Vec<f64>,
    goal: Goal,
) -> Result<Vec<f64>, NoMinimum> {
    let mut variables = start;
    let mut point = objective.at(&variables);
    for _ in 0..goal.steps {
        let steepest = largest(&point.gradient);
        if steepest <= goal.flat {
            return Ok(variables);
        }
        let direction = newton_direction(objective, &point);
        let slope = dot(&direction, &point.gradient);
        let mut length = 1.0;
        let next = loop {
            let moved: Vec<f64> = variables
                .iter()
                .zip(&direction)
                .map(|(x, d)| x + length * d)
                .collect();
            let next = objective.at(&moved);
            // At the very end, rounding hides by how much it decreases.
            let hidden = 1e-14 * (1.0 + point.value.abs());
            if next.value <= point.value + 1e-4 * length * slope + hidden {
                variables = moved;
                break next;
            }
            length *= 0.5;
            if length < 1e-9 {
                return Err(NoMinimum::NoStep);
            }
        };
        // Nothing is left but rounding.
        if steepest < 1e-9 && largest(&next.gradient) >= steepest {
            return Ok(variables);
        }
        point = next;
    }
    Err(NoMinimum::Endless)
}

/// An approximate solution of Hessian · direction = -gradient, the better the nearer the minimum is.
fn newton_direction<O: Objective>(objective: &O, point: &Point<O::State>) -> Vec<f64> {
    let mut direction = vec![0.0; point.gradient.len()];
    let mut residual = point.gradient.clone();
    let towards = objective.precondition(&point.state, &residual);
    let mut along: Vec<f64> = towards.iter().map(|r| -r).collect();
    let mut square = dot(&residual, &towards);
    drop(towards);
    let norm = square.sqrt();
    let enough = norm * norm.sqrt().min(0.5);
    for _ in 0..2 * residual.len() + 10 {
        let product = objective.curvature(&point.state, &along);
        let curvature = dot(&along, &product);
        // Flat along this direction, up to rounding.
        if curvature <= f64::EPSILON * dot(&along, &along) * 1e-3 {
            break;
        }
        let step = square / curvature;
        for at in 0..direction.len() {
            direction[at] += step * along[at];
            residual[at] += step * product[at];
        }
        let before = square;
        let towards = objective.precondition(&point.state, &residual);
        square = dot(&residual, &towards);
        if square.sqrt() <= enough {
            break;
        }
        for (along, towards) in along.iter_mut().zip(towards.iter()) {
            *along = square / before * *along - towards;
        }
    }
    if direction.iter().all(|value| *value == 0.0) {
        return along;
    }
    direction
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn largest(values: &[f64]) -> f64 {
    values
        .iter()
        .fold(0.0, |largest, value| value.abs().max(largest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Σ cosh(scale · (x - middle)), whose full Newton steps overshoot far from the minimum.
    struct Valley {
        middle: Vec<f64>,
        scale: Vec<f64>,
    }

    impl Objective for Valley {
        type State = Vec<f64>;

        fn at(&self, variables: &[f64]) -> Point<Vec<f64>> {
            let all = self.middle.iter().zip(&self.scale).zip(variables);
            let angles: Vec<f64> = all
                .map(|((middle, scale), x)| scale * (x - middle))
                .collect();
            Point {
                value: angles.iter().map(|angle| angle.cosh()).sum(),
                gradient: angles
                    .iter()
                    .zip(&self.scale)
                    .map(|(angle, scale)| scale * angle.sinh())
                    .collect(),
                state: angles
                    .iter()
                    .zip(&self.scale)
                    .map(|(angle, scale)| scale * scale * angle.cosh())
                    .collect(),
            }
        }

        fn curvature(&self, state: &Vec<f64>, along: &[f64]) -> Vec<f64> {
            state.iter().zip(along).map(|(s, a)| s * a).collect()
        }
    }

    #[test]
    fn the_minimum_is_found_whatever_the_scales() {
        let valley = Valley {
            middle: vec![3.0, -20.0, 0.5, 0.0],
            scale: vec![1.0, 0.1, 30.0, 1.0],
        };
        let found = minimize(&valley, vec![0.0; 4], Goal::EXACT).unwrap();
        for (found, middle) in found.iter().zip(&valley.middle) {
            assert!((found - middle).abs() < 1e-8, "{found} for {middle}");
        }
    }

    #[test]
    fn a_preconditioner_saves_curvatures_and_leaves_the_minimum() {
        struct Bowl {
            curvatures: std::cell::Cell<usize>,
            preconditioned: bool,
        }
        /// 1 to 10⁵.
        fn scale(at: usize) -> f64 {
            10.0_f64.powf(at as f64 / 10.0)
        }
        impl Objective for Bowl {
            type State = ();
            fn at(&self, x: &[f64]) -> Point<()> {
                let parts = x.iter().enumerate();
                Point {
                    value: parts
                        .map(|(at, x)| 0.5 * scale(at) * (x - 1.0) * (x - 1.0))
                        .sum(),
                    gradient: x
                        .iter()
                        .enumerate()
                        .map(|(at, x)| scale(at) * (x - 1.0))
                        .collect(),
                    state: (),
                }
            }
            fn curvature(&self, (): &(), along: &[f64]) -> Vec<f64> {
                self.curvatures.set(self.curvatures.get() + 1);
                let along = along.iter().enumerate();
                along.map(|(at, a)| scale(at) * a).collect()
            }
            fn precondition<'a>(&self, (): &(), residual: &'a [f64]) -> Cow<'a, [f64]> {
                if !self.preconditioned {
                    return residual.into();
                }
                let parts = residual.iter().enumerate();
                parts.map(|(at, r)| r / scale(at)).collect()
            }
        }
        let curvatures = |preconditioned| {
            let bowl = Bowl {
                curvatures: 0.into(),
                preconditioned,
            };
            let found = minimize(&bowl, vec![0.0; 50], Goal::EXACT).unwrap();
            assert!(found.iter().all(|x| (x - 1.0).abs() < 1e-10), "{found:?}");
            bowl.curvatures.get()
        };
        assert_eq!(curvatures(true), 1);
        assert!(curvatures(false) > 40);
    }

    #[test]
    fn a_function_without_a_minimum_is_told() {
        struct Slope;
        impl Objective for Slope {
            type State = ();
            fn at(&self, _: &[f64]) -> Point<()> {
                Point {
                    value: 0.0,
                    gradient: vec![1.0],
                    state: (),
                }
            }
            fn curvature(&self, (): &(), along: &[f64]) -> Vec<f64> {
                along.iter().map(|value| 1e-3 * value).collect()
            }
        }
        assert_eq!(
            minimize(&Slope, vec![0.0], Goal::EXACT),
            Err(NoMinimum::NoStep)
        );
    }
}
