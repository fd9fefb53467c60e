//! Rules over all parameters of a model together, what [`crate::rule::Rule`] is for one tensor: the
//! parameters that a step changes as one vector, and a state by path.

use std::fmt::Debug;

use burn::tensor::Device;
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::update::{Reevaluate, Step, Update, UpdateError, UpdateState};

mod joint_vector;
mod state;

pub(crate) use joint_vector::{JointVector, difference_width, dot, failed, join, largest, split};
pub(crate) use state::{Kept, Names};

/// A rule that makes one step of all parameters; [`WholeModel`] makes it an [`Update`].
pub(crate) trait WholeModelRule: Debug + Clone + Send + 'static {
    const NAME: &'static str;
    /// Whether it evaluates the batch again.
    const REEVALUATES: bool = true;
    /// Whether running statistics are taken anew where a step ends.
    const RECOUNTS_STATISTICS: bool = false;

    /// What is in its state.
    fn names(&self) -> Names<'_>;

    /// Steps the parameters of `joint`, of which there is at least one, and counts that in `kept`.
    fn step(
        &mut self,
        kept: &mut Kept,
        joint: &JointVector,
        step: &Step<'_>,
        parameters: Parameters,
        gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError>;

    /// Adds what it keeps outside of `kept`.
    fn save(&self, _state: &mut UpdateState) {}

    /// Takes out of a loaded `kept` what it keeps elsewhere.
    fn load(&mut self, _kept: &mut Kept, _paths: &[String]) -> Result<(), UpdateError> {
        Ok(())
    }
}

/// A [`WholeModelRule`] and its state.
#[derive(Debug, Clone)]
pub(crate) struct WholeModel<R> {
    rule: R,
    kept: Kept,
}

impl<R> WholeModel<R> {
    pub(crate) fn new(rule: R) -> Self {
        Self {
            rule,
            kept: Kept::default(),
        }
    }
}

impl<R: WholeModelRule> Update for WholeModel<R> {
    fn name(&self) -> &str {
        R::NAME
    }

    fn reevaluates(&self) -> bool {
        R::REEVALUATES
    }

    fn recounts_statistics(&self) -> bool {
        R::RECOUNTS_STATISTICS
    }

    fn step(
        &mut self,
        step: &Step<'_>,
        parameters: Parameters,
        gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let joint = JointVector::new(R::NAME, step, &parameters, &gradients)?;
        self.kept.check_lengths(&joint)?;
        let (rule, kept) = (&mut self.rule, &mut self.kept);
        let stepped = if joint.which.is_empty() {
            parameters
        } else {
            rule.step(kept, &joint, step, parameters, gradients, reevaluate)?
        };
        self.kept.see(&stepped);
        Ok(stepped)
    }

    fn state(&self) -> UpdateState {
        let mut state = self.kept.state(R::NAME);
        self.rule.save(&mut state);
        state
    }

    fn load_state(
        &mut self,
        state: UpdateState,
        paths: &[String],
        device: &Device,
    ) -> Result<(), UpdateError> {
        let mut kept = Kept::load(R::NAME, state, paths, device, &self.rule.names())?;
        self.rule.load(&mut kept, paths)?;
        self.kept = kept;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use burn::tensor::{DType, Tensor, TensorData};
    use firebrick_core::parameters::Parameter;

    use super::*;

    /// A value and its gradient.
    pub(crate) type Slope = (f64, Vec<f64>);

    /// One parameter in f64 on flex on its way down a function.
    pub(crate) struct Walk {
        pub(crate) update: Box<dyn Update>,
        /// How often the function was evaluated, the loop's own gradients included.
        pub(crate) evaluations: usize,
    }

    fn tensor(values: &[f64]) -> Tensor<1> {
        let device = firebrick_core::device("flex").unwrap();
        Tensor::from_data(
            TensorData::new(values.to_vec(), [values.len()]),
            (&device, DType::F64),
        )
    }

    impl Walk {
        pub(crate) fn new(update: Box<dyn Update>) -> Self {
            Self {
                update,
                evaluations: 0,
            }
        }

        fn step(
            &mut self,
            index: u64,
            lr: f64,
            at: &[f64],
            gradient: &[f64],
            function: &dyn Fn(&[f64]) -> Slope,
        ) -> Result<Vec<f64>, String> {
            let numbers = |from: &Parameters| -> Vec<f64> {
                from.0[0].value.to_data().iter::<f64>().collect()
            };
            let one = Parameter {
                path: "p".into(),
                shape: vec![at.len()],
                value: tensor(at),
            };
            let evaluations = &mut self.evaluations;
            let mut again = |there: &Parameters| {
                *evaluations += 1;
                let (loss, gradient) = function(&numbers(there));
                Ok((loss, Gradients(vec![Some(tensor(&gradient))])))
            };
            let gradients = Gradients(vec![Some(tensor(gradient))]);
            let step = Step::new(index, lr);
            let stepped = self
                .update
                .step(&step, Parameters(vec![one]), gradients, &mut again);
            stepped
                .map(|there| numbers(&there))
                .map_err(|error| error.to_string())
        }

        /// One step with a gradient that is given.
        pub(crate) fn first_step(
            &mut self,
            at: &[f64],
            gradient: &[f64],
            function: impl Fn(&[f64]) -> Slope,
        ) -> Result<Vec<f64>, String> {
            self.step(0, 1.0, at, gradient, &function)
        }

        /// Some steps from `start`.
        pub(crate) fn walk(
            &mut self,
            start: &[f64],
            steps: u64,
            lr: f64,
            function: impl Fn(&[f64]) -> Slope,
        ) -> Result<Vec<f64>, String> {
            let mut at = start.to_vec();
            for index in 0..steps {
                self.evaluations += 1;
                let (_, gradient) = function(&at);
                at = self.step(index, lr, &at, &gradient, &function)?;
            }
            Ok(at)
        }
    }
}
