//! Groups that freeze parameters.

use firebrick_core::parameters::Parameters;
use firebrick_core::{Clipping, GroupRule, Groups, freeze};
use firebrick_train::TrainConfig;

use crate::support::{Net, Run, bytes};

fn frozen(path: &str) -> Groups {
    let rule = GroupRule {
        lr: 0.0,
        ..GroupRule::new(path)
    };
    Groups {
        rules: vec![rule],
        ..Groups::default()
    }
}

#[test]
fn groups_freeze_parameters() {
    let groups = frozen("conv.*");
    let outcome = Run {
        config: TrainConfig {
            groups,
            ..Run::new("flex").config
        },
        ..Run::new("flex")
    }
    .go()
    .unwrap();
    let device = firebrick_core::device("flex").unwrap().autodiff();
    let before = Parameters::of(&Net::new(&device));
    let after = Parameters::of(&outcome.model);
    for (a, b) in before.0.iter().zip(&after.0) {
        let same = a.value.to_data() == b.value.to_data();
        // A convolution's bias before batch norm has no gradient worth the name, but it is in the group.
        assert_eq!(same, a.path.starts_with("conv."), "{}", a.path);
    }
    let groups = frozen("*");
    let error = Run {
        config: TrainConfig {
            groups,
            ..Run::new("flex").config
        },
        ..Run::new("flex")
    };
    let error = error.go().map(|_| ()).unwrap_err().to_string();
    assert!(
        error.contains("every parameter of the model is frozen"),
        "{error}"
    );
    let groups = frozen("head.*");
    let error = Run {
        config: TrainConfig {
            groups,
            ..Run::new("flex").config
        },
        ..Run::new("flex")
    }
    .go()
    .map(|_| ())
    .unwrap_err();
    assert!(
        error.to_string().contains("`head.*` matches no parameter"),
        "{error}"
    );
}

#[test]
fn a_frozen_group_has_no_gradient_that_could_count() {
    let device = firebrick_core::device("flex").unwrap().autodiff();
    let train = |groups: Groups, model: Net| {
        let run = Run {
            config: TrainConfig {
                groups,
                clipping: Clipping {
                    norm: Some(0.05),
                    ..Clipping::default()
                },
                ..Run::new("flex").config
            },
            optimizer: "sgd(lr=1.0, momentum=0.9, weight_decay=0.5)",
            model: Some(model),
            ..Run::new("flex")
        };
        bytes(&run.go().unwrap().model)
    };
    let model = || Net::new(&device);
    let by_hand = freeze(model(), |path| path.starts_with("conv."));
    let grouped = train(frozen("conv.*"), model());
    assert_eq!(grouped, train(Groups::default(), by_hand));
    assert_ne!(grouped, train(Groups::default(), model()));
}
