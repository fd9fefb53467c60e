//! Contracts of the state: what is kept, and that a run resumes from it.

use burn::tensor::DType;

use super::descent::Descent;
use super::kit::{Kit, SHAPES, flex, gradient, paths, start};
use firebrick_core::update::Step;

impl Kit<'_> {
    pub(super) fn a_resumed_run_is_the_uninterrupted_one(&self) {
        let lr = self.lr();
        let mut whole = self.descent();
        whole.run(0..7, lr);
        let mut first = self.descent();
        first.run(0..3, lr);
        let mut second = self.descent();
        let state = first.update.state();
        second
            .update
            .load_state(state.clone(), &paths(), &flex().autodiff())
            .unwrap();
        second.parameters = first.parameters.clone();
        second.run(3..7, lr);
        assert_eq!(second.values(), whole.values(), "{} resumed", self.spec);
        let kept = |one: &firebrick_core::update::ParameterState| !one.tensors.is_empty();
        if state.parameters.values().any(kept) {
            let mut forgetful = self.descent();
            forgetful.parameters = first.parameters.clone();
            forgetful.run(3..7, lr);
            // A rule that takes signs shows it where they change.
            let changing = |state: Option<firebrick_core::update::UpdateState>| {
                let mut update = self.build();
                if let Some(state) = state {
                    update.load_state(state, &paths(), &flex()).unwrap();
                }
                let start = start(&flex(), DType::F64);
                let mut along = Descent::along(update, start, |step| gradient(step, 1.0));
                (3..7).all(|index| along.try_step(&Step::new(index, lr)).is_ok());
                along.values()
            };
            let differs =
                forgetful.values() != whole.values() || changing(Some(state)) != changing(None);
            assert!(differs, "{}: the state does not matter", self.spec);
        }
    }

    pub(super) fn states_of_others_are_refused(&self) {
        let mut descent = self.descent();
        descent.run(0..2, self.lr());
        let state = descent.update.state();
        let refused = |state, why: &str| {
            let mut fresh = self.build();
            let Err(error) = fresh.load_state(state, &paths(), &flex()) else {
                panic!("{}: {why} was taken", self.spec);
            };
            error.to_string()
        };
        let mut other = state.clone();
        other.name = "another".into();
        let message = refused(other, "another optimizer's state");
        assert!(message.contains("another"), "{}: {message}", self.spec);
        // A parameter that was frozen so far has no state: it begins as in a new run.
        let mut short = state.clone();
        if short.parameters.remove("weight").is_some() {
            let taken = self.build().load_state(short, &paths(), &flex());
            taken.unwrap_or_else(|error| panic!("{}: {error}", self.spec));
        }
        let mut surplus = state;
        surplus.parameters.insert("head".into(), Default::default());
        let message = refused(surplus, "a state of another model");
        assert!(message.contains("`head`"), "{}: {message}", self.spec);
    }

    pub(super) fn memory_is_what_the_registry_says(&self) {
        let mut descent = self.descent();
        descent.run(0..4, self.lr());
        let mut state = descent.update.state();
        for (path, shape) in SHAPES {
            let one = state.parameters.remove(path).unwrap_or_default();
            let kept: usize = one.tensors.values().map(|tensor| tensor.dims()[0]).sum();
            let said = (self.entry.build.memory)(self.spec, shape).unwrap();
            // A rule that searches may fill its history as it goes.
            let fits = kept == said || self.build().reevaluates() && 0 < kept && kept < said;
            assert!(
                fits,
                "{}: {kept} elements kept for `{path}`, not {said}",
                self.spec
            );
        }
    }
}
