//! Functions to descend, with their gradients.

/// A function of all entries and its gradient.
pub type Objective = fn(&[f64]) -> (f64, Vec<f64>);

/// Σ (1 + i/10)/2 · (zᵢ - sin i)²: a bowl whose Hessian is diagonal.
#[must_use]
pub fn bowl(z: &[f64]) -> (f64, Vec<f64>) {
    let slope =
        |(index, z): (usize, &f64)| (1.0 + index as f64 / 10.0) * (z - (index as f64).sin());
    let gradient: Vec<_> = z.iter().enumerate().map(slope).collect();
    let away = |(index, z): (usize, &f64)| z - (index as f64).sin();
    let distances = z.iter().enumerate().map(away);
    let value: f64 = gradient
        .iter()
        .zip(distances)
        .map(|(g, d)| g * d / 2.0)
        .sum();
    (value, gradient)
}

/// The bowl with coupled neighbours: + Σ (zᵢ₊₁ - zᵢ²)²/10.
#[must_use]
pub fn coupled(z: &[f64]) -> (f64, Vec<f64>) {
    let (mut value, mut gradient) = bowl(z);
    for index in 1..z.len() {
        let gap = z[index] - z[index - 1] * z[index - 1];
        value += gap * gap / 10.0;
        gradient[index] += gap / 5.0;
        gradient[index - 1] -= 2.0 * z[index - 1] * gap / 5.0;
    }
    (value, gradient)
}

/// Rosenbrock's valley, 100 (y - x²)² + (1 - x)², for each pair of entries.
#[must_use]
pub fn rosenbrock(z: &[f64]) -> (f64, Vec<f64>) {
    let (mut value, mut gradient) = (0.0, vec![0.0; z.len()]);
    let slopes = gradient.as_chunks_mut::<2>().0;
    for ([x, y], slope) in z.as_chunks::<2>().0.iter().zip(slopes) {
        let gap = y - x * x;
        value += 100.0 * gap * gap + (1.0 - x).powi(2);
        *slope = [-400.0 * x * gap - 2.0 * (1.0 - x), 200.0 * gap];
    }
    (value, gradient)
}
