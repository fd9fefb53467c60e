//! Schedules of the momentum and the weight decay: their values replace those of the optimizer.

use burn::tensor::DType;
use firebrick_core::spec::{Spec, Value};
use firebrick_core::update::Step;

use super::descent::Descent;
use super::kit::{Kit, flex, gradient, start};
use crate::about::Entry;
use crate::hyperparameter_schedules::Scheduled;
use crate::optimizer;

impl Kit<'_> {
    pub(super) fn what_is_scheduled_stands_in_for_its_own(&self) {
        for (kind, value) in [(Scheduled::Momentum, 0.37), (Scheduled::WeightDecay, 0.23)] {
            let (own, name) = (self.canonical(), kind.unit());
            let (scheduled, plain) = (
                self.scheduled(&own, kind, Some(value)),
                self.scheduled(&own, kind, None),
            );
            if !kind.moves(self.entry, &own).unwrap() {
                assert!(
                    scheduled == plain,
                    "{}: a {name} has an effect, though no field is known to follow it",
                    self.spec
                );
                continue;
            }
            assert!(
                scheduled != plain,
                "{}: a {name} has no effect; a field that cannot follow one is `Field::fixed`",
                self.spec
            );
            let same = with_value(self.entry, &own, kind, value);
            if (self.entry.build.update)(&same).is_err() {
                continue;
            }
            let expected = self.scheduled(&same, kind, None);
            for (found, expected) in scheduled.iter().zip(&expected) {
                assert!(
                    (found - expected).abs() <= 1e-12 * (1.0 + expected.abs()),
                    "{}: a {name} at {value} gives {found}, {same} gives {expected}",
                    self.spec
                );
            }
        }
    }

    /// The path of a spec with this value scheduled: down a bowl, and along gradients whose signs change,
    /// for rules that use only the signs.
    fn scheduled(&self, spec: &Spec, kind: Scheduled, value: Option<f64>) -> Vec<f64> {
        let kit = Kit {
            entry: self.entry,
            spec,
        };
        let start = start(&flex(), DType::F64);
        let along = Descent::along(kit.build(), start, |step| gradient(step, 1.0));
        let mut way = Vec::new();
        for mut descent in [kit.descent(), along] {
            for index in 0..6 {
                let mut step = Step::new(index, self.lr());
                match kind {
                    Scheduled::Momentum => step.momentum = value,
                    Scheduled::WeightDecay => step.weight_decay = value,
                }
                // A rule that searches may say that there is no way down a plane.
                if descent.try_step(&step).is_err() {
                    break;
                }
                way.extend(descent.values().concat());
            }
        }
        way
    }
}

/// The spec with this value in every field that the schedule replaces, also in the optimizer that it
/// wraps and in fields for a part of it (`adam_beta1`).
fn with_value(entry: Entry, spec: &Spec, kind: Scheduled, value: f64) -> Spec {
    let mut spec = spec.clone();
    for field in entry.about.fields {
        let of_kind = kind.names().iter().any(|name| field.name.ends_with(name));
        match spec.get(field.name) {
            Some(Value::Spec(base)) => {
                if let Ok(entry) = optimizer::REGISTRY.find(base) {
                    let base = with_value(entry, base, kind, value);
                    spec.set(field.name, base.into());
                }
            }
            Some(Value::Number(_)) if of_kind => spec.set(field.name, value.into()),
            _ => {}
        }
    }
    spec
}
