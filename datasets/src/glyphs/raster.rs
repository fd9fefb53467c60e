//! Draws anti-aliased strokes: how much of each pixel the pen covers.

use super::pose::SIZE;
use super::strokes::Point;

/// Coverage of each pixel in [0, 1], rows from the top.
pub(super) type Coverage = [f32; SIZE * SIZE];

/// Draws a chain of straight pieces with a round pen of radius `pen` pixels.
///
/// A pixel's coverage falls from 1 to 0 over the one pixel around the edge of the stroke, by the
/// distance of the pixel's centre to the nearest piece. Overlapping strokes take the larger value.
pub(super) fn draw(chain: &[Point], pen: f32, coverage: &mut Coverage) {
    let reach = pen + 0.5;
    for piece in chain.windows(2) {
        let ((ax, ay), (bx, by)) = (piece[0], piece[1]);
        let (dx, dy) = (bx - ax, by - ay);
        let length_squared = (dx * dx + dy * dy).max(f32::MIN_POSITIVE);
        for row in pixels(ay.min(by) - reach, ay.max(by) + reach) {
            for column in pixels(ax.min(bx) - reach, ax.max(bx) + reach) {
                let (x, y) = (centre(column) - ax, centre(row) - ay);
                let along = ((x * dx + y * dy) / length_squared).clamp(0.0, 1.0);
                let (x, y) = (x - along * dx, y - along * dy);
                let distance = (x * x + y * y).sqrt();
                let covered = (reach - distance).clamp(0.0, 1.0);
                let pixel = &mut coverage[row * SIZE + column];
                *pixel = pixel.max(covered);
            }
        }
    }
}

/// The position of the middle of pixel `index` on its axis.
pub(super) fn centre(index: usize) -> f32 {
    index as f32 + 0.5
}

/// The pixels of one axis that touch `low..high`. Float to integer casts saturate.
fn pixels(low: f32, high: f32) -> std::ops::Range<usize> {
    (low.floor() as usize).min(SIZE)..(high.ceil() as usize).min(SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_horizontal_stroke_covers_its_width_and_fades_over_one_pixel() {
        let mut coverage = [0.0; SIZE * SIZE];
        // Centre line on y = 10, radius 1.25: full to 1 pixel off, half at 1.25, nothing at 1.75.
        draw(&[(4.0, 10.0), (28.0, 10.0)], 1.25, &mut coverage);
        let column: Vec<f32> = (7..13).map(|row| coverage[row * SIZE + 16]).collect();
        assert_eq!(column, [0.0, 0.25, 1.0, 1.0, 0.25, 0.0]);
        // A round end: beyond the last point the same fade.
        assert_eq!(coverage[9 * SIZE + 31], 0.0);
        assert!(coverage[9 * SIZE + 28] > 0.9);
    }

    #[test]
    fn strokes_outside_the_image_are_harmless() {
        let mut coverage = [0.0; SIZE * SIZE];
        draw(
            &[(-50.0, -9.0), (-40.0, 99.0), (1e9, 1e9)],
            2.0,
            &mut coverage,
        );
        draw(&[(5.0, 5.0), (5.0, 5.0)], 1.0, &mut coverage);
        assert!(coverage.iter().all(|value| (0.0..=1.0).contains(value)));
        assert!(coverage[5 * SIZE + 5] > 0.5, "a dot is drawn");
    }
}
