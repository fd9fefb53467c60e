//! An optimizer, an augmentation and a model of another crate, `examples/outside`. That crate is a workspace of its own
//! and takes as long to build as Burn, so its source is compiled into this test, against the same public items, and
//! registered in the same way.

// In its own crate, what is public can be reached.
#[allow(unreachable_pub)]
#[path = "../../../examples/outside/src/negative.rs"]
mod negative;
#[allow(unreachable_pub)]
#[path = "../../../examples/outside/src/perceptron.rs"]
mod perceptron;
#[allow(unreachable_pub)]
#[path = "../../../examples/outside/src/signum.rs"]
mod signum;

use std::path::Path;

use firebrick::core::registry::Entry;
use firebrick::core::spec::Spec;
use firebrick::core::testkit::fields_out_of_range_are_named;
use firebrick::optim::optimizer;
use firebrick::optim::race::RaceConfig;
use firebrick::regularize::augment;
use firebrick::zoo;
use negative::Negative;
use perceptron::PerceptronConfig;
use signum::Signum;

#[test]
fn they_keep_the_contracts() {
    firebrick::optim::testkit::contracts::<Signum>();
    let negative = Entry::<augment::Build>::of::<Negative>();
    fields_out_of_range_are_named(&negative, |spec| (negative.build.step)(spec).map(drop));
    let perceptron = Entry::<zoo::Build>::of::<PerceptronConfig>();
    fields_out_of_range_are_named(&perceptron, |spec| {
        (perceptron.build.architecture)(spec).map(drop)
    });
}

#[test]
fn registered_they_have_names_validation_listing_race_and_training() {
    optimizer::REGISTRY.register(Entry::of::<Signum>()).unwrap();
    augment::REGISTRY.register(Entry::of::<Negative>()).unwrap();
    let perceptron = || zoo::REGISTRY.register(Entry::of::<PerceptronConfig>());
    perceptron().unwrap();
    let error = perceptron().unwrap_err().to_string();
    assert!(error.contains("the name `perceptron` is taken"), "{error}");

    let built = |text: &str| optimizer::build(&text.parse().unwrap());
    assert_eq!(
        built("signum(0.1)").unwrap().spec.to_string(),
        "signum(lr=0.1, momentum=0.9, weight_decay=0.0)"
    );
    for (text, needle) in [
        ("signum(momentum=1)", "signum: momentum = 1 is out of range"),
        ("signum(beta=1)", "signum has no key `beta`"),
        (
            "signm",
            "unknown optimizer `signm` (did you mean `signum`?)",
        ),
    ] {
        let error = built(text).err().unwrap().to_string();
        assert!(error.contains(needle), "{error}");
    }

    // Also inside another one.
    let registered = |text: &str| optimizer::REGISTRY.registered_in(&text.parse().unwrap());
    assert_eq!(registered("sam(base=signum)"), Some("signum"));
    assert_eq!(registered("sam(base=adam)"), None);

    let error = zoo::canonical(&"perceptron(hidden=0)".parse().unwrap()).unwrap_err();
    let expected = "perceptron: hidden = 0 is out of range: it must be a whole number in [1, 4096]";
    assert_eq!(error.to_string(), expected);

    // Each coordinate moves by the rate, against the gradient.
    let race = RaceConfig {
        surface: Spec::new("quadratic"),
        start: Some([-2.0, 1.0]),
        steps: 4,
        optimizers: vec!["signum(lr=0.25)".parse().unwrap()],
        ..RaceConfig::default()
    };
    let race = race.run(&firebrick::core::device("flex").unwrap()).unwrap();
    let points: Vec<_> = race.trajectories[0]
        .points
        .iter()
        .map(|[x, y, _]| [*x, *y])
        .collect();
    let expected = [
        [-2.0, 1.0],
        [-1.75, 0.75],
        [-1.5, 0.5],
        [-1.25, 0.25],
        [-1.0, 0.0],
    ];
    assert_eq!(points, expected);

    let temp = tempfile::tempdir().unwrap();
    let command = |arguments: &str| {
        let place = temp.path().display().to_string();
        let arguments = arguments.replace("HERE", &place);
        let code = firebrick_cli::run(std::iter::once("firebrick").chain(arguments.split(' ')));
        // An exit code can be shown, but not compared.
        format!("{code:?}")
    };
    let status = |number: u8| format!("{:?}", std::process::ExitCode::from(number));
    let read = |name: &str| std::fs::read_to_string(temp.path().join(Path::new(name))).unwrap();
    assert_eq!(command("optim describe signum"), status(0));
    assert_eq!(command("optim describe signum(momentum=1)"), status(2));
    assert_eq!(
        command("optim race --steps 9 --optim signum(lr=0.05) --svg HERE/race.svg"),
        status(0)
    );
    assert!(read("race.svg").contains("signum(lr=0.05)"));
    assert_eq!(command("augment describe negative"), status(0));
    assert_eq!(command("models describe perceptron(hidden=8)"), status(0));
    let train = "train --dataset glyphs(train=64,test=16) --model perceptron(hidden=8) --augment hflip|negative(prob=0.25) \
                 --epochs 1 --max-updates 1 --batch-size 32 --optimizer signum(lr=0.001) --out HERE/run";
    assert_eq!(command(train), status(0));
    let recipe = read("run/recipe.toml");
    for spec in [
        "signum(lr=0.001",
        "negative(prob=0.25)",
        "perceptron(init=pytorch, hidden=8)",
    ] {
        assert!(recipe.contains(spec), "{spec}: {recipe}");
    }
    // The model file is read back, and the run goes on from its checkpoint.
    assert_eq!(command("eval HERE/run"), status(0));
    let rest = firebrick::core::Recipe {
        max_updates: Some(2),
        ..firebrick::run_recipe(&temp.path().join("run")).unwrap()
    };
    let job = firebrick::Job {
        start: firebrick::Start::Resume,
        ..firebrick::Job::new(rest, temp.path().join("run"))
    };
    assert_eq!(firebrick::train(job).unwrap().steps, 2);

    // A program that does not know it says whose it is.
    for (family, own) in [
        ("optimizer", "signum"),
        ("augmentation", "negative"),
        ("model", "perceptron"),
    ] {
        let other = format!("{own}_of_others");
        let elsewhere = recipe
            .replace(own, &other)
            .replace("a program of its own", "sign-trainer");
        let elsewhere = firebrick::core::Recipe::from_toml(&elsewhere, "recipe.toml").unwrap();
        let job = firebrick::Job::new(elsewhere, temp.path().join("other"));
        let error = firebrick::train(job).err().unwrap().to_string();
        let expected = format!(
            "unknown {family} `{other}`: this run was made with sign-trainer, which defines it"
        );
        assert!(error.contains(&expected), "{error}");
        assert!(!temp.path().join("other").exists());
    }
}
