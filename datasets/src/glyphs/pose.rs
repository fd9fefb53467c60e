//! The pose of a character in its image: jitter, affine map and pen width.

use firebrick_types::random::HostRng;
use rand::RngExt;

use super::strokes::{Point, Stroke};

/// Width and height of every image in pixels.
pub(super) const SIZE: usize = 32;
const CENTRE: f32 = 16.0;

/// A uniform draw from `low..high`.
pub(super) fn within(rng: &mut HostRng, low: f32, high: f32) -> f32 {
    low + (high - low) * rng.random::<f32>()
}

/// Sine and cosine of an angle in turns, within 1e-5.
///
/// The standard library asks the platform, whose last digit differs from system to system; these
/// use nothing but exactly rounded operations, so that an image is the same everywhere.
pub(super) fn sin_cos(turns: f32) -> (f32, f32) {
    (sine(turns), sine(turns + 0.25))
}

fn sine(turns: f32) -> f32 {
    // Into [-1/4, 1/4] turns, where the series is short.
    let turns = turns - turns.round();
    let folded = if turns > 0.25 {
        0.5 - turns
    } else if turns < -0.25 {
        -0.5 - turns
    } else {
        turns
    };
    let x = folded * std::f32::consts::TAU;
    let square = x * x;
    x * (1.0 - square / 6.0 * (1.0 - square / 20.0 * (1.0 - square / 42.0 * (1.0 - square / 72.0))))
}

/// The draws that place one character.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pose {
    /// Which form of the character, as a part of all forms in [0, 1).
    pub(super) form: f32,
    /// Standard radius of the pen in pixels.
    pub(super) pen: f32,
    /// Side of the unit square in pixels, horizontally and vertically.
    scale: Point,
    /// Degrees, clockwise.
    rotation: f32,
    /// Horizontal shift for each unit of height.
    shear: f32,
    /// Of the centre, in pixels.
    shift: Point,
    /// How far a control point may be off, in the unit square.
    jitter: f32,
}

impl Pose {
    /// Draws a pose; `difficulty` scales how far it is from the plain one.
    pub(super) fn sample(difficulty: f32, rng: &mut HostRng) -> Self {
        let mut spread = |limit: f32| within(rng, -limit, limit) * difficulty;
        let (size, aspect) = (22.0 * (1.0 + spread(0.15)), spread(0.15));
        Self {
            scale: (size * (1.0 + aspect), size * (1.0 - aspect)),
            rotation: spread(16.0),
            shear: spread(0.25),
            shift: (spread(3.0), spread(3.0)),
            pen: 1.25 * (1.0 + spread(0.45)),
            jitter: 0.032 * difficulty,
            form: rng.random(),
        }
    }

    /// The chains of points in pixels that the pen follows for `strokes`.
    pub(super) fn place(&self, strokes: &[Stroke], rng: &mut HostRng) -> Vec<Vec<Point>> {
        let (sin, cos) = sin_cos(self.rotation / 360.0);
        strokes
            .iter()
            .map(|stroke| {
                let placed: Vec<Point> = stroke
                    .points()
                    .iter()
                    .map(|(x, y)| {
                        let x = x - 0.5 + within(rng, -self.jitter, self.jitter);
                        let y = y - 0.5 + within(rng, -self.jitter, self.jitter);
                        let (x, y) = ((x + self.shear * y) * self.scale.0, y * self.scale.1);
                        (
                            CENTRE + self.shift.0 + cos * x - sin * y,
                            CENTRE + self.shift.1 + sin * x + cos * y,
                        )
                    })
                    .collect();
                stroke.trace(&placed)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use firebrick_types::random::rng;

    use super::*;

    #[test]
    fn the_series_is_a_sine() {
        for step in -80_i16..=80 {
            let turns = f32::from(step) / 32.0;
            let (sin, cos) = sin_cos(turns);
            let (true_sin, true_cos) = (turns * std::f32::consts::TAU).sin_cos();
            assert!((sin - true_sin).abs() < 1e-5, "{turns}");
            assert!((cos - true_cos).abs() < 1e-5, "{turns}");
        }
    }

    #[test]
    fn without_difficulty_a_character_stands_upright_in_the_centre() {
        let mut rng = rng(1, "pose", 0, 0);
        let pose = Pose::sample(0.0, &mut rng);
        let chains = pose.place(&[Stroke::Line(&[(0.5, 0.0), (0.5, 1.0)])], &mut rng);
        assert_eq!(chains.len(), 1);
        for ((x, y), expected) in chains[0].iter().zip([5.0, 27.0]) {
            assert!(
                (x - 16.0).abs() < 1e-3 && (y - expected).abs() < 1e-3,
                "({x}, {y})"
            );
        }
    }
}
