//! The line search of `lbfgs`: to a point where the loss has fallen by a share of the first slope
//! and the slope itself too. PyTorch's `_strong_wolfe`, which bracketed points and cubic
//! interpolation make of Nocedal & Wright's algorithms 3.5 and 3.6.

use burn::tensor::Tensor;
use firebrick_core::update::UpdateError;

/// Share of the first slope by which the loss has to fall.
const SUFFICIENT: f64 = 1e-4;
/// Share of the first slope that may be left.
const CURVATURE: f64 = 0.9;

/// A place on the line.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// How far along the direction.
    pub(super) t: f64,
    /// The loss there; infinite where it is not a number.
    pub(super) loss: f64,
    /// Its gradient.
    pub(super) gradient: Tensor<1>,
    /// The gradient along the direction.
    pub(super) slope: f64,
}

/// The minimum of the cubic through two points with their slopes, within bounds; the middle where
/// it has none.
fn interpolate(a: &Point, b: &Point, bounds: (f64, f64)) -> f64 {
    let (a, b) = if a.t <= b.t { (a, b) } else { (b, a) };
    let d1 = a.slope + b.slope - 3.0 * (a.loss - b.loss) / (a.t - b.t);
    let square = d1 * d1 - a.slope * b.slope;
    if square >= 0.0 {
        let d2 = square.sqrt();
        let way = (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2));
        (b.t - way).max(bounds.0).min(bounds.1)
    } else {
        f64::midpoint(bounds.0, bounds.1)
    }
}

/// The point that is found and the number of evaluations: at most `most`, and one.
///
/// `start` is the point at 0, `t` the first to try, `smallest` the width of a bracket that is not
/// refined any more.
pub(super) fn strong_wolfe(
    start: Point,
    t: f64,
    smallest: f64,
    most: u64,
    evaluate: &mut dyn FnMut(f64) -> Result<Point, UpdateError>,
) -> Result<(Point, u64), UpdateError> {
    let (first_loss, first_slope) = (start.loss, start.slope);
    let too_high = |point: &Point| point.loss > first_loss + SUFFICIENT * point.t * first_slope;
    let flat = |point: &Point| point.slope.abs() <= -CURVATURE * first_slope;

    let (mut before, mut now) = (start.clone(), evaluate(t)?);
    let mut tries = 0;
    // Two points with what is sought between them, or the point itself.
    let mut bracket = loop {
        if tries >= most {
            break [start, now];
        }
        if too_high(&now) || (tries > 1 && now.loss >= before.loss) {
            break [before, now];
        }
        if flat(&now) {
            return Ok((now, tries + 1));
        }
        if now.slope >= 0.0 {
            break [before, now];
        }
        let bounds = (now.t + 0.01 * (now.t - before.t), now.t * 10.0);
        let next = evaluate(interpolate(&before, &now, bounds))?;
        before = std::mem::replace(&mut now, next);
        tries += 1;
    };

    let order = |bracket: &[Point; 2]| usize::from(bracket[0].loss > bracket[1].loss);
    let mut low = order(&bracket);
    let mut slow = false;
    while tries < most && (bracket[1].t - bracket[0].t).abs() >= smallest {
        let ends = [bracket[0].t, bracket[1].t];
        let (least, greatest) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let mut t = interpolate(&bracket[0], &bracket[1], (least, greatest));
        // Twice near an end, or at it: a tenth of the way inside.
        let margin = 0.1 * (greatest - least);
        if (greatest - t).min(t - least) < margin {
            if slow || t >= greatest || t <= least {
                t = if (t - greatest).abs() < (t - least).abs() {
                    greatest - margin
                } else {
                    least + margin
                };
                slow = false;
            } else {
                slow = true;
            }
        } else {
            slow = false;
        }
        let now = evaluate(t)?;
        tries += 1;
        let high = 1 - low;
        if too_high(&now) || now.loss >= bracket[low].loss {
            bracket[high] = now;
            low = order(&bracket);
        } else {
            let done = flat(&now);
            if !done && now.slope * (bracket[high].t - bracket[low].t) >= 0.0 {
                bracket[high] = bracket[low].clone();
            }
            bracket[low] = now;
            if done {
                break;
            }
        }
    }
    let [first, second] = bracket;
    Ok((if low == 0 { first } else { second }, tries + 1))
}
