//! The state of an optimizer over all parameters together.

use std::collections::BTreeMap;

use burn::tensor::Device;
use firebrick_core::parameters::Parameters;
use firebrick_core::update::{ParameterState, UpdateError, UpdateState};

use super::joint_vector::JointVector;
use crate::rule::STEP;

/// What such a rule keeps, by path: an entry for every parameter seen, empty until it is stepped,
/// and numbers of the whole.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub(crate) parameters: BTreeMap<String, ParameterState>,
    pub(crate) numbers: BTreeMap<String, f64>,
}

impl Kept {
    /// Makes the entries.
    pub(crate) fn see(&mut self, parameters: &Parameters) {
        for one in &parameters.0 {
            if !self.parameters.contains_key(&one.path) {
                self.parameters
                    .insert(one.path.clone(), ParameterState::default());
            }
        }
    }

    /// Counts a step of these parameters.
    pub(crate) fn count(&mut self, joint: &JointVector) {
        for path in &joint.paths {
            let numbers = &mut self.parameters.entry(path.clone()).or_default().numbers;
            *numbers.entry(STEP.into()).or_insert(0.0) += 1.0;
        }
    }

    /// How often a parameter was stepped.
    pub(crate) fn steps(&self, path: &str) -> u64 {
        let state = self.parameters.get(path);
        let steps = state.and_then(|state| state.numbers.get(STEP));
        steps.copied().unwrap_or(0.0) as u64
    }

    /// Fails when a tensor kept for a stepped parameter is not of its length.
    pub(crate) fn check_lengths(&self, joint: &JointVector) -> Result<(), UpdateError> {
        for (path, len) in joint.paths.iter().zip(&joint.lens) {
            let state = self.parameters.get(path);
            let tensors = state.into_iter().flat_map(|state| &state.tensors);
            for (what, tensor) in tensors {
                let [found] = tensor.dims();
                if found != *len {
                    return Err(UpdateError::State(format!(
                        "`{path}` has {len} elements, but its {what} has {found}"
                    )));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn state(&self, name: &str) -> UpdateState {
        UpdateState {
            name: name.into(),
            parameters: self.parameters.clone(),
            numbers: self.numbers.clone(),
        }
    }

    /// A state on `device`, when it is one of the rule `name` for these paths: a stepped parameter
    /// keeps the tensors `tensors` and no others but those that are `optional`, each of one length,
    /// and the whole keeps the numbers `numbers` once it has stepped, and perhaps `optional` ones.
    pub(crate) fn load(
        name: &str,
        state: UpdateState,
        paths: &[String],
        device: &Device,
        names: &Names<'_>,
    ) -> Result<Self, UpdateError> {
        names.check(name, &state, paths)?;
        let state = state.to_device(device);
        Ok(Self {
            parameters: state.parameters,
            numbers: state.numbers,
        })
    }
}

/// What may be in the state of such a rule.
pub(crate) struct Names<'a> {
    /// Tensors of every stepped parameter.
    pub(crate) tensors: &'a [&'a str],
    /// Whether a stepped parameter may keep this tensor too.
    pub(crate) optional: fn(&str) -> bool,
    /// Numbers of the whole once it has stepped.
    pub(crate) numbers: &'a [&'a str],
    /// Whether the whole may keep this number too.
    pub(crate) optional_numbers: fn(&str) -> bool,
}

impl Names<'_> {
    /// Nothing but how often each parameter was stepped.
    pub(crate) const NONE: Self = Self {
        tensors: &[],
        optional: |_| false,
        numbers: &[],
        optional_numbers: |_| false,
    };

    fn check(&self, name: &str, state: &UpdateState, paths: &[String]) -> Result<(), UpdateError> {
        state.check_name(name)?;
        // Before the first update there is no entry at all.
        if state.parameters.is_empty() && state.numbers.is_empty() {
            return Ok(());
        }
        state.check_paths(paths)?;
        self.check_contents(name, state).map_err(UpdateError::State)
    }

    fn check_contents(&self, name: &str, state: &UpdateState) -> Result<(), String> {
        let mut all = state.parameters.values();
        let stepped = all.any(|one| one.numbers.contains_key(STEP));
        let lacks = |what: &&&str| stepped && !state.numbers.contains_key(**what);
        if let Some(what) = self.numbers.iter().find(lacks) {
            return Err(format!("the number {what}, which {name} keeps, is missing"));
        }
        for (what, number) in &state.numbers {
            if !self.numbers.contains(&what.as_str()) && !(self.optional_numbers)(what) {
                return Err(format!("it has {what}, which {name} does not use"));
            }
            if !number.is_finite() {
                return Err(format!("it has {what} = {number}"));
            }
        }
        let mut parameters = state.parameters.iter();
        parameters.try_for_each(|(path, one)| self.check_one(name, path, one))
    }

    fn check_one(&self, name: &str, path: &str, one: &ParameterState) -> Result<(), String> {
        if one.tensors.is_empty() && one.numbers.is_empty() {
            return Ok(());
        }
        if let Some(what) = self
            .tensors
            .iter()
            .find(|what| !one.tensors.contains_key(**what))
        {
            return Err(format!("`{path}` has no {what}, which {name} keeps"));
        }
        let unknown =
            |what: &&String| !self.tensors.contains(&what.as_str()) && !(self.optional)(what);
        let surplus = one.tensors.keys().find(unknown);
        if let Some(what) = surplus.or(one.numbers.keys().find(|what| *what != STEP)) {
            return Err(format!("`{path}` has {what}, which {name} does not use"));
        }
        match one.numbers.get(STEP) {
            None => return Err(format!("`{path}` has no {STEP}, which {name} keeps")),
            Some(step) if !step.is_finite() => return Err(format!("`{path}` has {STEP} = {step}")),
            Some(_) => {}
        }
        let mut lens = one
            .tensors
            .iter()
            .map(|(what, tensor)| (what, tensor.dims()[0]));
        if let Some((first, len)) = lens.next()
            && let Some((other, found)) = lens.find(|(_, found)| *found != len)
        {
            return Err(format!(
                "`{path}` has {len} elements in {first}, but {found} in {other}"
            ));
        }
        Ok(())
    }
}
