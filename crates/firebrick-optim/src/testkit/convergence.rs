//! The contract of convergence: down a bowl, and down Rosenbrock's valley.

use burn::tensor::DType;
use firebrick_core::update::Step;

use super::descent::{Descent, parameters, values};
use super::kit::{Kit, flex};
use super::objectives::{Objective, bowl, rosenbrock};

const BOWL_START: [f64; 6] = [2.0, -1.0, 0.5, 3.0, -2.0, 0.25];

impl Kit<'_> {
    pub(super) fn it_converges(&self) {
        self.reaches(bowl, "a quadratic", &BOWL_START, 300, 0.02);
        self.reaches(rosenbrock, "Rosenbrock's valley", &[-1.2, 1.0], 1500, 0.1);
    }

    /// With one of several rates, the loss falls below a share of the first.
    fn reaches(&self, objective: Objective, name: &str, start: &[f64], steps: u64, share: f64) {
        let (first, _) = objective(start);
        let own = self.lr();
        let rates = [1.0, 10.0, 100.0, 4.0, 0.2, 0.1, 1000.0, 0.01].map(|factor| own * factor);
        let mut best = f64::INFINITY;
        for lr in rates {
            let named = [("point", &[start.len()][..], start.to_vec())];
            let parameters = parameters(&named, &flex(), DType::F64);
            let mut descent = Descent::new(self.build(), parameters, objective, 1.0);
            let mut at = first;
            for index in 0..steps {
                if descent.try_step(&Step::new(index, lr)).is_err() {
                    break;
                }
                let view = descent.update.evaluation_view(&descent.parameters);
                let place = view.as_ref().unwrap_or(&descent.parameters);
                at = objective(&values(place).concat()).0;
                if at <= share * first {
                    return;
                }
                if !at.is_finite() {
                    break;
                }
            }
            best = best.min(at);
        }
        panic!(
            "{} goes from {first} to {best:.3e} on {name} at best, in {steps} steps",
            self.spec
        );
    }
}
