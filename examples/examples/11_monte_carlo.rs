//! How sure a network is: Monte-Carlo dropout. The same images pass many times, each time with other values dropped; where the answers
//! differ, the network does not know.

use anyhow::Context;
use firebrick::prelude::*;
use firebrick::regularize::dropout::monte_carlo::monte_carlo;
use firebrick_examples::size;

fn main() -> anyhow::Result<()> {
    let recipe = Recipe {
        dataset: size("glyphs", "glyphs(train=300, test=50)").into(),
        model: "small_cnn(dropout=0.2)".parse()?,
        optimizer: "adam(lr=2e-3)".parse()?,
        schedule: "one_cycle".parse()?,
        epochs: size(5, 1),
        ..Recipe::default()
    };
    let session = Session::open(&recipe)?;
    let mut test = session.test_loader()?.context("glyphs have a test split")?;
    let model = session.train()?.model;

    test.start(0, 0);
    let batch = test.next_batch().context("an image")??;
    let device = model.devices().into_iter().next().unwrap_or_default();
    let images = burn::tensor::TensorData::new(batch.images, batch.shape);
    let images = Tensor::from_data(images, &device.inner());

    // 50 passes, with dropout as in training and batch norm as in evaluation.
    let seen = monte_carlo(&model, images, 50, 0);
    let most = (0..batch.indices.len())
        .max_by(|a, b| seen.entropy[*a].total_cmp(&seen.entropy[*b]))
        .context("an image")?;
    println!(
        "most doubtful: image {}, {:.2} nats, {:.2} of them because the passes disagree",
        batch.indices[most], seen.entropy[most], seen.mutual_information[most]
    );
    let classes = &seen.mean[most * seen.classes..][..seen.classes];
    let variances = &seen.variance[most * seen.classes..][..seen.classes];
    for ((name, mean), variance) in test.classes().iter().zip(classes).zip(variances) {
        if *mean > 0.05 {
            println!("{name}: {:.2} ± {:.2}", mean, variance.sqrt());
        }
    }
    Ok(())
}
