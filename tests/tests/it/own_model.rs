//! A model of another crate in everything that the facade does with those of the zoo: training with a run
//! directory, an exact resume, model files, prediction, evaluation, the range test and a search.

use std::path::Path;
use std::sync::Arc;

use firebrick::core::init::Init;
use firebrick::core::nn::{Conv2d, Conv2dConfig, GlobalAvgPool, Linear, LinearConfig};
use firebrick::core::spec::Spec;
use firebrick::core::state_dict::StateDict;
use firebrick::datasets::{InMemory, Split};
use firebrick::eval::{EvalImages, EvalJob, evaluate};
use firebrick::predict::{Wanted, predict};
use firebrick::prelude::*;
use firebrick::search::{SearchJob, search};
use firebrick::training::lr_find::Sweep;
use firebrick::training::search::Search;
use firebrick::zoo::Architecture;
use serde::{Deserialize, Serialize};

#[derive(Module, Debug)]
struct Wide {
    conv: Conv2d,
    pool: GlobalAvgPool,
    head: Linear,
}

impl Classifier for Wide {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let planes = self.conv.forward(images);
        self.head
            .forward(self.pool.forward(planes.clone() * planes))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct WideConfig {
    width: usize,
}

impl Default for WideConfig {
    fn default() -> Self {
        Self { width: 8 }
    }
}

impl Architecture<Wide> for WideConfig {
    fn spec(&self) -> Spec {
        Spec::canonical("wide", self)
    }

    fn native_input(&self) -> Input {
        Input {
            channels: 1,
            height: 16,
            width: 16,
            classes: 27,
        }
    }

    fn head(&self) -> Option<&'static str> {
        Some("head")
    }

    fn check(&self) -> Result<(), ConfigError> {
        firebrick::core::error::check("wide", "width", self.width, 1..=64)
    }

    fn model(&self, input: &Input, seed: u64, device: &Device) -> Result<Wide, ConfigError> {
        let model = Wide {
            conv: Conv2dConfig::new([input.channels, self.width], 3).init(device),
            pool: GlobalAvgPool::default(),
            head: LinearConfig::new(self.width, input.classes).init(device),
        };
        Ok(Init::PYTORCH.apply(model, seed))
    }
}

fn models() -> Models<Wide> {
    Models::new(|spec| match spec.name.as_str() {
        "wide" => Ok(Box::new(spec.resolve::<WideConfig>()?)),
        other => Err(ConfigError::unknown_name("model", other, ["wide"])),
    })
}

fn recipe(model: &str) -> Recipe {
    Recipe {
        dataset: "glyphs(train=96, test=27)".into(),
        model: model.parse().unwrap(),
        optimizer: "adam(lr=0.01)".parse().unwrap(),
        batch_size: 24,
        epochs: 2,
        ..Recipe::default()
    }
}

fn job(recipe: Recipe, out: &Path) -> Job<'static, Wide> {
    Job::from_sources(recipe, Sources::of_models(models()), out)
}

fn bytes(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("model.safetensors")).unwrap()
}

#[test]
fn it_trains_resumes_predicts_and_is_evaluated() {
    let temp = tempfile::tempdir().unwrap();
    let (whole, cut) = (temp.path().join("whole"), temp.path().join("cut"));
    let report = firebrick::train(job(recipe("wide(12)"), &whole)).unwrap();
    assert_eq!(report.model, "wide(width=12)");
    assert_eq!(report.parameters, 12 * 9 + 12 + 12 * 27 + 27);

    let short = Recipe {
        max_updates: Some(3),
        ..recipe("wide(12)")
    };
    firebrick::train(job(short, &cut)).unwrap();
    let rest = Recipe {
        max_updates: None,
        ..firebrick::run_recipe(&cut).unwrap()
    };
    assert_eq!(rest.program.as_deref(), Some("a program of its own"));
    let resume = |recipe: Recipe| Job {
        start: Start::Resume,
        ..job(recipe, &cut)
    };
    let resumed = firebrick::train(resume(rest.clone())).unwrap();
    assert_eq!(resumed.resumed_from.as_deref(), Some("step 3"));
    assert!(bytes(&cut) == bytes(&whole), "the resumed run is another");
    // A program without the model says whose it is.
    let zoo = Job {
        start: Start::Resume,
        ..Job::new(rest, &cut)
    };
    let error = firebrick::train(zoo).unwrap_err().to_string();
    let expected = "unknown model `wide`: this run was made with a program of its own";
    assert!(error.contains(expected), "{error}");

    let device = device("flex").unwrap();
    let error = TrainedModel::read(&whole, &device).unwrap_err().to_string();
    assert!(error.contains("unknown model `wide`"), "{error}");
    let trained = TrainedModel::read_with(&whole, &models(), &device).unwrap();
    assert_eq!(trained.network.head.weight.dims(), [12, 27]);
    let evaluated = EvalJob {
        tta: None,
        model: &trained,
        images: EvalImages {
            recipe: recipe("wide(12)"),
            held_out: false,
            split: Some(Split::Test),
            run: None,
            cache: "no-data".into(),
        },
        numbered: false,
    };
    let found = evaluate(evaluated, &mut |_, _| {}).unwrap();
    assert_eq!(Some(found.evaluation.scores), report.test);

    let picture = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/image/palette.png");
    let mut said = Vec::new();
    let mut each = |prediction: Result<_, _>| said.push(prediction.unwrap());
    let files = vec![Ok(picture)];
    let wanted = Wanted {
        top: 2,
        ..Wanted::default()
    };
    predict(&trained, files, &wanted, &mut each);
    assert_eq!((said.len(), said[0].top.len()), (1, 2));
}

#[test]
fn weights_of_other_classes_keep_all_but_the_head() {
    let temp = tempfile::tempdir().unwrap();
    firebrick::train(job(recipe("wide"), temp.path().join("run").as_path())).unwrap();
    let weights = temp.path().join("run/model.safetensors");
    let device = device("flex").unwrap();
    let trained = TrainedModel::read_with(&weights, &models(), &device).unwrap();
    let classes = ["a", "b"].map(String::from).to_vec();
    let labels = vec![0, 1, 0, 1, 0, 1];
    let images = InMemory::new("two", [16, 16, 1], vec![9; 6 * 256], labels, classes).unwrap();
    let sources = Sources {
        data: Some(Splits::new("two", 1, Arc::new(images))),
        ..Sources::of_models(models())
    };
    let recipe = Recipe {
        weights: Some(weights.display().to_string()),
        normalize: "none".into(),
        ..recipe("wide")
    };
    let session = Session::open_with(&recipe, sources).unwrap();
    assert_eq!(session.recipe.dataset, "two");
    assert!(
        session.notes[0].contains("chosen by train_top1"),
        "{:?}",
        session.notes
    );
    let (model, notes) = session.model().unwrap();
    assert_eq!(model.head.weight.dims(), [8, 2]);
    assert_eq!(notes.len(), 1, "{notes:?}");
    let conv = StateDict::of(&model).tensors.remove("conv.weight");
    assert_eq!(
        conv.as_ref(),
        StateDict::of(&trained.network).tensors.get("conv.weight")
    );
}

#[test]
fn the_range_test_and_a_search_vary_it() {
    let temp = tempfile::tempdir().unwrap();
    let sweep = Sweep {
        num_iter: 5,
        ..Sweep::default()
    };
    let sources = || Sources::of_models(models());
    let curve = firebrick::lr_find(&recipe("wide"), sources(), sweep, &mut |_| {}).unwrap();
    assert_eq!(curve.loss.len(), 5);
    let error = firebrick::lr_find(&recipe("wide(width=99)"), sources(), sweep, &mut |_| {});
    assert!(error.unwrap_err().to_string().contains("width = 99"));

    let space = |text: &str| Search {
        space: text.parse().unwrap(),
        trials: 2,
        rounds: 1,
        shrink: 0.5,
        epochs_first: 1,
        epochs: 1,
        seed: 0,
    };
    let run = |text: &str, out: &str| {
        let out = temp.path().join(out);
        search(SearchJob::from_sources(
            recipe("wide"),
            sources(),
            space(text),
            out,
        ))
    };
    let report = run("model.width=int(2, 6)", "search").unwrap();
    assert!(report.best.is_some() && report.trials.len() == 2);
    // The ends of a range are checked before anything is trained.
    let error = run("model.width=int(2, 65)", "refused")
        .unwrap_err()
        .to_string();
    assert!(error.contains("width = 65"), "{error}");
    assert!(!temp.path().join("refused").exists());
}

#[test]
fn a_model_without_options_has_a_name_and_refuses_options() {
    let native = WideConfig::default().native_input();
    let build = |input: &Input, seed: u64, device: &Device| {
        WideConfig::default().model(input, seed, device)
    };
    let models = Models::own("fixed", native, build);
    let canonical = |text: &str| models.canonical(&text.parse().unwrap());
    assert_eq!(canonical("fixed").unwrap(), Spec::new("fixed"));
    for (text, needle) in [
        ("fixe", "did you mean `fixed`?"),
        ("fixed(width=2)", "fixed has no key `width`"),
    ] {
        let error = canonical(text).unwrap_err().to_string();
        assert!(error.contains(needle), "{error}");
    }
}
