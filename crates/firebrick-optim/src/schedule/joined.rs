//! Schedules of the rate, the momentum and the weight decay as one.

use firebrick_core::Schedule;
use firebrick_core::schedule::Observation;

/// The schedule of the rate, with the momentum and the weight decay from schedules of their own where
/// those are given: their `lr` is the value.
#[derive(Debug)]
pub struct Joined {
    /// The rate, the ends of cycles, and what the two others leave open.
    pub lr: Box<dyn Schedule>,
    /// The momentum.
    pub momentum: Option<Box<dyn Schedule>>,
    /// The weight decay.
    pub weight_decay: Option<Box<dyn Schedule>>,
}

impl Schedule for Joined {
    fn lr(&self, step: u64) -> f64 {
        self.lr.lr(step)
    }

    fn ends_cycle(&self, step: u64) -> bool {
        self.lr.ends_cycle(step)
    }

    fn momentum(&self, step: u64) -> Option<f64> {
        match &self.momentum {
            Some(momentum) => Some(momentum.lr(step)),
            None => self.lr.momentum(step),
        }
    }

    fn weight_decay(&self, step: u64) -> Option<f64> {
        match &self.weight_decay {
            Some(decay) => Some(decay.lr(step)),
            None => self.lr.weight_decay(step),
        }
    }

    fn length(&self) -> Option<u64> {
        let mut length = self.lr.length()?;
        for other in self.momentum.iter().chain(&self.weight_decay) {
            length = length.max(other.length()?);
        }
        Some(length)
    }

    fn observe(&mut self, epoch: Observation) {
        self.lr.observe(epoch);
        for other in self.momentum.iter_mut().chain(&mut self.weight_decay) {
            other.observe(epoch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_comes_from_its_own_schedule() {
        let joined = Joined {
            lr: Box::new(0.1),
            momentum: Some(Box::new(0.9)),
            weight_decay: None,
        };
        assert_eq!((joined.lr(7), joined.momentum(7)), (0.1, Some(0.9)));
        assert_eq!((joined.weight_decay(7), joined.length()), (None, Some(0)));
    }
}
