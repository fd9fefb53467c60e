//! The alphabet: how a pen draws each character in a unit square, x to the right and y down.

/// A point in the unit square, or in pixels once a pose has placed it.
pub(super) type Point = (f32, f32);

/// One movement of the pen.
pub(super) enum Stroke {
    /// Straight from point to point.
    Line(&'static [Point]),
    /// A smooth curve through all points (a Catmull-Rom spline).
    Curve(&'static [Point]),
}

use Stroke::{Curve, Line};

impl Stroke {
    /// The points that the pen passes.
    pub(super) fn points(&self) -> &'static [Point] {
        match self {
            Line(points) | Curve(points) => points,
        }
    }

    /// The way through `points`, which stand where [`Self::points`] were, as a chain of short
    /// straight pieces.
    pub(super) fn trace(&self, points: &[Point]) -> Vec<Point> {
        match self {
            Line(_) => points.to_vec(),
            Curve(_) => spline(points),
        }
    }
}

/// Straight pieces for each span of a curve: at 32 × 32 more cannot be seen.
const PIECES: u8 = 6;

fn spline(points: &[Point]) -> Vec<Point> {
    let at = |index: usize| points[index.min(points.len() - 1)];
    let mut chain = Vec::with_capacity(points.len() * usize::from(PIECES));
    for span in 0..points.len().saturating_sub(1) {
        // The ends of the curve count twice.
        let [p0, p1, p2, p3] = [
            at(span.saturating_sub(1)),
            at(span),
            at(span + 1),
            at(span + 2),
        ];
        let blend = |t: f32, a: f32, b: f32, c: f32, d: f32| {
            let cubic = (3.0 * (b - c) + d - a) * t;
            let square = (2.0 * a - 5.0 * b + 4.0 * c - d + cubic) * t;
            b + 0.5 * t * (c - a + square)
        };
        chain.extend((0..PIECES).map(|piece| {
            let t = f32::from(piece) / f32::from(PIECES);
            (
                blend(t, p0.0, p1.0, p2.0, p3.0),
                blend(t, p0.1, p1.1, p2.1, p3.1),
            )
        }));
    }
    chain.extend(points.last());
    chain
}

/// A character and the ways in which people write it.
pub(super) struct Character {
    /// The class name.
    pub(super) name: &'static str,
    /// At least one way to write it.
    pub(super) forms: &'static [&'static [Stroke]],
}

const fn character(name: &'static str, forms: &'static [&'static [Stroke]]) -> Character {
    Character { name, forms }
}

/// The classes. The letters B D G I O Q S V Z are missing: a noisy drawing of one of them is
/// too often one of 8 0 6 1 0 0 5 U 2.
#[rustfmt::skip]
pub(super) static CHARACTERS: &[Character] = &[
    character("0", &[&[
        Curve(&[(0.5, 0.05), (0.25, 0.18), (0.17, 0.5), (0.25, 0.82), (0.5, 0.95), (0.75, 0.82), (0.83, 0.5), (0.75, 0.18), (0.5, 0.05)]),
    ]]),
    character("1", &[
        &[Line(&[(0.3, 0.24), (0.55, 0.05), (0.55, 0.95)])],
        &[Line(&[(0.3, 0.24), (0.52, 0.05), (0.52, 0.95)]), Line(&[(0.28, 0.95), (0.76, 0.95)])],
    ]),
    character("2", &[&[
        Curve(&[(0.2, 0.25), (0.32, 0.09), (0.55, 0.05), (0.78, 0.18), (0.76, 0.4), (0.5, 0.66), (0.2, 0.95)]),
        Line(&[(0.2, 0.95), (0.82, 0.95)]),
    ]]),
    character("3", &[
        &[
            Curve(&[(0.2, 0.14), (0.5, 0.05), (0.76, 0.2), (0.68, 0.4), (0.42, 0.47)]),
            Curve(&[(0.42, 0.47), (0.72, 0.54), (0.8, 0.75), (0.55, 0.94), (0.2, 0.86)]),
        ],
        &[
            Line(&[(0.2, 0.05), (0.78, 0.05), (0.45, 0.42)]),
            Curve(&[(0.45, 0.42), (0.75, 0.52), (0.8, 0.74), (0.55, 0.94), (0.2, 0.86)]),
        ],
    ]),
    character("4", &[
        &[Line(&[(0.64, 0.05), (0.14, 0.66), (0.88, 0.66)]), Line(&[(0.65, 0.05), (0.65, 0.95)])],
        &[Line(&[(0.28, 0.05), (0.16, 0.56), (0.86, 0.56)]), Line(&[(0.68, 0.28), (0.68, 0.95)])],
    ]),
    character("5", &[&[
        Line(&[(0.78, 0.05), (0.28, 0.05), (0.24, 0.45)]),
        Curve(&[(0.24, 0.45), (0.5, 0.38), (0.78, 0.52), (0.78, 0.78), (0.52, 0.95), (0.2, 0.86)]),
    ]]),
    character("6", &[&[
        Curve(&[(0.72, 0.06), (0.42, 0.2), (0.22, 0.5), (0.22, 0.78), (0.5, 0.95), (0.78, 0.8), (0.74, 0.56), (0.5, 0.47), (0.25, 0.62)]),
    ]]),
    character("7", &[
        &[Line(&[(0.18, 0.05), (0.82, 0.05), (0.42, 0.95)])],
        &[Line(&[(0.18, 0.05), (0.82, 0.05), (0.42, 0.95)]), Line(&[(0.34, 0.48), (0.8, 0.48)])],
    ]),
    character("8", &[&[
        Curve(&[(0.5, 0.47), (0.26, 0.34), (0.28, 0.14), (0.5, 0.05), (0.72, 0.14), (0.74, 0.34), (0.5, 0.47), (0.22, 0.62), (0.22, 0.84), (0.5, 0.95), (0.78, 0.84), (0.78, 0.62), (0.5, 0.47)]),
    ]]),
    character("9", &[
        &[Curve(&[(0.28, 0.94), (0.58, 0.8), (0.78, 0.5), (0.78, 0.22), (0.5, 0.05), (0.22, 0.2), (0.26, 0.44), (0.5, 0.53), (0.75, 0.38)])],
        &[
            Curve(&[(0.76, 0.12), (0.5, 0.05), (0.24, 0.16), (0.24, 0.4), (0.48, 0.53), (0.74, 0.42)]),
            Line(&[(0.76, 0.05), (0.72, 0.95)]),
        ],
    ]),
    character("A", &[&[Line(&[(0.12, 0.95), (0.5, 0.05), (0.88, 0.95)]), Line(&[(0.27, 0.62), (0.73, 0.62)])]]),
    character("C", &[&[
        Curve(&[(0.84, 0.22), (0.6, 0.05), (0.35, 0.1), (0.18, 0.35), (0.18, 0.65), (0.35, 0.9), (0.6, 0.95), (0.84, 0.78)]),
    ]]),
    character("E", &[&[
        Line(&[(0.8, 0.05), (0.22, 0.05), (0.22, 0.95), (0.8, 0.95)]),
        Line(&[(0.22, 0.5), (0.7, 0.5)]),
    ]]),
    character("F", &[&[Line(&[(0.8, 0.05), (0.22, 0.05), (0.22, 0.95)]), Line(&[(0.22, 0.48), (0.68, 0.48)])]]),
    character("H", &[&[
        Line(&[(0.18, 0.05), (0.18, 0.95)]),
        Line(&[(0.82, 0.05), (0.82, 0.95)]),
        Line(&[(0.18, 0.5), (0.82, 0.5)]),
    ]]),
    character("J", &[
        &[Curve(&[(0.72, 0.05), (0.72, 0.4), (0.7, 0.7), (0.56, 0.93), (0.34, 0.93), (0.18, 0.74)])],
        &[
            Curve(&[(0.68, 0.05), (0.68, 0.4), (0.66, 0.7), (0.54, 0.93), (0.34, 0.93), (0.18, 0.74)]),
            Line(&[(0.42, 0.05), (0.92, 0.05)]),
        ],
    ]),
    character("K", &[&[
        Line(&[(0.22, 0.05), (0.22, 0.95)]),
        Line(&[(0.8, 0.05), (0.22, 0.57)]),
        Line(&[(0.42, 0.4), (0.84, 0.95)]),
    ]]),
    character("L", &[&[Line(&[(0.25, 0.05), (0.25, 0.95), (0.8, 0.95)])]]),
    character("M", &[&[Line(&[(0.12, 0.95), (0.18, 0.05), (0.5, 0.65), (0.82, 0.05), (0.88, 0.95)])]]),
    character("N", &[&[Line(&[(0.18, 0.95), (0.18, 0.05), (0.82, 0.95), (0.82, 0.05)])]]),
    character("P", &[&[
        Line(&[(0.24, 0.95), (0.24, 0.05)]),
        Curve(&[(0.24, 0.05), (0.6, 0.06), (0.8, 0.27), (0.6, 0.5), (0.24, 0.52)]),
    ]]),
    character("R", &[&[
        Line(&[(0.22, 0.95), (0.22, 0.05)]),
        Curve(&[(0.22, 0.05), (0.58, 0.06), (0.78, 0.27), (0.58, 0.49), (0.22, 0.51)]),
        Line(&[(0.46, 0.5), (0.84, 0.95)]),
    ]]),
    character("T", &[&[Line(&[(0.12, 0.05), (0.88, 0.05)]), Line(&[(0.5, 0.05), (0.5, 0.95)])]]),
    character("U", &[&[
        Curve(&[(0.18, 0.05), (0.18, 0.4), (0.22, 0.76), (0.5, 0.95), (0.78, 0.76), (0.82, 0.4), (0.82, 0.05)]),
    ]]),
    character("W", &[&[Line(&[(0.06, 0.05), (0.28, 0.95), (0.5, 0.3), (0.72, 0.95), (0.94, 0.05)])]]),
    character("X", &[&[Line(&[(0.16, 0.05), (0.84, 0.95)]), Line(&[(0.84, 0.05), (0.16, 0.95)])]]),
    character("Y", &[&[Line(&[(0.14, 0.05), (0.5, 0.48)]), Line(&[(0.86, 0.05), (0.5, 0.48), (0.5, 0.95)])]]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_every_character_stays_in_the_unit_square() {
        for character in CHARACTERS {
            assert!(!character.forms.is_empty(), "{}", character.name);
            for stroke in character.forms.iter().copied().flatten() {
                assert!(stroke.points().len() >= 2, "{}", character.name);
                for (x, y) in stroke.trace(stroke.points()) {
                    let inside = 0.0..=1.0;
                    assert!(
                        inside.contains(&x) && inside.contains(&y),
                        "{}: ({x}, {y})",
                        character.name
                    );
                }
            }
        }
    }

    #[test]
    fn a_curve_passes_through_its_points() {
        let points = [(0.0, 0.0), (0.5, 1.0), (1.0, 0.0)];
        let chain = spline(&points);
        for (index, point) in points.iter().enumerate() {
            assert_eq!(chain[index * usize::from(PIECES)], *point);
        }
        // Between them it is round: no piece is the straight way.
        assert!(chain[3].1 > chain[3].0 * 2.0);
    }
}
