use super::*;
use firebrick_types::spec::Spec;

fn config(train: usize, test: usize, domain: Domain) -> GlyphsConfig {
    GlyphsConfig {
        train,
        test,
        domain,
        ..GlyphsConfig::default()
    }
}

#[test]
fn images_are_pinned() {
    let pin = |domain| config(54, 27, domain).build().unwrap().0.fingerprint();
    assert_eq!(pin(Domain::Grey), "glyphs-train-54-6460d5c3e16df7b9");
    assert_eq!(pin(Domain::Rgb), "glyphs-train-54-edcd706c470fe814");
}

#[test]
fn classes_are_named_after_their_character_and_equally_frequent() {
    let (train, test) = config(270, 54, Domain::Rgb).build().unwrap();
    assert_eq!(train.classes().concat(), "0123456789ACEFHJKLMNPRTUWXY");
    for (split, each) in [(&train, 10), (&test, 2)] {
        let mut counts = [0; 27];
        for index in 0..split.len() {
            let sample = split.get(index).unwrap();
            assert_eq!(sample.label, split.label(index));
            assert_eq!(sample.image.pixels.len(), 32 * 32 * 3);
            counts[sample.label] += 1;
        }
        assert_eq!(counts, [each; 27]);
    }
    assert_eq!(train.describe(3), "glyphs/train[3]");
    assert!(train.get(270).is_err());
}

#[test]
fn every_option_changes_the_images() {
    let base = config(27, 27, Domain::Grey);
    let pixels = |config: &GlyphsConfig| config.build().unwrap().0.pixels;
    let (train, test) = base.build().unwrap();
    assert_ne!(train.pixels, test.pixels, "split");
    assert_ne!(train.fingerprint(), test.fingerprint());
    assert_ne!(
        train.pixels,
        pixels(&GlyphsConfig {
            seed: 1,
            ..base.clone()
        }),
        "seed"
    );
    assert_ne!(
        train.pixels,
        pixels(&GlyphsConfig {
            difficulty: 0.5,
            ..base.clone()
        })
    );
    let larger = pixels(&config(60, 27, Domain::Grey));
    assert_eq!(
        larger[..train.pixels.len()],
        train.pixels,
        "a smaller split is a beginning"
    );
    // Two images of one class are two drawings.
    let again = config(54, 27, Domain::Grey).build().unwrap().0;
    assert_ne!(again.get(0).unwrap().image, again.get(27).unwrap().image);
}

#[test]
fn without_difficulty_the_same_form_is_the_same_picture() {
    let clean = GlyphsConfig {
        difficulty: 0.0,
        ..config(54, 1, Domain::Grey)
    };
    let (train, _) = clean.build().unwrap();
    // `0` has one form only; colours are black and white.
    assert_eq!(train.get(0).unwrap(), train.get(27).unwrap());
    let zero = train.get(0).unwrap().image;
    assert_eq!((zero.pixels[0], zero.pixels[5 * 32 + 16] > 200), (0, true));
}

#[test]
fn options_out_of_range_are_refused() {
    for (text, needle) in [
        ("glyphs(train=0)", "train = 0"),
        ("glyphs(10, test=0)", "test = 0"),
        ("glyphs(train=500001)", "train = 500001"),
        ("glyphs(difficulty=nan)", "difficulty = NaN"),
        ("glyphs(difficulty=2.5)", "difficulty = 2.5"),
        ("glyphs(domain=blue)", "domain"),
        ("glyphs(trian=3)", "did you mean `train`"),
    ] {
        let spec: Spec = text.parse().unwrap();
        let error = spec
            .resolve::<GlyphsConfig>()
            .and_then(|config| config.build().map(drop));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(needle), "{text}: {error}");
    }
    let spec: Spec = "glyphs(train=6000, domain=rgb)".parse().unwrap();
    assert_eq!(
        spec.resolve::<GlyphsConfig>().unwrap(),
        config(6000, 2000, Domain::Rgb)
    );
}

/// Softmax regression on raw pixels by plain gradient descent; returns its test accuracy.
fn linear_accuracy(train: &Glyphs, test: &Glyphs, epochs: usize) -> f64 {
    let classes = train.classes().len();
    let pixels = |set: &Glyphs, index| -> Vec<f32> {
        let image = set.get(index).unwrap().image;
        image
            .pixels
            .iter()
            .map(|value| f32::from(*value) / 255.0 - 0.5)
            .collect()
    };
    let images: Vec<_> = (0..train.len()).map(|index| pixels(train, index)).collect();
    let mut weights = vec![vec![0.0_f32; images[0].len()]; classes];
    let scores = |weights: &[Vec<f32>], image: &[f32]| -> Vec<f32> {
        let dot = |row: &Vec<f32>| row.iter().zip(image).map(|(w, x)| w * x).sum();
        weights.iter().map(dot).collect()
    };
    for epoch in 0..epochs {
        let rate = 0.005 * (1.0 - epoch as f32 / epochs as f32);
        for (index, image) in images.iter().enumerate() {
            let mut slopes = scores(&weights, image);
            let largest = slopes.iter().copied().fold(f32::MIN, f32::max);
            slopes
                .iter_mut()
                .for_each(|score| *score = (*score - largest).exp());
            let total: f32 = slopes.iter().sum();
            for (class, (row, slope)) in weights.iter_mut().zip(&slopes).enumerate() {
                let wanted = f32::from(u8::from(class == train.label(index)));
                let step = rate * (slope / total - wanted);
                row.iter_mut().zip(image).for_each(|(w, x)| *w -= step * x);
            }
        }
    }
    let right = |index: &usize| {
        let scores = scores(&weights, &pixels(test, *index));
        let best = (0..classes).max_by(|a, b| scores[*a].total_cmp(&scores[*b]));
        best == Some(test.label(*index))
    };
    (0..test.len()).filter(right).count() as f64 / test.len() as f64
}

#[test]
fn a_linear_model_is_far_above_chance_and_far_below_a_network() {
    let (train, test) = config(2700, 540, Domain::Grey).build().unwrap();
    let accuracy = linear_accuracy(&train, &test, 12);
    // Chance is 0.037.
    assert!((0.2..0.8).contains(&accuracy), "{accuracy}");
    // Clean print is easy: the labels are right.
    let clean = GlyphsConfig {
        difficulty: 0.0,
        ..config(270, 108, Domain::Grey)
    };
    let (train, test) = clean.build().unwrap();
    let accuracy = linear_accuracy(&train, &test, 12);
    assert!(accuracy > 0.95, "{accuracy}");
}
