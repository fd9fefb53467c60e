//! The mean over seeds and how far it may be off.

/// Mean and standard deviation of the values of several seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation, with n - 1; 0 for a single value.
    pub sd: f64,
    /// The number of values.
    pub count: usize,
}

impl Spread {
    /// That of these values; `None` without any.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (squares / (count as f64 - 1.0).max(1.0)).sqrt();
        Some(Self { mean, sd, count })
    }

    /// The standard error of the mean; 0 for a single value, which tells nothing of it.
    pub fn error(&self) -> f64 {
        self.sd / (self.count as f64).sqrt()
    }

    /// `12.34 ± 0.56`, or `12.34` for a single value.
    pub fn text(&self, digits: usize) -> String {
        let Self { mean, sd, count } = self;
        if *count == 1 {
            return format!("{mean:.digits$}");
        }
        format!("{mean:.digits$} ± {sd:.digits$}")
    }
}
