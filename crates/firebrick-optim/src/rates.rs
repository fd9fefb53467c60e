//! Taking the learning rate out of a spec, so that one given elsewhere wins.

use firebrick_core::ConfigError;
use firebrick_core::registry::Registry;
use firebrick_core::spec::{Spec, Value};

use crate::{optimizer, schedule};

/// The optimizer with its arguments by name and without its rate.
///
/// # Errors
/// [`ConfigError::UnknownName`] when there is no such optimizer.
pub fn optimizer_without_rate(spec: &Spec) -> Result<Spec, ConfigError> {
    let mut spec = by_name(&optimizer::REGISTRY, spec)?;
    spec.named.retain(|(key, _)| key != "lr");
    Ok(spec)
}

/// The schedule with its arguments by name and without its rate, also inside `warmup`.
///
/// # Errors
/// [`ConfigError::UnknownName`] when there is no such schedule.
pub fn schedule_without_rate(spec: &Spec) -> Result<Spec, ConfigError> {
    let mut spec = by_name(&schedule::REGISTRY, spec)?;
    spec.named.retain(|(key, _)| key != "lr" && key != "max_lr");
    for (_, value) in spec.named.iter_mut().filter(|(key, _)| key == "then") {
        // A recipe table holds the inner schedule as text.
        let then = match value {
            Value::Spec(then) => schedule_without_rate(then)?,
            Value::Text(text) => schedule_without_rate(&text.parse()?)?,
            _ => continue,
        };
        *value = then.into();
    }
    Ok(spec)
}

/// Whether a schedule is given a rate, also inside `warmup`.
///
/// # Errors
/// [`ConfigError::UnknownName`] when there is no such schedule; [`ConfigError::OutOfRange`] for a
/// rate that is negative or not finite.
pub fn schedule_has_rate(spec: &Spec) -> Result<bool, ConfigError> {
    crate::plan::schedule_rate(spec).map(|rate| rate.is_some())
}

fn by_name<B>(registry: &Registry<B>, spec: &Spec) -> Result<Spec, ConfigError> {
    let fields = (registry.find(spec)?.fields)();
    if spec.positional.len() > fields.len() {
        // Building it names the surplus.
        return Ok(spec.clone());
    }
    let names = fields.iter().map(|(name, _)| name.clone());
    let mut named: Vec<_> = names.zip(spec.positional.iter().cloned()).collect();
    named.extend(spec.named.iter().cloned());
    Ok(Spec {
        named,
        ..Spec::new(&spec.name)
    })
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
