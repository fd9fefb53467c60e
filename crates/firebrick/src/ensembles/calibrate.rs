//! How the confidence of an ensemble is fitted to its accuracy: by its combined prediction, or member by member.

use std::fmt;
use std::str::FromStr;

use firebrick_core::ConfigError;
use firebrick_core::run::ensemble::CalibratedFigures;
use firebrick_core::spec::Spec;
use firebrick_ensemble::combine::{self, Combiner};
use firebrick_ensemble::score::ensemble_figures;
use firebrick_ensemble::{EnsembleError, LogProbabilities, Members, calibrate};

/// The name of [`Calibrate::PerMember`].
const PER_MEMBER: &str = "per_member";

/// What is calibrated, and how.
#[derive(Debug, Clone, PartialEq)]
pub enum Calibrate {
    /// What the members predict together, by a unit of [`firebrick_ensemble::calibrate`].
    Pooled(Spec),
    /// Each member by a temperature of its own, before they combine.
    PerMember,
}

impl Default for Calibrate {
    /// One temperature for what the members predict together.
    fn default() -> Self {
        Self::Pooled(Spec::new("temperature"))
    }
}

impl FromStr for Calibrate {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let spec: Spec = text.parse()?;
        if spec == Spec::new(PER_MEMBER) {
            return Ok(Self::PerMember);
        }
        let names = calibrate::REGISTRY.names();
        if !names.contains(&spec.name.as_str()) {
            let known = names.into_iter().chain([PER_MEMBER]);
            return Err(ConfigError::unknown_name("calibration", &spec.name, known));
        }
        calibrate::build(&spec)?;
        Ok(Self::Pooled(spec))
    }
}

impl fmt::Display for Calibrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pooled(spec) => spec.fmt(f),
            Self::PerMember => f.write_str(PER_MEMBER),
        }
    }
}

/// What members predict, and the classes of the images.
pub(super) struct Known<'a> {
    pub(super) members: &'a Members<'a>,
    pub(super) labels: &'a [usize],
}

/// The figures of the ensemble on the images `of`, calibrated as `how` says by those to fit on. `combiner` was fitted to
/// the latter. Nothing for the one temperature whose figures every report has.
///
/// # Errors
/// [`EnsembleError::Fit`] where there is no best fit, of a member with its name.
pub(super) fn calibrated(
    how: &Calibrate,
    combiner: &Combiner,
    fit_on: &Known<'_>,
    of: &Known<'_>,
) -> Result<Option<CalibratedFigures>, EnsembleError> {
    let (parameters, predicted) = match how {
        how if *how == Calibrate::default() => return Ok(None),
        Calibrate::Pooled(spec) => {
            let pooled = combiner.combine(fit_on.members)?;
            let calibration = calibrate::fit(spec, &pooled, fit_on.labels)?;
            let predicted = calibration.apply(&combiner.combine(of.members)?)?;
            (calibration.parameters, predicted)
        }
        Calibrate::PerMember => per_member(&combiner.rule, fit_on, of)?,
    };
    let figures = ensemble_figures(&predicted, of.labels)?;
    Ok(Some(CalibratedFigures {
        by: how.to_string(),
        parameters,
        top1: figures.top1,
        nll: figures.nll,
        brier: figures.brier,
        ece: figures.ece,
        ece_adaptive: figures.ece_adaptive,
    }))
}

/// A temperature for each member, and what the members predict together at these. A rule that is fitted is fitted to
/// members at their temperatures.
fn per_member(
    rule: &Spec,
    fit_on: &Known<'_>,
    of: &Known<'_>,
) -> Result<(Vec<f64>, LogProbabilities), EnsembleError> {
    let mut temperatures = Vec::new();
    for (place, name) in fit_on.members.names().enumerate() {
        let alone = fit_on.members.prediction(place);
        let fitted = calibrate::fit(&Spec::new("temperature"), &alone, fit_on.labels);
        let fitted = fitted.map_err(|error| match error {
            EnsembleError::Fit { unit, problem } => EnsembleError::Fit {
                unit,
                problem: format!("member {name}: {problem}"),
            },
            other => other,
        })?;
        temperatures.extend(fitted.parameters);
    }
    let members = fit_on.members.clone().with_temperatures(&temperatures)?;
    let combiner = combine::fit(rule, &members, Some(fit_on.labels))?;
    let members = of.members.clone().with_temperatures(&temperatures)?;
    let predicted = combiner.combine(&members)?;
    Ok((temperatures, predicted))
}

#[cfg(test)]
mod tests {
    use firebrick_ensemble::Member;

    use super::*;

    /// Two members that are sure to different degrees, of three classes.
    fn logits(scale: f32, shift: usize) -> Vec<f32> {
        let row = |image: usize| {
            [0, 1, 2].map(|class: usize| {
                let own = if class == image % 3 { 1.5 } else { 0.0 };
                let noise = ((7 * image + 5 * class + shift) % 11) as f32 / 11.0;
                scale * (own + 3.0 * noise)
            })
        };
        (0..60).flat_map(row).collect()
    }

    fn labels() -> Vec<usize> {
        (0..60).map(|image| image % 3).collect()
    }

    fn members<'a>(a: &'a [f32], b: &'a [f32]) -> Members<'a> {
        Members::new(vec![Member::new("a", a, 3), Member::new("b", b, 3)]).unwrap()
    }

    fn found(how: &str, rule: &str) -> Option<CalibratedFigures> {
        let (a, b) = (logits(4.0, 0), logits(0.3, 3));
        let (members, labels) = (members(&a, &b), labels());
        let known = Known {
            members: &members,
            labels: &labels,
        };
        let combiner = combine::fit(&rule.parse().unwrap(), &members, Some(&labels)).unwrap();
        calibrated(&how.parse().unwrap(), &combiner, &known, &known).unwrap()
    }

    #[test]
    fn the_temperature_of_each_member_takes_back_how_sure_it_is() {
        for rule in ["mean", "weighted"] {
            let by_member = found("per_member", rule).unwrap();
            let [a, b] = by_member.parameters[..] else {
                panic!("{by_member:?}")
            };
            assert!(a > 1.5 && b < 0.5, "{a} {b}");
            // At their temperatures they are what members with logits of these sizes are.
            let scaled = |logits: Vec<f32>, by: f64| -> Vec<f32> {
                let scaled = logits.iter().map(|value| (f64::from(*value) / by) as f32);
                scaled.collect()
            };
            let (a, b) = (scaled(logits(4.0, 0), a), scaled(logits(0.3, 3), b));
            let (members, labels) = (members(&a, &b), labels());
            let combiner = combine::fit(&rule.parse().unwrap(), &members, Some(&labels)).unwrap();
            let expected = ensemble_figures(&combiner.combine(&members).unwrap(), &labels).unwrap();
            assert!((by_member.nll - expected.nll).abs() < 1e-5, "{rule}");
            assert!((by_member.brier - expected.brier).abs() < 1e-5, "{rule}");
        }
    }

    #[test]
    fn more_freedom_has_no_greater_nll_on_what_it_is_fitted_to() {
        assert_eq!(found("temperature", "mean"), None);
        let (a, b) = (logits(4.0, 0), logits(0.3, 3));
        let (members, labels) = (members(&a, &b), labels());
        let combiner = combine::fit(&"mean".parse().unwrap(), &members, None).unwrap();
        let pooled = combiner.combine(&members).unwrap();
        let one = calibrate::fit(&Spec::new("temperature"), &pooled, &labels).unwrap();
        let one = ensemble_figures(&one.apply(&pooled).unwrap(), &labels).unwrap();
        let vector = found("vector", "mean").unwrap();
        assert_eq!((vector.by.as_str(), vector.parameters.len()), ("vector", 6));
        assert!(vector.nll <= one.nll + 1e-10, "{} {}", vector.nll, one.nll);
        let before = ensemble_figures(&pooled, &labels).unwrap();
        assert!(vector.nll < before.nll - 1e-3);
    }

    #[test]
    fn a_calibration_that_is_none_is_named() {
        let error = "per_membr".parse::<Calibrate>().unwrap_err().to_string();
        assert!(error.contains("did you mean `per_member`?"), "{error}");
        let error = "vector(3)".parse::<Calibrate>().unwrap_err().to_string();
        assert!(error.contains("vector"), "{error}");
        assert_eq!("per_member".parse(), Ok(Calibrate::PerMember));
        assert_eq!("temperature".parse(), Ok(Calibrate::default()));
    }
}
