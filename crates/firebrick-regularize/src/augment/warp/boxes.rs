//! Boxes move with a warp.

use firebrick_core::image::Region;

use super::{Map, Point, Warp};

/// Points on each side of a box that are followed where lines do not stay straight.
const ON_A_SIDE: usize = 16;
/// Steps in which a point of the result is looked for.
const STEPS: usize = 50;

impl Warp {
    /// The smallest upright box around what becomes of a box of the image, cut to the result; `None` if nothing of it is
    /// left.
    #[must_use]
    pub fn region(&self, region: Region) -> Option<Region> {
        let (width, height) = (self.output.width as f64, self.output.height as f64);
        let [mut least, mut most] = [[f64::INFINITY; 2], [f64::NEG_INFINITY; 2]];
        for point in outline(region) {
            let moved = self.result(point)?;
            for axis in 0..2 {
                least[axis] = least[axis].min(moved[axis]);
                most[axis] = most[axis].max(moved[axis]);
            }
        }
        let (left, top) = (least[0].clamp(0.0, width), least[1].clamp(0.0, height));
        let cut = Region {
            left,
            top,
            width: most[0].clamp(0.0, width) - left,
            height: most[1].clamp(0.0, height) - top,
        };
        (cut.width > 0.0 && cut.height > 0.0).then_some(cut)
    }

    /// The point of the result at which a point of the image is shown; `None` if there is none.
    fn result(&self, point: Point) -> Option<Point> {
        let mut maps = self.maps.iter().rev();
        maps.try_fold(point, |point, map| match map {
            Map::Homography(map) => {
                let back = map.inverse()?;
                (back.weight(point) > 0.0).then(|| back.at(point))
            }
            Map::Displacements(_) | Map::Field(_) => Some(inverse(map, point)),
        })
    }
}

/// The point that `map`, which moves points only a little, takes to `goal`.
fn inverse(map: &Map, goal: Point) -> Point {
    let mut point = goal;
    for _ in 0..STEPS {
        let found = map.at(point);
        let (x, y) = (goal[0] - found[0], goal[1] - found[1]);
        point = [point[0] + x, point[1] + y];
        if x.abs().max(y.abs()) < 1e-9 {
            break;
        }
    }
    point
}

/// Corners and points between them.
fn outline(region: Region) -> impl Iterator<Item = Point> {
    let Region {
        left,
        top,
        width,
        height,
    } = region;
    (0..=ON_A_SIDE).flat_map(move |step| {
        let share = step as f64 / ON_A_SIDE as f64;
        let (x, y) = (left + share * width, top + share * height);
        [[x, top], [x, top + height], [left, y], [left + width, y]]
    })
}
