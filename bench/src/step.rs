//! Whole training steps: forward, cross-entropy, backward, SGD with momentum.

use anyhow::Result;
use firebrick::core::parameters::{Gradients, Parameters};
use firebrick::core::update::{Step, Update, UpdateError};
use firebrick::prelude::{Classifier, CrossEntropy, Loss, Targets};

use crate::case::Network;
use crate::opened::Opened;
use crate::{memory, network};

pub(crate) fn open(case: &Network) -> Result<Opened> {
    let device = firebrick::core::device("flex")?.autodiff();
    let model = network::build(case, &device)?;
    let parameters = network::parameters(&model);
    let images = network::images(case, &device);
    let labels = (0..case.batch).map(|image| image % case.classes).collect();
    let targets = Targets::Classes(labels);
    let mut update = optimizer("sgd(momentum=0.9)")?;
    let (lr, loss) = (case.lr, CrossEntropy::default());

    let (mut model, mut index) = (Some(model), 0);
    let mut step = move || -> Result<f64> {
        let Some(current) = model.take() else {
            anyhow::bail!("an earlier step failed");
        };
        let value = loss.loss(current.forward(images.clone()), &targets);
        let value = value.mean();
        let mut gradients = value.backward();
        let gradients = Gradients::take(&current, &mut gradients);
        let (shell, parameters) = Parameters::take(current);
        let parameters = apply(&mut *update, index, lr, parameters, gradients)?;
        model = Some(parameters.put(shell));
        index += 1;
        Ok(value.into_data().iter::<f64>().sum())
    };

    memory::forget_peak();
    let (resident, code) = (memory::mib("VmRSS"), memory::mib("RssFile"));
    let losses = (0..3).map(|_| step()).collect::<Result<Vec<f64>>>()?;
    let peak = memory::mib("VmHWM") - resident;
    let peak_code = memory::mib("RssFile") - code;
    Ok(Opened::new(move || step().map(drop))
        .report("parameters", parameters)
        .report("losses", losses)
        .report("peak_mib", peak)
        .report("peak_code_mib", peak_code))
}

/// An optimizer by its spec.
pub(crate) fn optimizer(spec: &str) -> Result<Box<dyn Update>> {
    let spec = spec.parse()?;
    Ok(firebrick::optim::optimizer::build(&spec)?.update)
}

/// One update.
pub(crate) fn apply(
    update: &mut dyn Update,
    index: u64,
    lr: f64,
    parameters: Parameters,
    gradients: Gradients,
) -> Result<Parameters, UpdateError> {
    let step = Step::new(index, lr);
    let mut reevaluate = |_: &Parameters| {
        Err(UpdateError::Failed {
            name: "this".into(),
            reason: "the benchmark evaluates once".into(),
        })
    };
    update.step(&step, parameters, gradients, &mut reevaluate)
}
