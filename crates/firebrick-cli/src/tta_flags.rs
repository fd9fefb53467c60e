//! The flags of test-time augmentation, which `eval` and `predict` share.

use clap::Args;
use firebrick::core::spec::Spec;
use firebrick::tta::{Average, TestTime};

use crate::failure::Failure;
use crate::number::real;

/// Views of each image, and how their predictions become one.
#[derive(Args)]
pub(crate) struct TtaFlags {
    /// Test-time augmentation: also average the predictions over several views of each image, such as flip,
    /// ten_crop, 'multiscale([1, 1.25])' or 'policy(trivial_augment, n=16)'. `firebrick tta describe NAME`
    /// explains one
    #[arg(long, value_name = "SPEC", default_value = "none")]
    tta: Spec,
    /// What to average: probabilities (the default) or logits
    #[arg(long, value_name = "WHAT")]
    tta_average: Option<Average>,
    /// Take several views only of images whose most likely class has a probability below P
    #[arg(long, value_name = "P", value_parser = real)]
    tta_below: Option<f64>,
}

impl TtaFlags {
    /// The views, if there are any.
    pub(crate) fn views(&self) -> Result<Option<TestTime>, Failure> {
        if self.tta == Spec::new("none") {
            let given = [
                ("--tta-average", self.tta_average.is_some()),
                ("--tta-below", self.tta_below.is_some()),
            ];
            return match given.iter().find(|(_, given)| *given) {
                None => Ok(None),
                Some((flag, _)) => Err(Failure::Usage(format!(
                    "{flag} has no effect without views of the images: give --tta too, such as --tta flip"
                ))),
            };
        }
        let average = self.tta_average.unwrap_or(Average::Probabilities);
        let views = TestTime::new(&self.tta, average, self.tta_below)?;
        Ok(Some(views))
    }
}
