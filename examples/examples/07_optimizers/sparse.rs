//! Logistic regression on sparse features of unequal frequency: ten are present in every other sample, and a hundred rare
//! ones decide the class where they are present.

use std::fmt::Write as _;
use std::sync::Arc;

use firebrick::core::init::Init;
use firebrick::core::nn::{Linear, LinearConfig};
use firebrick::core::random;
use firebrick::datasets::InMemory;
use firebrick::prelude::*;
use rand::Rng;

const FREQUENT: usize = 10;
const RARE: usize = 100;
const FEATURES: usize = FREQUENT + RARE;

/// A linear layer over features that lie in a row of pixels.
#[derive(Module, Debug)]
struct LogisticRegression {
    fc: Linear,
}

impl Classifier for LogisticRegression {
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        self.fc.forward(images.flatten(1, 3))
    }
}

/// Samples, and which of them a rare feature decides: the frequent ones alone say the opposite.
fn samples(count: usize, seed: u64) -> anyhow::Result<(InMemory, Vec<bool>)> {
    let (mut pixels, mut labels, mut decided) = (Vec::new(), Vec::new(), Vec::new());
    let share = |rng: &mut random::HostRng| (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    for sample in 0..count as u64 {
        let mut rng = random::rng(seed, "sparse", sample, 0);
        let (mut frequent, mut rare) = (0.0, 0.0);
        for feature in 0..FEATURES {
            let is_rare = feature >= FREQUENT;
            let there = share(&mut rng) < if is_rare { 0.01 } else { 0.5 };
            pixels.push(if there { 255 } else { 0 });
            let sign = if feature % 2 == 0 { 1.0 } else { -1.0 };
            if there && is_rare {
                rare += 6.0 * sign;
            } else if there {
                frequent += sign;
            }
        }
        // A little noise keeps the weights of the best model finite.
        let flipped = share(&mut rng) < 0.02;
        let label = frequent + rare + 0.5 > 0.0;
        labels.push(usize::from(label != flipped));
        decided.push(label != (frequent + 0.5 > 0.0) && !flipped);
    }
    let classes = ["no", "yes"].map(String::from).to_vec();
    let set = InMemory::new("sparse", [1, FEATURES, 1], pixels, labels, classes)?;
    Ok((set, decided))
}

struct Data {
    train: Arc<dyn Dataset>,
    test: Arc<dyn Dataset>,
    decided: Vec<bool>,
}

/// What a run came to: the loss of all training samples, accuracy on all test samples, and on those
/// that a rare feature decides.
struct Learned {
    loss: f64,
    all: f64,
    rare: f64,
}

impl Data {
    fn loader(&self, dataset: &Arc<dyn Dataset>, batch_size: usize) -> anyhow::Result<Loader> {
        let as_they_are = Preprocessing::unnormalized(1, 1, FEATURES);
        let config = LoaderConfig {
            batch_size,
            workers: 0,
            ..LoaderConfig::default()
        };
        Ok(Loader::new(
            dataset.clone(),
            as_they_are,
            None,
            Vec::new(),
            config,
        )?)
    }

    /// Trains from the same weights; nothing when the loss is not finite.
    fn learn(
        &self,
        optimizer: &str,
        batch_size: usize,
        epochs: u64,
    ) -> anyhow::Result<Option<Learned>> {
        let device = device("flex")?.autodiff();
        let fc = LinearConfig::new(FEATURES, 2).init(&device);
        let model = Init::PYTORCH.apply(LogisticRegression { fc }, 0);
        let mut train = self.loader(&self.train, batch_size)?;
        let config = TrainConfig {
            epochs,
            ..TrainConfig::default()
        };
        let run = RunLength::new(epochs, train.samples() as u64, batch_size as u64, 1);
        let plan = plan(&optimizer.parse()?, &"constant".parse()?, None, run)?;
        let loss = CrossEntropy::default();
        let outcome = match fit(
            Training::new(model, plan.update, plan.schedule, &loss, &mut train),
            &config,
        ) {
            Ok(outcome) => outcome,
            Err(TrainError::NonFinite { .. } | TrainError::Update(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let model = outcome.model.valid();
        let scores = |dataset| -> anyhow::Result<_> {
            Ok(evaluate(
                &model,
                &mut self.loader(dataset, 500)?,
                &loss,
                &mut |_| {},
            )?)
        };
        let test = scores(&self.test)?;
        let rare: Arc<dyn Dataset> = Arc::new(firebrick::datasets::split::Subset::new(
            self.test.clone(),
            (0..self.test.len())
                .filter(|at| self.decided[*at])
                .collect(),
        )?);
        Ok(Some(Learned {
            loss: scores(&self.train)?.scores.loss,
            all: test.scores.top1,
            rare: scores(&rare)?.scores.top1,
        }))
    }
}

/// Trains with many rates and tells of the one whose training loss is least, and of the methods of
/// second order, which need none.
pub fn table(smoke: bool) -> anyhow::Result<String> {
    let count = if smoke { 100 } else { 2000 };
    let (train, _) = samples(count, 1)?;
    let (test, decided) = samples(if smoke { 300 } else { 4000 }, 2)?;
    let data = Data {
        train: Arc::new(train),
        test: Arc::new(test),
        decided,
    };
    let mut text = String::from(
        "| optimizer | batches | best rate | training loss | accuracy | where a rare feature decides |\n|---|---|---:|---:|---:|---:|\n",
    );
    let mut row = |name: &str, batches: &str, rate: &str, learned: Option<&Learned>| {
        let numbers = learned.map_or(
            "diverged | – | –".into(),
            |Learned { loss, all, rare }| {
                format!("{loss:.4} | {:.1} % | {:.1} %", 100.0 * all, 100.0 * rare)
            },
        );
        let _ = writeln!(text, "| `{name}` | {batches} | {rate} | {numbers} |");
    };
    let rates: &[f64] = if smoke {
        &[0.3]
    } else {
        &[0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]
    };
    for name in ["sgd", "adagrad", "adam"] {
        let mut best: Option<(f64, Learned)> = None;
        for lr in rates {
            let learned = data.learn(&format!("{name}(lr={lr})"), 20, 1)?;
            if let Some(learned) = learned
                && best
                    .as_ref()
                    .is_none_or(|(_, best)| learned.loss < best.loss)
            {
                best = Some((*lr, learned));
            }
        }
        let batches = "once through, in batches of 20";
        match &best {
            Some((lr, learned)) => row(name, batches, &lr.to_string(), Some(learned)),
            None => row(name, batches, "–", None),
        }
    }
    for (name, steps) in [
        ("sgd(lr=1)", 20),
        ("lbfgs(line_search=strong_wolfe, max_iter=1)", 20),
        ("hessian_free", 20),
        ("newton(damping=0.001)", 10),
    ] {
        let steps = if smoke { 1 } else { steps };
        if smoke && name.starts_with("newton") {
            continue;
        }
        let learned = data.learn(name, count, steps)?;
        row(
            name,
            &format!("{steps} steps on all samples"),
            "–",
            learned.as_ref(),
        );
    }
    Ok(text)
}
