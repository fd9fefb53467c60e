//! Newton's method for smooth convex functions of many variables.

use crate::error::EnsembleError;

/// A convex function with its derivatives.
pub(crate) trait Objective {
    /// What `curvature` needs of a point.
    type State;

    /// Value and gradient at a point.
    fn at(&self, variables: &[f64]) -> Point<Self::State>;

    /// The product of the Hessian at a point with a direction.
    fn curvature(&self, state: &Self::State, along: &[f64]) -> Vec<f64>;
}

/// An objective at a point.
pub(crate) struct Point<S> {
    pub(crate) value: f64,
    pub(crate) gradient: Vec<f64>,
    pub(crate) state: S,
}

/// Where the largest part of the gradient is as small as this, the minimum is found.
const FLAT: f64 = 1e-11;
/// Newton steps, of which a convex function needs some ten.
const STEPS: usize = 200;

/// The minimum, from a start, with Newton directions by conjugate gradients (Nocedal and Wright 2006, algorithm 7.1).
///
/// # Errors
/// [`EnsembleError::Fit`] naming the unit, where the function has no minimum, or none that is found.
pub(crate) fn minimize<O: Objective>(
    unit: &str,
    objective: &O,
    start: Vec<f64>,
) -> Result<Vec<f64>, EnsembleError> {
    let mut variables = start;
    let mut point = objective.at(&variables);
    for _ in 0..STEPS {
        let steepest = largest(&point.gradient);
        if steepest <= FLAT {
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
                return Err(EnsembleError::fit(
                    unit,
                    "its likelihood cannot be maximized",
                ));
            }
        };
        // Nothing is left but rounding.
        if steepest < 1e-9 && largest(&next.gradient) >= steepest {
            return Ok(variables);
        }
        point = next;
    }
    Err(EnsembleError::fit(
        unit,
        "its parameters grow without end: use more validation images",
    ))
}

/// An approximate solution of Hessian · direction = -gradient, the better the nearer the minimum is.
fn newton_direction<O: Objective>(objective: &O, point: &Point<O::State>) -> Vec<f64> {
    let mut direction = vec![0.0; point.gradient.len()];
    let mut residual = point.gradient.clone();
    let mut along: Vec<f64> = residual.iter().map(|r| -r).collect();
    let mut square = dot(&residual, &residual);
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
        square = dot(&residual, &residual);
        if square.sqrt() <= enough {
            break;
        }
        for (along, residual) in along.iter_mut().zip(&residual) {
            *along = square / before * *along - residual;
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
        let found = minimize("valley", &valley, vec![0.0; 4]).unwrap();
        for (found, middle) in found.iter().zip(&valley.middle) {
            assert!((found - middle).abs() < 1e-8, "{found} for {middle}");
        }
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
        assert!(minimize("slope", &Slope, vec![0.0]).is_err());
    }
}
