//! [`PerTensor`]: an [`Update`] of all parameters by a [`Rule`], with groups, schedules and state by
//! path.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use firebrick_core::ConfigError;
use firebrick_core::parameters::{Gradients, Parameter, Parameters};
use firebrick_core::update::{
    GroupFactors, ParameterState, Reevaluate, Step, Update, UpdateError, UpdateState,
};

use crate::about::Optimize;
use crate::rule::{Moment, Rule, STEP, StateNames, Stepping};

/// A rule is an optimizer of all parameters, one by one.
impl<R: Rule + Clone + 'static> Optimize for R {
    fn update(&self) -> Result<Box<dyn Update>, ConfigError> {
        Ok(Box::new(PerTensor::new(self.clone())))
    }

    fn memory(&self, shape: &[usize]) -> usize {
        self.state_size(shape)
    }
}

/// The state tensor that is not as long as its parameter, and its length.
fn misfit<'a>(
    names: StateNames,
    parameter: &Parameter,
    state: &'a ParameterState,
) -> Option<(&'a str, usize)> {
    let [elements] = parameter.value.dims();
    let lengths = state.tensors.iter();
    lengths
        .map(|(what, tensor)| (what.as_str(), tensor.dims()[0]))
        .find(|(what, found)| *found != elements && !names.other.contains(what))
}

/// An [`Update`] that applies a [`Rule`] to each parameter.
///
/// A parameter without a gradient, or whose group has learning rate 0, is left alone together with
/// its state. A base rate of 0 is another thing: the state moves on and the values stay.
#[derive(Debug, Clone)]
pub struct PerTensor<R> {
    rule: R,
    /// An entry for every parameter seen, empty until it is stepped, so that a lost one is missed.
    parameters: BTreeMap<String, ParameterState>,
}

impl<R: Rule> PerTensor<R> {
    /// Without any state.
    pub fn new(rule: R) -> Self {
        Self {
            rule,
            parameters: BTreeMap::new(),
        }
    }

    /// The rule.
    pub fn rule(&self) -> &R {
        &self.rule
    }

    fn failed(&self, reason: String) -> UpdateError {
        UpdateError::Failed {
            name: R::ABOUT.name.into(),
            reason,
        }
    }

    /// The parameters with other values of those that were stepped; `None` where none has any.
    fn elsewhere(
        &self,
        parameters: &Parameters,
        other: impl Fn(usize, &Parameter, &ParameterState) -> Option<Tensor<1>>,
    ) -> Option<Parameters> {
        let others = parameters.0.iter().enumerate().map(|(index, parameter)| {
            let state = self.parameters.get(&parameter.path);
            let stepped = state.filter(|state| state.numbers.contains_key(STEP));
            stepped.and_then(|state| other(index, parameter, state))
        });
        let others: Vec<_> = others.collect();
        others.iter().any(Option::is_some).then(|| {
            let moved = parameters.0.iter().zip(others);
            let moved = moved.map(|(parameter, other)| Parameter {
                value: other.unwrap_or_else(|| parameter.value.clone()),
                ..parameter.clone()
            });
            Parameters(moved.collect())
        })
    }

    /// The moment of a parameter, unless it is left alone. Only its entry is made, if need be.
    fn moment(
        &mut self,
        step: &Step<'_>,
        group: GroupFactors,
        parameter: &Parameter,
        gradient: Option<&Tensor<1>>,
    ) -> Result<Option<Moment>, UpdateError> {
        let (lr, path) = (step.lr * group.lr, &parameter.path);
        if !lr.is_finite() {
            return Err(self.failed(format!("the learning rate of `{path}` is {lr}")));
        }
        let state = match self.parameters.get(path) {
            Some(state) => state,
            None => self.parameters.entry(path.clone()).or_default(),
        };
        if gradient.is_none() || group.lr == 0.0 {
            return Ok(None);
        }
        let names = self.rule.state();
        if let Some((what, found)) = misfit(names, parameter, state) {
            let [elements] = parameter.value.dims();
            return Err(UpdateError::State(format!(
                "`{path}` has {elements} elements, but its {what} has {found}"
            )));
        }
        Ok(Some(Moment::new(step, group, state)))
    }

    /// Whether the state of one parameter is empty or just what the rule keeps.
    fn check(&self, path: &str, state: &ParameterState) -> Result<(), String> {
        if state.tensors.is_empty() && state.numbers.is_empty() {
            return Ok(());
        }
        let (rule, names) = (R::ABOUT.name, self.rule.state());
        let wanted_numbers = || names.numbers.iter().chain(&[STEP]);
        let lacks = |what: &str| Err(format!("`{path}` has no {what}, which {rule} keeps"));
        let tensors = &state.tensors;
        if let Some(what) = names
            .tensors
            .iter()
            .find(|what| !tensors.contains_key(**what))
        {
            return lacks(what);
        }
        if let Some(what) = wanted_numbers().find(|what| !state.numbers.contains_key(**what)) {
            return lacks(what);
        }
        let surplus_tensor = tensors.keys().find(|what| {
            let what = what.as_str();
            ![names.tensors, names.optional, names.other]
                .iter()
                .any(|known| known.contains(&what))
        });
        let surplus_number = state
            .numbers
            .keys()
            .find(|what| !wanted_numbers().any(|wanted| wanted == what));
        if let Some(what) = surplus_tensor.or(surplus_number) {
            return Err(format!(
                "`{path}` has {what}, which {rule} does not use with these settings"
            ));
        }
        if let Some((what, number)) = state.numbers.iter().find(|(_, n)| !n.is_finite()) {
            return Err(format!("`{path}` has {what} = {number}"));
        }
        let mut lengths = tensors
            .iter()
            .filter(|(what, _)| !names.other.contains(&what.as_str()))
            .map(|(what, tensor)| (what, tensor.dims()[0]));
        if let Some((first, length)) = lengths.next()
            && let Some((other, found)) = lengths.find(|(_, found)| *found != length)
        {
            return Err(format!(
                "`{path}` has {length} elements in {first}, but {found} in {other}"
            ));
        }
        Ok(())
    }

    fn check_all(&self, state: &UpdateState, paths: &[String]) -> Result<(), UpdateError> {
        state.check_name(R::ABOUT.name)?;
        // Before the first update there is no entry at all.
        if state.parameters.is_empty() {
            return Ok(());
        }
        state.check_paths(paths)?;
        let mut parameters = state.parameters.iter();
        parameters
            .try_for_each(|(path, state)| self.check(path, state))
            .map_err(UpdateError::State)
    }
}

impl<R: Rule> Update for PerTensor<R> {
    fn name(&self) -> &str {
        R::ABOUT.name
    }

    fn step(
        &mut self,
        step: &Step<'_>,
        parameters: Parameters,
        gradients: Gradients,
        _reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let counted = gradients.check_count(parameters.0.len());
        counted.map_err(|reason| self.failed(reason))?;
        let (Parameters(parameters), Gradients(gradients)) = (parameters, gradients);
        let mut moments = Vec::with_capacity(parameters.len());
        for (index, (parameter, gradient)) in parameters.iter().zip(&gradients).enumerate() {
            moments.push(self.moment(step, step.group(index), parameter, gradient.as_ref())?);
        }
        let states = self.parameters.iter_mut();
        let mut states: BTreeMap<_, _> =
            states.map(|(path, state)| (path.as_str(), state)).collect();
        let names: Vec<_> = parameters
            .iter()
            .map(|one| (one.path.clone(), one.shape.clone()))
            .collect();
        let (mut stepping, mut values) = (Vec::new(), Vec::new());
        let moved = parameters.into_iter().zip(gradients).zip(moments);
        for ((path, shape), ((parameter, gradient), now)) in names.iter().zip(moved) {
            let value = parameter.value;
            values.push(match (now, gradient, states.remove(path.as_str())) {
                (Some(now), Some(gradient), Some(state)) => {
                    state.numbers.insert(STEP.into(), now.step as f64);
                    stepping.push(Stepping {
                        now,
                        path,
                        shape,
                        value,
                        gradient,
                        state,
                    });
                    None
                }
                (Some(_), _, None) => {
                    return Err(self.failed(format!("two parameters are called `{path}`")));
                }
                _ => Some(value),
            });
        }
        let mut stepped = self.rule.step(stepping).into_iter();
        let put = names.into_iter().zip(values).map(|((path, shape), value)| {
            value
                .or_else(|| stepped.next())
                .map(|value| Parameter { path, shape, value })
        });
        let parameters: Option<_> = put.collect();
        parameters
            .map(Parameters)
            .ok_or_else(|| self.failed("it returned fewer parameters than it was given".into()))
    }

    fn gradient_point(&self, step: &Step<'_>, parameters: &Parameters) -> Option<Parameters> {
        self.elsewhere(parameters, |index, parameter, state| {
            let group = step.group(index);
            // A parameter that is left alone, or that the step will refuse, stays where it is.
            if group.lr == 0.0 || misfit(self.rule.state(), parameter, state).is_some() {
                return None;
            }
            let now = Moment::new(step, group, state);
            self.rule.gradient_point(&parameter.value, state, now)
        })
    }

    fn evaluation_view(&self, parameters: &Parameters) -> Option<Parameters> {
        self.elsewhere(parameters, |_, parameter, state| {
            self.rule.evaluation(&parameter.value, state)
        })
    }

    fn state(&self) -> UpdateState {
        UpdateState {
            name: R::ABOUT.name.into(),
            parameters: self.parameters.clone(),
            ..UpdateState::default()
        }
    }

    /// The tensors of one parameter must agree in length; that they agree with the parameter is
    /// checked where it is known, at the next step.
    fn load_state(
        &mut self,
        state: UpdateState,
        paths: &[String],
        device: &Device,
    ) -> Result<(), UpdateError> {
        self.check_all(&state, paths)?;
        self.parameters = state.to_device(device).parameters;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
