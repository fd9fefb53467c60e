//! Taking the learning rate out of a spec, so that one given elsewhere wins.

use firebrick_core::ConfigError;
use firebrick_core::spec::Spec;

use crate::plan::{inner, optimizer_rate, schedule_rate};
use crate::{optimizer, schedule};

/// Whether an optimizer is given a rate, also inside a wrapper.
///
/// # Errors
/// As [`schedule_has_rate`].
pub fn optimizer_has_rate(spec: &Spec) -> Result<bool, ConfigError> {
    optimizer_rate(spec).map(|rate| rate.is_some())
}

/// The optimizer with its arguments by name and without its rate, also inside a wrapper.
///
/// # Errors
/// [`ConfigError::UnknownName`] when there is no such optimizer.
pub fn optimizer_without_rate(spec: &Spec) -> Result<Spec, ConfigError> {
    let fields = (optimizer::find(spec)?.fields)();
    let mut without = by_name(&fields, spec);
    without.named.retain(|(key, _)| key != "lr");
    if let Some(base) = inner(&fields, spec, "base")? {
        without.set("base", optimizer_without_rate(&base)?.into());
    }
    Ok(without)
}

/// The schedule with its arguments by name and without its rate, also inside `warmup`.
///
/// # Errors
/// [`ConfigError::UnknownName`] when there is no such schedule.
pub fn schedule_without_rate(spec: &Spec) -> Result<Spec, ConfigError> {
    let fields = (schedule::REGISTRY.find(spec)?.fields)();
    let mut without = by_name(&fields, spec);
    without
        .named
        .retain(|(key, _)| key != "lr" && key != "max_lr");
    if let Some(then) = inner(&fields, spec, "then")? {
        without.set("then", schedule_without_rate(&then)?.into());
    }
    Ok(without)
}

/// Whether a schedule is given a rate, also inside `warmup`.
///
/// # Errors
/// [`ConfigError::UnknownName`] when there is no such schedule; [`ConfigError::OutOfRange`] for a
/// rate that is negative or not finite.
pub fn schedule_has_rate(spec: &Spec) -> Result<bool, ConfigError> {
    schedule_rate(spec).map(|rate| rate.is_some())
}

fn by_name(fields: &[(String, impl Sized)], spec: &Spec) -> Spec {
    if spec.positional.len() > fields.len() {
        // Building it names the surplus.
        return spec.clone();
    }
    let names = fields.iter().map(|(name, _)| name.clone());
    let mut named: Vec<_> = names.zip(spec.positional.iter().cloned()).collect();
    named.extend(spec.named.iter().cloned());
    Spec {
        named,
        ..Spec::new(&spec.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_taken_out_wherever_they_stand() {
        let read = |text: &str| text.parse::<Spec>().unwrap();
        let optimizer = optimizer_without_rate(&read("sgd(0.1, 0.9)")).unwrap();
        assert_eq!(optimizer.to_string(), "sgd(momentum=0.9)");
        let schedule = read("warmup(10, then=one_cycle(0.1, steps=90))");
        assert_eq!(
            schedule_without_rate(&schedule).unwrap().to_string(),
            "warmup(steps=10, then=one_cycle(steps=90))"
        );
        assert!(schedule_has_rate(&schedule).unwrap());
        let table = Spec::new("warmup").with("then", "cosine(0.1, 90)");
        assert_eq!(
            schedule_without_rate(&table).unwrap().to_string(),
            "warmup(then=cosine(steps=90))"
        );
        assert!(schedule_has_rate(&table).unwrap());
        let surplus = read("constant(1, 2)");
        assert_eq!(schedule_without_rate(&surplus).unwrap(), surplus);
        assert!(!schedule_has_rate(&read("warmup(10, then=cosine)")).unwrap());
        assert!(optimizer_without_rate(&read("sgdd")).is_err());
    }
}
