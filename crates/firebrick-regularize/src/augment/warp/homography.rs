//! Maps of the plane that keep lines straight: [`Homography`].

use firebrick_core::kernels::wide;

/// A projective map of the plane, as a matrix of three rows: scaling, rotation, shear, translation and perspective, and
/// any of them in a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Homography([f64; 9]);

impl Homography {
    /// Leaves every point where it is.
    pub const IDENTITY: Self = Self([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);

    /// The affine map (x, y) ↦ (`a` x + `b` y + `c`, `d` x + `e` y + `f`): Pillow's `Image.AFFINE`.
    #[must_use]
    pub const fn affine([a, b, c, d, e, f]: [f64; 6]) -> Self {
        Self([a, b, c, d, e, f, 0.0, 0.0, 1.0])
    }

    /// Both coordinates of the affine map with the numbers `a` to `f`, divided by `g` x + `h` y + 1: Pillow's
    /// `Image.PERSPECTIVE`.
    #[must_use]
    pub const fn perspective([a, b, c, d, e, f, g, h]: [f64; 8]) -> Self {
        Self([a, b, c, d, e, f, g, h, 1.0])
    }

    /// (x, y) ↦ (`scale` · (x, y) + `shift`) on each axis by itself.
    #[must_use]
    pub const fn axes(scale: [f64; 2], shift: [f64; 2]) -> Self {
        Self::affine([scale[0], 0.0, shift[0], 0.0, scale[1], shift[1]])
    }

    /// Adds `shift`.
    #[must_use]
    pub const fn shift(shift: [f64; 2]) -> Self {
        Self::axes([1.0; 2], shift)
    }

    /// The image of a point.
    #[must_use]
    pub fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [a, b, c, d, e, f, ..] = self.0;
        let (u, v) = (a * x + b * y + c, d * x + e * y + f);
        if self.is_affine() {
            return [u, v];
        }
        let w = self.weight([x, y]);
        [u / w, v / w]
    }

    /// What the coordinates of a point are divided by; 0 and less beyond the horizon.
    pub(super) fn weight(&self, [x, y]: [f64; 2]) -> f64 {
        let [.., g, h, i] = self.0;
        g * x + h * y + i
    }

    /// As [`at`](Self::at), for many points, whose coordinates are in two slices. What lies beyond the horizon becomes NaN.
    pub(super) fn follow(&self, xs: &mut [f64], ys: &mut [f64]) {
        if self.is_affine() {
            follow_affine(self.0, xs, ys);
        } else {
            follow_perspective(self.0, xs, ys);
        }
    }

    /// Whether parallel lines stay parallel.
    #[must_use]
    pub fn is_affine(&self) -> bool {
        self.0[6..] == [0.0, 0.0, 1.0]
    }

    /// The numbers of the matrix, row by row.
    #[must_use]
    pub fn matrix(&self) -> [f64; 9] {
        self.0
    }

    /// `first`, then this map.
    #[must_use]
    pub fn after(&self, first: &Self) -> Self {
        let (m, n) = (self.0, first.0);
        let mut product = [0.0; 9];
        for (at, value) in product.iter_mut().enumerate() {
            let (row, column) = (at / 3 * 3, at % 3);
            *value = (0..3).map(|k| m[row + k] * n[3 * k + column]).sum();
        }
        Self(normalized(product))
    }

    /// The map that takes every point back; `None` where several points have the same image.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        let [a, b, c, d, e, f, g, h, i] = self.0;
        let adjugate = [
            e * i - f * h,
            c * h - b * i,
            b * f - c * e,
            f * g - d * i,
            a * i - c * g,
            c * d - a * f,
            d * h - e * g,
            b * g - a * h,
            a * e - b * d,
        ];
        let determinant = a * adjugate[0] + b * adjugate[3] + c * adjugate[6];
        let inverse = adjugate.map(|value| value / determinant);
        let good = determinant != 0.0 && inverse.iter().all(|value| value.is_finite());
        good.then(|| Self(normalized(inverse)))
    }
}

wide! {
    fn follow_affine(matrix: [f64; 9], xs: &mut [f64], ys: &mut [f64]) {
        let [a, b, c, d, e, f, ..] = matrix;
        for (x, y) in xs.iter_mut().zip(ys) {
            (*x, *y) = (a * *x + b * *y + c, d * *x + e * *y + f);
        }
    }
}

wide! {
    fn follow_perspective(matrix: [f64; 9], xs: &mut [f64], ys: &mut [f64]) {
        let [a, b, c, d, e, f, g, h, i] = matrix;
        for (x, y) in xs.iter_mut().zip(ys) {
            let (u, v) = (a * *x + b * *y + c, d * *x + e * *y + f);
            let w = g * *x + h * *y + i;
            (*x, *y) = if w > 0.0 { (u / w, v / w) } else { (f64::NAN, f64::NAN) };
        }
    }
}

/// The same map with 1 as its last number, so that an affine map is known as one.
fn normalized(matrix: [f64; 9]) -> [f64; 9] {
    let last = matrix[8];
    if last > 0.0 && last.is_finite() {
        matrix.map(|value| value / last)
    } else {
        matrix
    }
}
