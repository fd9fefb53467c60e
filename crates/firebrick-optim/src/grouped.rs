//! Several optimizers in one update, each for the parameters of its group: [`grouped()`].

use burn::tensor::Device;
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::spec::Spec;
use firebrick_core::update::{GroupFactors, Reevaluate, Step, Update, UpdateError, UpdateState};
use firebrick_core::{ConfigError, GroupRule};

use crate::optimizer;
use crate::rates::optimizer_rate;

/// The update that gives each parameter to the optimizer of the last rule that matches its path and
/// names one, else to `main`. Without such rules it is `main`.
///
/// `lr` is the base rate of `main`. All follow its schedule: an optimizer with a rate of its own is
/// stepped at the scheduled rate times own / `lr`, one without at the scheduled rate. Scheduled
/// momentum and weight decay are those of all.
///
/// A rule that evaluates its batch again does so with the other groups' parameters as they were.
///
/// # Errors
/// [`ConfigError`] naming the optimizer and the field; [`ConfigError::Conflict`] for an own rate
/// beside a main rate of 0.
pub fn grouped(
    main: Box<dyn Update>,
    lr: f64,
    rules: &[GroupRule],
) -> Result<Box<dyn Update>, ConfigError> {
    let mut members = Vec::new();
    for rule in rules {
        if let Some(spec) = &rule.optimizer {
            members.push(Member {
                rule: Some(rule.clone()),
                factor: rate_factor(spec, lr)?,
                update: optimizer::build(spec)?.update,
            });
        }
    }
    if members.is_empty() {
        return Ok(main);
    }
    let of_rules = members.iter().map(|member| {
        let path = member.rule.as_ref().map_or("*", |rule| &rule.path);
        format!("{path}: {}", member.update.name())
    });
    let of_rules = of_rules.collect::<Vec<_>>().join(", ");
    let name = format!("grouped({}, {of_rules})", main.name());
    members.insert(
        0,
        Member {
            rule: None,
            factor: 1.0,
            update: main,
        },
    );
    Ok(Box::new(Grouped { name, members }))
}

/// The optimizer that a path has beside the main one `main`, and what its rate is multiplied by.
///
/// # Errors
/// As [`grouped()`].
pub fn optimizer_of(
    path: &str,
    main: &Spec,
    lr: f64,
    rules: &[GroupRule],
) -> Result<(Spec, f64), ConfigError> {
    let matching = rules.iter().rev().filter(|rule| rule.matches(path));
    match matching.filter_map(|rule| rule.optimizer.as_ref()).next() {
        Some(spec) => Ok((optimizer::build(spec)?.spec, rate_factor(spec, lr)?)),
        None => Ok((main.clone(), 1.0)),
    }
}

fn rate_factor(spec: &Spec, lr: f64) -> Result<f64, ConfigError> {
    match optimizer_rate(spec)? {
        None => Ok(1.0),
        Some((own, _)) if own == lr => Ok(1.0),
        Some((own, place)) if lr == 0.0 => Err(ConfigError::Conflict(format!(
            "a group has {place}, which is taken relative to the main learning rate, but that is 0; set the main learning rate above 0, or remove the group's {own}"
        ))),
        Some((own, _)) => Ok(own / lr),
    }
}

struct Member {
    /// None for the main one.
    rule: Option<GroupRule>,
    /// Multiplies the rate.
    factor: f64,
    update: Box<dyn Update>,
}

struct Grouped {
    name: String,
    members: Vec<Member>,
}

impl Grouped {
    /// The member that has a path.
    fn route(&self, path: &str) -> usize {
        let matches = |member: &Member| member.rule.as_ref().is_some_and(|rule| rule.matches(path));
        self.members.iter().rposition(matches).unwrap_or(0)
    }

    fn routes(&self, parameters: &Parameters) -> Vec<usize> {
        let parameters = parameters.0.iter();
        parameters.map(|one| self.route(&one.path)).collect()
    }

    /// One view of all parameters, of what the members see of theirs; none where none differs.
    fn view(
        &self,
        parameters: &Parameters,
        of: impl Fn(&Member, &[usize], &Parameters) -> Option<Parameters>,
    ) -> Option<Parameters> {
        let routes = self.routes(parameters);
        let mut view = parameters.clone();
        let mut differs = false;
        for (index, member) in self.members.iter().enumerate() {
            let places = places(&routes, index);
            if let Some(own) = of(member, &places, &pick(&parameters.0, &places)) {
                differs = true;
                put(&mut view, &places, own);
            }
        }
        differs.then_some(view)
    }

    /// The state of one member out of that of all.
    fn split(&self, index: usize, state: &UpdateState) -> UpdateState {
        let prefix = format!("{index}.");
        let parameters = state.parameters.iter();
        let numbers = state.numbers.iter();
        UpdateState {
            name: self.members[index].update.name().into(),
            parameters: parameters
                .filter(|(path, _)| self.route(path) == index)
                .map(|(path, state)| (path.clone(), state.clone()))
                .collect(),
            numbers: numbers
                .filter_map(|(name, number)| Some((name.strip_prefix(&prefix)?.into(), *number)))
                .collect(),
        }
    }

    fn load_all(
        &mut self,
        state: &UpdateState,
        paths: &[String],
        device: &Device,
    ) -> Result<(), UpdateError> {
        for index in 0..self.members.len() {
            let own = paths.iter().filter(|path| self.route(path) == index);
            let own: Vec<_> = own.cloned().collect();
            let state = self.split(index, state);
            self.members[index].update.load_state(state, &own, device)?;
        }
        Ok(())
    }
}

/// Where the parameters of a member are.
fn places(routes: &[usize], member: usize) -> Vec<usize> {
    let of = routes.iter().enumerate();
    of.filter(|(_, route)| **route == member)
        .map(|(place, _)| place)
        .collect()
}

fn pick(parameters: &[firebrick_core::parameters::Parameter], places: &[usize]) -> Parameters {
    Parameters(
        places
            .iter()
            .map(|place| parameters[*place].clone())
            .collect(),
    )
}

fn put(all: &mut Parameters, places: &[usize], own: Parameters) {
    for (place, parameter) in places.iter().zip(own.0) {
        all.0[*place] = parameter;
    }
}

/// The step as a member sees it; `groups` are those of its parameters.
fn step_of<'a>(step: &Step<'_>, factor: f64, groups: &'a [GroupFactors]) -> Step<'a> {
    Step {
        index: step.index,
        lr: step.lr * factor,
        momentum: step.momentum,
        weight_decay: step.weight_decay,
        groups,
    }
}

impl Update for Grouped {
    fn name(&self) -> &str {
        &self.name
    }

    fn gradient_point(&self, step: &Step<'_>, parameters: &Parameters) -> Option<Parameters> {
        self.view(parameters, |member, places, own| {
            let groups: Vec<_> = places.iter().map(|place| step.group(*place)).collect();
            let step = step_of(step, member.factor, &groups);
            member.update.gradient_point(&step, own)
        })
    }

    fn reevaluates(&self) -> bool {
        self.members
            .iter()
            .any(|member| member.update.reevaluates())
    }

    fn recounts_statistics(&self) -> bool {
        self.members
            .iter()
            .any(|member| member.update.recounts_statistics())
    }

    fn step(
        &mut self,
        step: &Step<'_>,
        parameters: Parameters,
        gradients: Gradients,
        reevaluate: &mut Reevaluate<'_>,
    ) -> Result<Parameters, UpdateError> {
        let counted = gradients.check_count(parameters.0.len());
        counted.map_err(|reason| UpdateError::Failed {
            name: self.name.clone(),
            reason,
        })?;
        let routes = self.routes(&parameters);
        let reevaluates = self.reevaluates();
        // What another evaluation, or its failure, needs; sharing makes the steps copy.
        let before = reevaluates.then(|| (parameters.clone(), self.state()));
        let mut parameters: Vec<_> = parameters.0.into_iter().map(Some).collect();
        let Gradients(mut gradients) = gradients;
        for (index, member) in self.members.iter_mut().enumerate() {
            let places = places(&routes, index);
            if places.is_empty() {
                continue;
            }
            let groups: Vec<_> = places.iter().map(|place| step.group(*place)).collect();
            let own = places.iter().filter_map(|place| parameters[*place].take());
            let own = Parameters(own.collect());
            let taken = places.iter().map(|place| gradients[*place].take());
            let own_gradients = Gradients(taken.collect());
            let mut again = |point: &Parameters| {
                let Some((all, _)) = &before else {
                    return reevaluate(point);
                };
                let mut all = all.clone();
                put(&mut all, &places, point.clone());
                let (loss, mut gradients) = reevaluate(&all)?;
                let own = places.iter().map(|place| gradients.0[*place].take());
                Ok((loss, Gradients(own.collect())))
            };
            let step = step_of(step, member.factor, &groups);
            let stepped = member.update.step(&step, own, own_gradients, &mut again);
            match stepped {
                Ok(stepped) => {
                    for (place, parameter) in places.iter().zip(stepped.0) {
                        parameters[*place] = Some(parameter);
                    }
                }
                Err(error) => {
                    if let (UpdateError::NotFinite { .. }, Some((all, state))) = (&error, before)
                        && let Some(first) = all.0.first()
                    {
                        let paths: Vec<_> = all.0.iter().map(|one| one.path.clone()).collect();
                        self.load_all(&state, &paths, &first.value.device())?;
                    }
                    return Err(error);
                }
            }
        }
        let whole: Option<Vec<_>> = parameters.into_iter().collect();
        whole.map(Parameters).ok_or_else(|| UpdateError::Failed {
            name: self.name.clone(),
            reason: "an optimizer returned fewer parameters than it was given".into(),
        })
    }

    fn evaluation_view(&self, parameters: &Parameters) -> Option<Parameters> {
        self.view(parameters, |member, _, own| {
            member.update.evaluation_view(own)
        })
    }

    fn state(&self) -> UpdateState {
        let mut all = UpdateState {
            name: self.name.clone(),
            ..UpdateState::default()
        };
        for (index, member) in self.members.iter().enumerate() {
            let own = member.update.state();
            all.parameters.extend(own.parameters);
            let numbers = own.numbers.into_iter();
            all.numbers
                .extend(numbers.map(|(name, number)| (format!("{index}.{name}"), number)));
        }
        all
    }

    fn load_state(
        &mut self,
        state: UpdateState,
        paths: &[String],
        device: &Device,
    ) -> Result<(), UpdateError> {
        state.check_name(&self.name)?;
        let before = self.state();
        let known: Vec<_> = before.parameters.keys().cloned().collect();
        self.load_all(&state, paths, device).inspect_err(|_| {
            // What was theirs fits again.
            let _ = self.load_all(&before, &known, device);
        })
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{DType, Tensor, TensorData};
    use firebrick_core::parameters::Parameter;

    use super::*;

    fn tensor(value: f64) -> Tensor<1> {
        let device = firebrick_core::device("flex").unwrap();
        Tensor::from_data(TensorData::from([value]), (&device, DType::F64))
    }

    fn build(main: &str, lr: f64, rules: &[(&str, &str)]) -> Result<Box<dyn Update>, ConfigError> {
        let rules: Vec<_> = rules
            .iter()
            .map(|(path, spec)| GroupRule {
                optimizer: Some(spec.parse().unwrap()),
                ..GroupRule::new(path)
            })
            .collect();
        grouped(optimizer::build(&main.parse().unwrap())?.update, lr, &rules)
    }

    const PATHS: [&str; 3] = ["a.weight", "b.weight", "a.bias"];

    fn step(update: &mut dyn Update, values: &[f64], lr: f64) -> Vec<f64> {
        let parameters = PATHS.iter().zip(values).map(|(path, value)| Parameter {
            path: (*path).into(),
            shape: vec![1],
            value: tensor(*value),
        });
        let parameters = Parameters(parameters.collect());
        let gradients = Gradients(vec![
            Some(tensor(1.0)),
            Some(tensor(2.0)),
            Some(tensor(3.0)),
        ]);
        let groups = [
            GroupFactors::default(),
            GroupFactors {
                lr: 0.5,
                ..GroupFactors::default()
            },
            GroupFactors::default(),
        ];
        let step = Step {
            groups: &groups,
            ..Step::new(0, lr)
        };
        // The gradient elsewhere is the point itself.
        let mut again = |point: &Parameters| {
            assert_eq!(point.0.len(), 3);
            let gradients = point.0.iter().map(|one| Some(one.value.clone()));
            Ok((1.0, Gradients(gradients.collect())))
        };
        let stepped = update.step(&step, parameters, gradients, &mut again);
        let stepped = stepped.unwrap().0.into_iter();
        stepped.map(|one| one.value.into_scalar::<f64>()).collect()
    }

    #[test]
    fn each_path_has_its_optimizer_its_rate_and_its_factors() {
        // The main rate halves; so does that of the group, which is 10 times as high.
        let mut update = build("sgd(0.1)", 0.1, &[("*.bias", "sgd(1.0)")]).unwrap();
        let found = step(&mut *update, &[0.0; 3], 0.05);
        assert_eq!(found, [-0.05, -0.05, -1.5]);
        let mut without = build("sgd(0.1)", 0.1, &[("a.*", "sgd(momentum=0.9)")]).unwrap();
        step(&mut *without, &[0.0; 3], 0.1);
        let state = without.state();
        let has_buffer = |path: &str| !state.parameters[path].tensors.is_empty();
        assert_eq!(PATHS.map(has_buffer), [true, false, true]);
        assert_eq!(state.name, "grouped(sgd, a.*: sgd)");
    }

    #[test]
    fn every_parameter_needs_its_gradient() {
        for main in ["sgd(0.1)", "lbfgs"] {
            for rules in [&[][..], &[("a.bias", "adam(0.1)")]] {
                let mut update = build(main, 0.1, rules).unwrap();
                let parameters = PATHS.map(|path| Parameter {
                    path: path.into(),
                    shape: vec![1],
                    value: tensor(1.0),
                });
                let gradients = Gradients(vec![Some(tensor(1.0)); 2]);
                let step = Step::new(0, 0.1);
                let mut again = |_: &Parameters| panic!("it is evaluated again");
                let stepped =
                    update.step(&step, Parameters(parameters.into()), gradients, &mut again);
                let error = stepped.unwrap_err().to_string();
                assert!(
                    error.contains("there are 3 parameters, but 2 gradients"),
                    "{main}: {error}"
                );
            }
        }
    }

    #[test]
    fn a_state_is_taken_over_whole_or_not_at_all() {
        let make = || build("sgd(0.1)", 0.1, &[("*.bias", "lookahead(2, base=adam)")]).unwrap();
        let paths = PATHS.map(String::from);
        let device = firebrick_core::device("flex").unwrap();
        let mut first = make();
        let middle = step(&mut *first, &[1.0; 3], 0.1);
        let mut second = make();
        second.load_state(first.state(), &paths, &device).unwrap();
        let whole = step(&mut *first, &middle, 0.1);
        assert_eq!(step(&mut *second, &middle, 0.1), whole);
        assert_ne!(step(&mut *make(), &middle, 0.1), whole);
        let mut broken = first.state();
        broken.numbers.clear();
        let kept = second.state().parameters["a.bias"].numbers["step"];
        assert!(second.load_state(broken, &paths, &device).is_err());
        assert_eq!(second.state().parameters["a.bias"].numbers["step"], kept);
        let foreign = build("sgd(0.1)", 0.1, &[("*.bias", "adamw")]).unwrap();
        let error = second.load_state(foreign.state(), &paths, &device);
        assert!(error.unwrap_err().to_string().contains("*.bias: adamw"));
    }

    #[test]
    fn a_group_that_evaluates_again_moves_only_its_own() {
        let mut update = build("sgd(0.1)", 0.1, &[("a.*", "sam(0.0, base=sgd)")]).unwrap();
        assert!(update.reevaluates());
        // With rho = 0 the second gradient is the value: 4 - 0.1 · 4; b keeps its first gradient.
        let found = step(&mut *update, &[4.0, 4.0, 2.0], 0.1);
        for (found, expected) in found.iter().zip([3.6, 3.9, 1.8]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn without_optimizers_it_is_the_main_one_and_mistakes_are_named() {
        assert_eq!(build("sgd", 0.1, &[]).unwrap().name(), "sgd");
        for (lr, spec, needle) in [
            (0.1, "adm", "`adm`"),
            (0.1, "adam(beta1=2.0)", "beta1 = 2"),
            (0.0, "adam(lr=0.1)", "relative to the main learning rate"),
        ] {
            let error = build("sgd", lr, &[("a.*", spec)])
                .err()
                .unwrap()
                .to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
