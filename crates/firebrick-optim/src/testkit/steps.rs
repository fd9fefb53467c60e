//! Contracts of single steps: rates, gradients and groups.

use burn::tensor::DType;
use firebrick_core::spec::Spec;
use firebrick_core::update::{GroupFactors, Step};

use super::descent::Descent;
use super::kit::{Kit, flex, gradient, start};
use crate::optimizer;

impl Kit<'_> {
    pub(super) fn canonical_specs_build_themselves_again(&self) {
        let canonical = self.canonical();
        let reread: Spec = canonical.to_string().parse().unwrap();
        let again = optimizer::build_entry(self.entry, &reread).map(|built| built.spec);
        assert_eq!(again.as_ref(), Ok(&canonical), "{}", self.spec);
    }

    pub(super) fn rate_zero_is_the_identity(&self) {
        let mut still = self.descent();
        let before = still.values();
        still.run(0..5, 0.0);
        assert_eq!(still.values(), before, "{} at rate 0", self.spec);
        let mut moving = self.descent();
        moving.run(0..5, self.lr());
        assert_ne!(moving.values(), before, "{} does not move", self.spec);
    }

    pub(super) fn steps_are_finite_for_every_finite_gradient(&self) {
        let scales = [
            (DType::F32, [0.0, 1e-15, 1e15]),
            (DType::F64, [0.0, 1e-20, 1e20]),
        ];
        for (dtype, scales) in scales {
            for scale in scales {
                let update = self.build();
                let start = start(&flex(), dtype);
                let mut descent = Descent::along(update, start, |step| gradient(step, scale));
                for index in 0..5 {
                    // A rule that searches may say that there is no way down a plane.
                    if descent.try_step(&Step::new(index, self.lr())).is_err() {
                        break;
                    }
                    let found = descent.values().concat();
                    assert!(
                        found.iter().all(|value| value.is_finite()),
                        "{} with gradients times {scale:e} in {dtype:?}: {found:?}",
                        self.spec
                    );
                }
            }
        }
    }

    pub(super) fn groups_scale_the_rate(&self) {
        let with = |lr: f64, factors: &[GroupFactors]| {
            let mut descent = self.descent();
            for index in 0..4 {
                descent.step(&Step {
                    groups: factors,
                    ..Step::new(index, lr)
                });
            }
            descent.values()
        };
        let factors = |lr| {
            [GroupFactors {
                lr,
                weight_decay: 1.0,
            }; 3]
        };
        let lr = self.lr();
        if !self.build().reevaluates() {
            let (halved, half) = (with(lr, &factors(0.5)), with(lr * 0.5, &[]));
            assert_eq!(halved, half, "{}: half the rate for all groups", self.spec);
        }
        let mut still = factors(1.0);
        still[1].lr = 0.0;
        let found = with(lr, &still);
        let before = self.descent().values();
        assert_eq!(found[1], before[1], "{}: a group with rate 0", self.spec);
        assert_ne!(found[0], before[0], "{}: the group beside it", self.spec);
    }

    pub(super) fn parameters_without_gradient_are_left_alone(&self) {
        let mut descent = self.descent();
        let evaluate = descent.evaluate;
        descent.evaluate = Box::new(move |step, at| {
            let (loss, mut gradients) = evaluate(step, at);
            gradients.0[1] = None;
            (loss, gradients)
        });
        let before = descent.values();
        descent.run(0..3, self.lr());
        let after = descent.values();
        assert_eq!(after[1], before[1], "{}: without a gradient", self.spec);
        assert_ne!(after[0], before[0], "{}: the one beside it", self.spec);
    }
}
