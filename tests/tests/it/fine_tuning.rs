//! The setting `fine_tune` and penalties that measure from pretrained weights, as recipes name them: for every model of the zoo, and over a
//! resume.

use std::path::{Path, PathBuf};

use firebrick::core::lora::is_adapter;
use firebrick::core::parameters::Parameters;
use firebrick::core::state_dict::StateDict;
use firebrick::prelude::*;
use firebrick::transfer::unfreezing::{BatchNorms, StagePlan, Unfreezing};
use firebrick::zoo::{Architecture, Stage};

/// A recipe that begins with weights, so many updates of two images each.
fn recipe(model: &Spec, weights: &Path, updates: u64) -> Recipe {
    let native = firebrick::zoo::default_input(model).unwrap();
    Recipe {
        dataset: format!("glyphs(train={}, test=1, domain=rgb)", 2 * updates),
        valid_fraction: 0.0,
        model: model.clone(),
        image_size: Some(native.height),
        normalize: "mean=0.5,0.5,0.5; std=0.25,0.25,0.25".into(),
        weights: Some(weights.display().to_string()),
        optimizer: "sgd(lr=0.05, momentum=0.9, weight_decay=0.1)"
            .parse()
            .unwrap(),
        batch_size: 2,
        epochs: 1,
        workers: 1,
        ..Recipe::default()
    }
}

/// Writes weights for a model of 5 classes: training needs another last layer.
fn written(model: &Spec, at: &Path) -> PathBuf {
    let input = Input {
        channels: 3,
        classes: 5,
        ..firebrick::zoo::default_input(model).unwrap()
    };
    let device = device("flex").unwrap();
    let network = firebrick::zoo::build(model, &input, 1, &device).unwrap();
    let file = at.join(format!("{}.safetensors", model.name));
    let weights = StateDict::of(&network).to_safetensors().unwrap();
    std::fs::write(&file, weights).unwrap();
    file
}

fn is_statistic(key: &str) -> bool {
    key.ends_with("running_mean") || key.ends_with("running_var")
}

/// Compares the tensors after each update with those before it.
struct Watch<'a> {
    what: String,
    plan: &'a StagePlan,
    updates: u64,
    stages: Vec<Stage>,
    head: &'static str,
    before: StateDict,
    /// How many stages were trained in each update.
    trained: &'a mut Vec<usize>,
}

impl Watch<'_> {
    /// The stage of a tensor by its name; the last layer is the last one.
    fn stage(&self, key: &str) -> usize {
        let below = |module: &str| key.starts_with(&format!("{module}."));
        if below(self.head) {
            return self.stages.len();
        }
        let mut stages = self.stages.iter();
        let found = stages.position(|stage| stage.modules.iter().any(|module| below(module)));
        // What lies between the last stage and the last layer.
        found.unwrap_or(self.stages.len() - 1)
    }
}

impl Hook<Model> for Watch<'_> {
    fn name(&self) -> &str {
        "watch"
    }

    fn begin(
        &mut self,
        model: Model,
        _context: &mut HookContext<'_>,
        _kept: Option<HookState>,
    ) -> Result<Model, TrainError> {
        self.before = StateDict::of(&model);
        Ok(model)
    }

    fn after_step(
        &mut self,
        model: &Model,
        context: &mut HookContext<'_>,
        _loss: f64,
    ) -> Result<Flow, TrainError> {
        let count = self.stages.len() + 1;
        let share = (context.step - 1) as f64 / self.updates as f64;
        let states = self.plan.at(share, count);
        let now = StateDict::of(model);
        let mut moved = vec![false; count];
        let mut adapters = None;
        for (key, data) in &now.tensors {
            if is_adapter(key) {
                *adapters.get_or_insert(false) |= *data != self.before.tensors[key];
                continue;
            }
            let stage = self.stage(key);
            let same = *data == self.before.tensors[key];
            let what = format!("{}, update {}: {key}", self.what, context.step);
            if is_statistic(key) {
                let keeps = !states[stage].trained || self.plan.batch_norm == BatchNorms::Frozen;
                assert_eq!(same, keeps, "{what}");
            } else {
                assert!(same || states[stage].trained, "{what}");
                moved[stage] |= !same;
            }
        }
        for (stage, state) in states.iter().enumerate() {
            let parts = self
                .stages
                .get(stage)
                .map_or(1, |stage| stage.modules.len());
            assert!(
                moved[stage] == state.trained || parts == 0,
                "{}, update {}: stage {stage}",
                self.what,
                context.step
            );
        }
        let adapts = matches!(self.plan.unfreezing, Unfreezing::Lora { .. });
        assert_eq!(adapters, adapts.then_some(true), "{}", self.what);
        self.trained
            .push(states.iter().filter(|state| state.trained).count());
        self.before = now;
        Ok(Flow::Continue)
    }
}

/// How many stages were trained in each update, of how many.
fn watched(model: &Spec, weights: &Path, strategy: &str, updates: u64) -> (Vec<usize>, usize) {
    let recipe = Recipe {
        fine_tune: Some(strategy.parse().unwrap()),
        // By statistics that are frozen at their beginning, deep networks have large outputs.
        clip_norm: Some(1.0),
        ..recipe(model, weights, updates)
    };
    let session = Session::open(&recipe).unwrap();
    let plan = session.fine_tuning.as_ref().unwrap().plan().clone();
    let (network, _) = session.model().unwrap();
    let stages = network.backbone().unwrap().stages();
    let count = stages.len() + 1;
    let mut trained = Vec::new();
    let watch = Watch {
        what: format!("{model} {strategy}"),
        plan: &plan,
        updates,
        stages,
        head: firebrick::zoo::architecture(model).unwrap().head().unwrap(),
        before: StateDict::default(),
        trained: &mut trained,
    };
    let outcome = session.with_hook(watch).train();
    outcome.unwrap_or_else(|error| panic!("{model} {strategy}: {error}"));
    assert_eq!(trained.len() as u64, updates);
    (trained, count)
}

#[test]
fn not_one_bit_of_a_frozen_stage_moves_in_any_model_under_any_strategy() {
    let temp = tempfile::tempdir().unwrap();
    for (at, entry) in firebrick::zoo::TINY.entries().into_iter().enumerate() {
        let model = Spec::new(entry.about.name);
        if ["resnet32", "resnet44", "resnet56", "resnet110"].contains(&entry.about.name) {
            // As resnet20.
            continue;
        }
        let file = written(&model, temp.path());
        let trained = |strategy: &str, updates: u64| watched(&model, &file, strategy, updates);
        // A stage more with each update.
        let network = firebrick::zoo::undrawn(
            &model,
            &firebrick::zoo::default_input(&model).unwrap(),
            &device("flex").unwrap(),
        );
        let count = network.unwrap().backbone().unwrap().stages().len() + 1;
        let strategy = if at.is_multiple_of(2) {
            "gradual(until=1, discriminative=2)"
        } else {
            "gradual(until=1, batch_norm=frozen)"
        };
        let (gradual, of) = trained(strategy, count as u64 - 1);
        assert_eq!((gradual, of), ((1..count).collect::<Vec<_>>(), count));
        // What the others freeze are some of these stages: the models take turns.
        let (strategy, expected) = match at % 5 {
            0 => ("head", vec![1, 1]),
            1 => ("lora(rank=2)", vec![1, 1]),
            2 => ("last(stages=2)", vec![3, 3]),
            3 => ("all(batch_norm=frozen)", vec![count, count]),
            _ => ("lp_ft(head=0.5, rate=0.5)", vec![1, 1, count, count]),
        };
        let updates = expected.len() as u64;
        assert_eq!(trained(strategy, updates).0, expected);
    }
}

#[test]
fn rates_differ_by_stage_and_by_phase() {
    let temp = tempfile::tempdir().unwrap();
    let model = Spec::new("test_resnet");
    let file = written(&model, temp.path());
    let session = |strategy: &str| {
        let recipe = Recipe {
            fine_tune: Some(strategy.parse().unwrap()),
            ..recipe(&model, &file, 10)
        };
        Session::open(&recipe).unwrap()
    };
    let lp_ft = session("lp_ft(head=0.25, rate=0.1, discriminative=2)");
    let rates: Vec<f64> = (0..10).map(|step| lp_ft.plan.schedule.lr(step)).collect();
    // A quarter of ten updates lies behind before the fourth.
    let expected = [0.05, 0.05, 0.05].into_iter().chain([0.1 * 0.05; 7]);
    assert_eq!(rates, expected.collect::<Vec<_>>());
    let network = lp_ft.untrained_model().unwrap();
    let parameters = Parameters::list_all(&network);
    let shapes: Vec<_> = parameters
        .iter()
        .map(|(path, shape)| (path.as_str(), shape.as_slice()))
        .collect();
    let factors = lp_ft.config.groups.factors(&shapes).unwrap();
    let rate = |path: &str| {
        let at = shapes.iter().position(|(own, _)| *own == path).unwrap();
        factors[at].lr
    };
    assert_eq!(rate("fc.weight"), 1.0);
    assert_eq!(rate("layer4.0.conv1.weight"), 0.5);
    assert_eq!(rate("layer1.0.bn1.bias"), 0.0625);
    assert_eq!(rate("conv1.weight"), 0.03125);
    // One rate for all needs no factors.
    assert!(session("all").config.groups.rates.is_empty());

    let lines = lp_ft.fine_tuning.unwrap().lines();
    assert_eq!(
        lines,
        [
            "from update 1: fc",
            "from update 4: everything, at 0.1 × the rate",
            "at first frozen: stem, layer1, layer2, layer3, layer4",
            "rates: fc × 1, layer4 × 0.5, layer3 × 0.25, layer2 × 0.125, layer1 × 0.0625, stem × 0.0313",
            "batch norms of frozen stages keep their statistics",
        ]
    );
    let phases = session("gradual(until=0.5)").fine_tuning.unwrap().phases();
    let steps: Vec<(u64, usize)> = phases
        .iter()
        .map(|phase| (phase.step, phase.frozen.len()))
        .collect();
    assert_eq!(steps, [(0, 5), (1, 4), (2, 3), (3, 2), (4, 1), (5, 0)]);
}

fn job(recipe: Recipe, out: &Path, start: Start) -> TrainReport {
    let job = Job {
        start,
        ..Job::new(recipe, out)
    };
    firebrick::train(job).unwrap()
}

fn bytes(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("model.safetensors")).unwrap()
}

#[test]
fn a_resume_in_the_middle_of_an_unfreezing_is_exact() {
    let temp = tempfile::tempdir().unwrap();
    let model = Spec::new("test_resnet");
    let file = written(&model, temp.path());
    for (number, (strategy, penalize)) in [
        (
            "gradual(until=0.6, discriminative=1.5)",
            "l2_sp(0.3, fresh=0.1)",
        ),
        (
            "lp_ft(head=0.5, batch_norm=frozen)",
            "l2_sp(0.3, apply=decay)",
        ),
        ("lora(rank=2)", "none"),
    ]
    .into_iter()
    .enumerate()
    {
        let recipe = Recipe {
            fine_tune: Some(strategy.parse().unwrap()),
            penalize: penalize.parse().unwrap(),
            schedule: "cosine".parse().unwrap(),
            ..recipe(&model, &file, 8)
        };
        let whole = temp.path().join(format!("whole-{number}"));
        job(recipe.clone(), &whole, Start::Fresh);
        for cut in [2, 4, 5] {
            let out = temp.path().join(format!("cut-{number}-{cut}"));
            let short = Recipe {
                max_updates: Some(cut),
                ..recipe.clone()
            };
            job(short, &out, Start::Fresh);
            // All that is needed is in the run directory.
            let elsewhere = temp.path().join("elsewhere");
            std::fs::rename(&file, &elsewhere).unwrap();
            let rest = firebrick::run_recipe(&out).unwrap().without_limits();
            let resumed = job(rest, &out, Start::Resume);
            std::fs::rename(&elsewhere, &file).unwrap();
            assert_eq!(resumed.resumed_from, Some(format!("step {cut}")));
            assert!(bytes(&out) == bytes(&whole), "{strategy} cut after {cut}");
        }
    }
}

/// The distance of a model's trained weights from others.
fn distance(run: &Path, from: &StateDict) -> f64 {
    let weights = StateDict::from_safetensors(&bytes(run)).unwrap();
    let pairs = weights.tensors.iter().filter(|(key, _)| !is_statistic(key));
    let squares = pairs.map(|(key, data)| {
        let values = data.iter::<f64>().zip(from.tensors[key].iter::<f64>());
        values.map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
    });
    squares.sum::<f64>().sqrt()
}

#[test]
fn a_branch_is_drawn_back_to_where_it_began() {
    let temp = tempfile::tempdir().unwrap();
    let model = Spec::new("test_resnet");
    let file = written(&model, temp.path());
    let probed = temp.path().join("probed");
    let probe = Recipe {
        fine_tune: Some(Spec::new("head")),
        optimizer: "sgd(lr=0.05)".parse().unwrap(),
        ..recipe(&model, &file, 6)
    };
    job(probe, &probed, Start::Fresh);
    let start = StateDict::from_safetensors(&bytes(&probed)).unwrap();
    let tuned = |name: &str, penalize: &str| {
        let out = temp.path().join(name);
        let recipe = Recipe {
            fine_tune: Some(Spec::new("all")),
            penalize: penalize.parse().unwrap(),
            epochs: 3,
            ..firebrick::run_recipe(&probed).unwrap()
        };
        let parent = probed.clone();
        job(recipe, &out, Start::Branch { parent });
        (distance(&out, &start), out)
    };
    let (free, _) = tuned("free", "none");
    let (held, run) = tuned("held", "l2_sp(2)");
    assert!(held < 0.5 * free && held > 0.0, "{held} {free}");
    // A branch of it without the penalty leaves the starting point behind.
    let recipe = Recipe {
        penalize: Pipeline::default(),
        epochs: 4,
        ..firebrick::run_recipe(&run).unwrap()
    };
    let out = temp.path().join("without");
    job(recipe, &out, Start::Branch { parent: run });
    assert!(distance(&out, &start) > held);
}

#[test]
fn adapters_are_in_the_weights_of_the_model_file() {
    let temp = tempfile::tempdir().unwrap();
    let model = Spec::new("test_resnet");
    let file = written(&model, temp.path());
    let recipe = Recipe {
        fine_tune: Some("lora(rank=2, alpha=4)".parse().unwrap()),
        ..recipe(&model, &file, 6)
    };
    let run = temp.path().join("run");
    job(recipe.clone(), &run, Start::Fresh);
    let device = device("flex").unwrap();
    let trained = StateDict::of(&TrainedModel::read(&run, &device).unwrap().network);
    let before = StateDict::from_safetensors(&std::fs::read(&file).unwrap()).unwrap();
    for (key, data) in &trained.tensors {
        // Matrices and convolutions with room for an adapter, and the last layer, which is new.
        let may_move = data.shape().to_vec().len() > 1 || key.starts_with("fc.");
        assert!(may_move || *data == before.tensors[key], "{key}");
    }
    let moved = |key: &str| trained.tensors[key] != before.tensors[key];
    assert!(moved("layer1.0.conv1.weight") && moved("layer4.0.conv2.weight"));
    for (settings, needle) in [
        (
            Recipe {
                average: "ema".parse().unwrap(),
                ..recipe.clone()
            },
            "lora cannot be combined with average",
        ),
        (
            Recipe {
                snapshots: Some("all".into()),
                ..recipe.clone()
            },
            "lora cannot be combined with snapshots",
        ),
        (
            Recipe {
                penalize: "l2_sp".parse().unwrap(),
                ..recipe
            },
            "lora cannot be combined with l2_sp",
        ),
    ] {
        let error = refused(&settings);
        assert!(error.contains(needle), "{error}");
    }
    let plain = Recipe {
        fine_tune: None,
        epochs: 2,
        ..firebrick::run_recipe(&run).unwrap()
    };
    let branch = Job {
        start: Start::Branch { parent: run },
        ..Job::new(plain, temp.path().join("branch"))
    };
    let error = firebrick::train(branch).unwrap_err().to_string();
    assert!(error.contains("model.safetensors"), "{error}");
}

/// What opening a recipe says.
fn refused(recipe: &Recipe) -> String {
    let session = Session::open(recipe);
    session.map(drop).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_fine_tuned_is_said_in_one_message() {
    let temp = tempfile::tempdir().unwrap();
    let model = Spec::new("test_resnet");
    let file = written(&model, temp.path());
    let with = |strategy: &str| Recipe {
        fine_tune: Some(strategy.parse().unwrap()),
        ..recipe(&model, &file, 4)
    };
    let without_weights = |strategy: &str| Recipe {
        weights: None,
        ..with(strategy)
    };
    for (recipe, needle) in [
        (
            with("last(stages=6)"),
            "the last 6 stages cannot be trained, because the model has 5 in front of its last layer",
        ),
        (with("linear"), "unknown fine-tuning strategy `linear`"),
        (with("lp_ft(haed=0.2)"), "did you mean `head`?"),
        (with("gradual(until=2)"), "gradual: until = 2"),
        (
            without_weights("lp_ft"),
            "fine_tune = lp_ft freezes stages of the model, but the recipe names no pretrained weights",
        ),
        (without_weights("head"), "add --weights"),
        (
            without_weights("last(stages=2)"),
            "fine_tune = last freezes stages of the model",
        ),
        (
            Recipe {
                penalize: "l2_sp".parse().unwrap(),
                ..without_weights("all")
            },
            "penalize = l2_sp measures how far weights have moved from pretrained ones",
        ),
        (
            Recipe {
                model: "resnet20(members=batch_ensemble(2))".parse().unwrap(),
                ..without_weights("all")
            },
            "does not name its stages",
        ),
    ] {
        let error = refused(&recipe);
        assert!(error.contains(needle), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
    // Where nothing is frozen, there is nothing to miss.
    Session::open(&without_weights("all(discriminative=2)")).unwrap();
}

#[test]
fn lr_find_trains_what_is_trained_at_first() {
    let temp = tempfile::tempdir().unwrap();
    let model = Spec::new("test_resnet");
    let file = written(&model, temp.path());
    let curve = |strategy: Option<&str>, penalize: &str| {
        let recipe = Recipe {
            fine_tune: strategy.map(|text| text.parse().unwrap()),
            penalize: penalize.parse().unwrap(),
            ..recipe(&model, &file, 4)
        };
        let sweep = firebrick::training::lr_find::Sweep {
            start_lr: 0.01,
            end_lr: 0.2,
            num_iter: 5,
            ..Default::default()
        };
        firebrick::lr_find(&recipe, Sources::default(), sweep, &mut |_| {})
            .unwrap()
            .loss
    };
    let head = curve(Some("head"), "none");
    assert_eq!(curve(Some("gradual"), "none"), head);
    assert_ne!(curve(Some("all"), "none"), head);
    assert_eq!(curve(None, "none"), curve(Some("all"), "none"));
    assert_ne!(curve(None, "l2_sp(3)"), curve(None, "none"));
}

#[test]
fn a_model_of_ones_own_names_its_stages() {
    use firebrick::zoo::{LeNet5Config, Network};

    #[derive(Debug)]
    struct Own(LeNet5Config);

    impl Architecture<Network> for Own {
        fn spec(&self) -> Spec {
            Spec::new("own")
        }

        fn native_input(&self) -> Input {
            Architecture::<Model>::native_input(&self.0)
        }

        fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Network, ConfigError> {
            let model: Model = self.0.model(input, seed, device)?;
            Ok(model.downcast_ref::<Network>().unwrap().clone())
        }
    }

    let models = || Models::<Network>::new(|_| Ok(Box::new(Own(LeNet5Config::default()))));
    let recipe = Recipe {
        dataset: "glyphs(train=54, test=27)".into(),
        model: Spec::new("own"),
        fine_tune: Some("all(discriminative=2)".parse().unwrap()),
        ..Recipe::default()
    };
    let open = |models| Session::open_with(&recipe, Sources::of_models(models));
    let error = open(models()).map(drop).unwrap_err().to_string();
    assert!(error.contains("does not name its stages"), "{error}");
    let session = open(models().of_backbones()).unwrap();
    let rates = &session.config.groups.rates;
    assert_eq!(
        (
            rates["fc3.weight"],
            rates["fc2.weight"],
            rates["conv1.bias"]
        ),
        (1.0, 0.5, 0.0625)
    );
}
