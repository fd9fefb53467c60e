//! A data set of your own: anything that can return an image and its label by index.

use std::sync::Arc;

use firebrick::prelude::*;
use firebrick_examples::size;

/// Stripes: upright or lying, thin or thick.
struct Stripes {
    count: usize,
    classes: Vec<String>,
}

impl Dataset for Stripes {
    fn len(&self) -> usize {
        self.count
    }

    fn get(&self, index: usize) -> Result<Sample, DataError> {
        let label = self.label(index);
        let mut image = Image::black(16, 16, 1);
        let (shift, period) = (index * 7 % 5, if label < 2 { 4 } else { 8 });
        for y in 0..16 {
            for x in 0..16 {
                let along = if label.is_multiple_of(2) { x } else { y };
                let bright = (along + shift) % period < period / 2;
                image.pixels[y * 16 + x] =
                    if bright { 200 } else { 40 } + (index * 31 + x * y) as u8 % 50;
            }
        }
        Ok(Sample { image, label })
    }

    fn label(&self, index: usize) -> usize {
        index % 4
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn describe(&self, index: usize) -> String {
        format!("stripes[{index}]")
    }

    /// A checkpoint is only resumed on data with the same fingerprint.
    fn fingerprint(&self) -> String {
        format!("stripes-{}", self.count)
    }
}

fn main() -> anyhow::Result<()> {
    let classes = ["thin upright", "thin lying", "thick upright", "thick lying"]
        .map(String::from)
        .to_vec();
    let stripes: Arc<dyn Dataset> = Arc::new(Stripes {
        count: size(2000, 200),
        classes,
    });
    let (train, valid) = firebrick::datasets::split::split(stripes, 0.2, 0, true)?;
    let data = Splits {
        valid,
        ..Splits::new("stripes", 1, train)
    };
    // Images are brought to the size that the model reads, and normalized by their mean and deviation.
    let recipe = Recipe {
        model: "lenet5".parse()?,
        epochs: size(3, 2),
        batch_size: 20,
        ..Recipe::default()
    };
    let sources = Sources {
        data: Some(data),
        ..Sources::default()
    };
    let outcome = Session::open_with(&recipe, sources)?.train()?;
    let best = outcome.progress.best.expect("at least one epoch");
    println!(
        "best epoch {}: {:.1} % of the stripes right",
        best.epoch,
        100.0 * best.value
    );
    Ok(())
}
