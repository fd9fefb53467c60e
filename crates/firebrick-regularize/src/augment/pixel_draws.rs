//! What the augmentations of pixels and the policies draw: pinned, and distributed as they say.

use std::collections::BTreeMap;

use firebrick_core::data::{Image, SampleTransform, Subject};
use firebrick_core::image::Size;
use firebrick_core::random::{HostRng, rng};

use super::augmentation::Augmentation;
use super::build;
use super::tests::subject;

/// What the first step of a pipeline drew for the first images of an epoch; `null` where `prob` left one alone.
fn drawn(text: &str) -> String {
    let chain = build(&text.parse().unwrap()).unwrap();
    let drawn = (0..3).map(|position| {
        let subject = Subject {
            seed: 42,
            epoch: 1,
            position,
            ..subject()
        };
        let mut log = Vec::new();
        let image = Image::black(32, 24, 3);
        let changed = chain.transform(image, &subject, &mut subject.rng(), Some(&mut log));
        changed.unwrap();
        serde_json::to_string(&log[0].params).unwrap()
    });
    drawn.collect::<Vec<_>>().join(" ")
}

/// Another stream of draws would make old runs irreproducible.
#[test]
fn draws_are_pinned() {
    let pinned = [
        (
            "color_jitter(0.4, 0.4, 0.4, 0.1)",
            r#"{"changes":[{"saturation":0.8142432124042878},{"brightness":0.8940515227062544},{"hue":0.07740911289736352},{"contrast":1.1003773531331702}]} {"changes":[{"contrast":0.6961447455778282},{"saturation":0.6758187751232927},{"brightness":0.6472484527827784},{"hue":-0.033937090363222455}]} {"changes":[{"saturation":1.306332911375837},{"contrast":1.1958183670865403},{"hue":0.09856235605350086},{"brightness":1.188536554967247}]}"#,
        ),
        (
            "color_jitter(brightness=[0.5, 0.7])",
            r#"{"changes":[{"brightness":0.5735128806765636}]} {"changes":[{"brightness":0.5118121131956946}]} {"changes":[{"brightness":0.6471341387418117}]}"#,
        ),
        (
            "pca_noise",
            r#"{"shift":[-0.008830388688795066,-0.009112958539405644,-0.010316698419367701]} {"shift":[0.010177551971662077,0.011334643605133879,0.012109251908907546]} {"shift":[0.009614290332088158,0.012304676352743652,0.013349389195328517]}"#,
        ),
        ("grayscale(0.5)", r#"null {} {}"#),
        (
            "blur",
            r#"{"sigma":1.3603334834108753} {"sigma":0.19735928402767616} {"sigma":0.38565017424481907}"#,
        ),
        (
            "noise",
            r#"{"std":0.1,"seed":218265276} {"std":0.1,"seed":1359489840} {"std":0.1,"seed":4195558514}"#,
        ),
        ("sharpness", r#"null {"factor":2.0} {"factor":2.0}"#),
        ("posterize([2, 6])", r#"null {"bits":3} {"bits":6}"#),
        (
            "solarize([0, 256])",
            r#"null {"threshold":92.36282100179974} {"threshold":27.14652693133678}"#,
        ),
        ("equalize", r#"null {} {}"#),
        ("autocontrast", r#"null {} {}"#),
        ("invert", r#"null {} {}"#),
        (
            "erase(1)",
            r#"{"left":4,"top":10,"width":19,"height":9} {"left":10,"top":1,"width":11,"height":9} {"left":1,"top":14,"width":9,"height":5}"#,
        ),
        (
            "erase(1, fill=random)",
            r#"{"left":4,"top":10,"width":19,"height":9,"seed":1150209488} {"left":10,"top":1,"width":11,"height":9,"seed":407048949} {"left":1,"top":14,"width":9,"height":5,"seed":3792095943}"#,
        ),
        (
            "cutout(8)",
            r#"{"left":17,"top":2,"width":8,"height":8} {"left":0,"top":15,"width":5,"height":8} {"left":0,"top":0,"width":8,"height":8}"#,
        ),
        (
            "auto_augment",
            r#"{"pair":6,"changes":[{"operation":"solarize","magnitude":0.6666666865348816},{"operation":"equalize"}]} {"pair":20,"changes":[{"operation":"equalize"},{"operation":"solarize","magnitude":0.5555555820465088}]} {"pair":4,"changes":[]}"#,
        ),
        (
            "auto_augment(cifar10)",
            r#"{"pair":6,"changes":[{"operation":"color","magnitude":-0.29999998211860657}]} {"pair":20,"changes":[{"operation":"solarize","magnitude":0.4444444477558136},{"operation":"autocontrast"}]} {"pair":4,"changes":[{"operation":"equalize"}]}"#,
        ),
        (
            "auto_augment(svhn)",
            r#"{"pair":6,"changes":[{"operation":"shear_y","magnitude":-0.2666666805744171}]} {"pair":20,"changes":[{"operation":"solarize","magnitude":0.7777777910232544},{"operation":"translate_y","magnitude":-8.459214210510254}]} {"pair":4,"changes":[{"operation":"rotate","magnitude":10.0}]}"#,
        ),
        (
            "rand_augment",
            r#"{"changes":[{"operation":"translate_x","magnitude":-4.3504533767700195},{"operation":"sharpness","magnitude":-0.26999998092651367}]} {"changes":[{"operation":"solarize","magnitude":0.699999988079071},{"operation":"identity"}]} {"changes":[{"operation":"shear_y","magnitude":0.09000000357627869},{"operation":"shear_x","magnitude":-0.09000000357627869}]}"#,
        ),
        (
            "rand_augment(3, 9, 0.5)",
            r#"{"changes":[{"operation":"translate_x","magnitude":-4.2132134437561035},{"operation":"shear_y","magnitude":0.08791950345039368},{"operation":"autocontrast"}]} {"changes":[{"operation":"solarize","magnitude":0.7089366316795349},{"operation":"rotate","magnitude":-8.936378479003906},{"operation":"shear_x","magnitude":0.08858388662338257}]} {"changes":[{"operation":"shear_y","magnitude":0.09722458571195602},{"operation":"translate_x","magnitude":-4.138606071472168},{"operation":"equalize"}]}"#,
        ),
        (
            "trivial_augment",
            r#"{"operation":"translate_x","magnitude":21.333332061767578} {"operation":"solarize","magnitude":0.9666666388511658} {"operation":"shear_y","magnitude":-0.13199999928474426}"#,
        ),
        (
            "augmix(width=1)",
            r#"{"original":0.7611449135655,"chains":[{"weight":0.2388550864345001,"changes":[{"operation":"translate_y","magnitude":1.7777777910232544}]}]} {"original":0.03602247491826275,"chains":[{"weight":0.9639775250817373,"changes":[{"operation":"shear_y","magnitude":0.0},{"operation":"posterize","magnitude":4.0}]}]} {"original":0.5042451048622706,"chains":[{"weight":0.49575489513772947,"changes":[{"operation":"contrast","magnitude":0.19999998807907104}]}]}"#,
        ),
        (
            "augmix(depth=1, width=2, all_ops=false)",
            r#"{"original":0.7611449135655,"chains":[{"weight":0.12488292493681842,"changes":[{"operation":"translate_x","magnitude":2.370370388031006}]},{"weight":0.11397216149768168,"changes":[{"operation":"equalize"}]}]} {"original":0.03602247491826275,"chains":[{"weight":0.22178736649902864,"changes":[{"operation":"shear_x","magnitude":0.0}]},{"weight":0.7421901585827086,"changes":[{"operation":"translate_y","magnitude":0.8888888955116272}]}]} {"original":0.5042451048622706,"chains":[{"weight":0.4691348362391512,"changes":[{"operation":"autocontrast"}]},{"weight":0.026620058898578235,"changes":[{"operation":"shear_x","magnitude":-0.03333333507180214}]}]}"#,
        ),
        (
            "three_augment",
            r#"{"operation":"grayscale"} {"operation":"blur","sigma":0.7014086995500507} {"operation":"grayscale"}"#,
        ),
    ];
    let found: Vec<_> = pinned
        .iter()
        .map(|(text, _)| (*text, drawn(text)))
        .collect();
    let wrong: Vec<_> = found
        .iter()
        .zip(pinned)
        .filter(|((_, found), (_, pinned))| found != pinned)
        .map(|((text, found), _)| format!("({text:?}, r#\"{found}\"#),"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Many draws for images of one size.
fn samples<C: Augmentation>(config: &C, size: Size, count: u64) -> Vec<C::Params> {
    let rng = |index: u64| -> HostRng { rng(7, "augment", 0, index) };
    (0..count)
        .map(|index| config.sample(size, &subject(), &mut rng(index)))
        .collect()
}

/// Pearson's statistic of counts that should all be alike, one for each of `cells` values.
fn chi_square<T: Ord>(values: impl IntoIterator<Item = T>, cells: usize) -> f64 {
    let mut counts = BTreeMap::new();
    let mut total = 0.0;
    for value in values {
        *counts.entry(value).or_insert(0.0) += 1.0;
        total += 1.0;
    }
    assert_eq!(counts.len(), cells, "every value is drawn");
    let expected: f64 = total / cells as f64;
    let squares = counts
        .values()
        .map(|count: &f64| (count - expected).powi(2) / expected);
    squares.sum()
}

/// The Kolmogorov–Smirnov statistic, √n times the largest distance from the uniform distribution between two ends. Less
/// than 1.95 in 999 of 1000 cases.
fn kolmogorov_smirnov(mut values: Vec<f64>, [low, high]: [f64; 2]) -> f64 {
    values.sort_by(f64::total_cmp);
    let count = values.len() as f64;
    let distance = values.iter().enumerate().map(|(rank, value)| {
        let share = (value - low) / (high - low);
        let rank = rank as f64;
        (share - rank / count)
            .abs()
            .max((share - (rank + 1.0) / count).abs())
    });
    count.sqrt() * distance.fold(0.0, f64::max)
}

const SIZE: Size = Size::new(224, 200);

/// The bounds are passed by one in 1000 seeds.
#[test]
fn the_orders_of_color_jitter_are_alike_likely_and_its_factors_uniform() {
    use super::color_jitter::{Adjustment, ColorJitter};
    use super::interval::Interval;
    let jitter = ColorJitter {
        brightness: Interval::of(0.4),
        contrast: Interval::of(2.0),
        saturation: Interval::between(0.2, 0.3),
        hue: Interval::of(0.1),
    };
    let draws = samples(&jitter, SIZE, 4800);
    let orders = draws.iter().map(|drawn| {
        let names = drawn.changes.iter().map(std::mem::discriminant);
        let all = drawn.changes.iter().map(std::mem::discriminant);
        assert_eq!(all.len(), 4);
        names.map(|name| format!("{name:?}")).collect::<Vec<_>>()
    });
    let statistic = chi_square(orders, 24);
    assert!(statistic < 49.7, "{statistic}");
    let factors = |of: fn(&Adjustment) -> Option<f64>| -> Vec<f64> {
        draws
            .iter()
            .filter_map(|drawn| drawn.changes.iter().find_map(of))
            .collect()
    };
    for (values, ends) in [
        (
            factors(|one| {
                if let Adjustment::Brightness(x) = one {
                    Some(*x)
                } else {
                    None
                }
            }),
            [0.6, 1.4],
        ),
        (
            factors(|one| {
                if let Adjustment::Contrast(x) = one {
                    Some(*x)
                } else {
                    None
                }
            }),
            [0.0, 3.0],
        ),
        (
            factors(|one| {
                if let Adjustment::Saturation(x) = one {
                    Some(*x)
                } else {
                    None
                }
            }),
            [0.2, 0.3],
        ),
        (
            factors(|one| {
                if let Adjustment::Hue(x) = one {
                    Some(*x)
                } else {
                    None
                }
            }),
            [-0.1, 0.1],
        ),
    ] {
        assert_eq!(values.len(), 4800);
        let statistic = kolmogorov_smirnov(values, ends);
        assert!(statistic < 1.95, "{ends:?}: {statistic}");
    }
}

#[test]
fn erased_rectangles_have_the_areas_and_proportions_that_were_asked_for() {
    use super::erase::Erase;
    let size = Size::new(1000, 900);
    let rectangles: Vec<_> = samples(&Erase::default(), size, 3000)
        .iter()
        .map(|drawn| drawn.rectangle)
        .collect();
    assert!(rectangles.iter().all(|one| {
        one.width > 0 && one.left + one.width <= 1000 && one.top + one.height <= 900
    }));
    // So large an image holds nearly every rectangle, and rounding to pixels hardly counts.
    let areas = rectangles
        .iter()
        .map(|one| (one.width * one.height) as f64 / 900_000.0);
    let statistic = kolmogorov_smirnov(areas.collect(), [0.02, 0.33]);
    assert!(statistic < 1.95, "{statistic}");
    let ratios = rectangles
        .iter()
        .map(|one| (one.height as f64 / one.width as f64).ln());
    let statistic = kolmogorov_smirnov(ratios.collect(), [0.3_f64.ln(), 3.3_f64.ln()]);
    assert!(statistic < 1.95, "{statistic}");
    let places = rectangles
        .iter()
        .map(|one| one.left as f64 / (1000 - one.width) as f64);
    let statistic = kolmogorov_smirnov(places.collect(), [0.0, 1.0]);
    assert!(statistic < 1.95, "{statistic}");
    // What cannot fit is given up.
    let all = Erase {
        share: super::interval::Interval::between(1.0, 1.0),
        ..Erase::default()
    };
    assert!(
        samples(&all, Size::new(8, 8), 20)
            .iter()
            .all(|drawn| drawn.rectangle.width == 0)
    );
    assert!(
        samples(&Erase::default(), Size::new(1, 1), 20)
            .iter()
            .all(|drawn| drawn.rectangle.width == 0)
    );
}

#[test]
fn squares_are_cut_out_around_every_pixel_alike() {
    use super::cutout::Cutout;
    let cutout = Cutout {
        size: 3,
        ..Cutout::default()
    };
    let draws = samples(&cutout, Size::new(5, 6), 3000);
    let places = draws.iter().map(|drawn| {
        let one = drawn.rectangle;
        // In a corner, only two of the three rows and columns are inside.
        (one.left, one.width, one.top, one.height)
    });
    let statistic = chi_square(places, 30);
    assert!(statistic < 58.3, "{statistic}");
}

#[test]
fn policies_choose_every_operation_alike() {
    use super::augmix::AugMix;
    use super::auto_augment::AutoAugment;
    use super::policy::Operation;
    use super::rand_augment::RandAugment;
    use super::three_augment::ThreeAugment;
    use super::trivial_augment::TrivialAugment;
    let name = |operation: Operation| format!("{operation:?}");
    let rand = samples(&RandAugment::default(), SIZE, 3500);
    assert!(rand.iter().all(|drawn| drawn.changes.len() == 2));
    for which in 0..2 {
        let statistic = chi_square(
            rand.iter()
                .map(|drawn| name(drawn.changes[which].operation)),
            14,
        );
        assert!(statistic < 34.5, "{statistic}");
    }
    let both = rand.iter().map(|drawn| {
        let names = drawn.changes.iter().map(|change| name(change.operation));
        names.collect::<String>()
    });
    // 195 degrees of freedom.
    let statistic = chi_square(both, 196);
    assert!(statistic < 261.0, "{statistic}");
    let signed = rand.iter().flat_map(|drawn| &drawn.changes);
    let signs = signed.filter(|change| change.operation.is_signed());
    let statistic = chi_square(signs.map(|change| change.magnitude.unwrap() < 0.0), 2);
    assert!(statistic < 10.8, "{statistic}");

    let trivial = samples(&TrivialAugment::default(), SIZE, 7000);
    let statistic = chi_square(trivial.iter().map(|change| name(change.operation)), 14);
    assert!(statistic < 34.5, "{statistic}");
    let turned = trivial
        .iter()
        .filter(|change| change.operation == Operation::Rotate);
    // Steps of 4.5 degrees.
    let steps = turned.map(|change| (change.magnitude.unwrap().abs() / 4.5).round() as u64);
    let statistic = chi_square(steps, 31);
    assert!(statistic < 59.7, "{statistic}");

    let auto = samples(&AutoAugment::default(), SIZE, 5000);
    let statistic = chi_square(auto.iter().map(|drawn| drawn.pair), 25);
    assert!(statistic < 51.2, "{statistic}");
    // The first pair: posterize in 40 % of the cases, rotate in 60 %; 200 images, five standard deviations.
    let first: Vec<_> = auto.iter().filter(|drawn| drawn.pair == 0).collect();
    let share = |operation| {
        let has = |drawn: &&&super::auto_augment::AutoAugmentParams| {
            drawn
                .changes
                .iter()
                .any(|change| change.operation == operation)
        };
        first.iter().filter(has).count() as f64 / first.len() as f64
    };
    assert!((share(Operation::Posterize) - 0.4).abs() < 0.18);
    assert!((share(Operation::Rotate) - 0.6).abs() < 0.18);

    let augmix = samples(&AugMix::default(), SIZE, 3000);
    let depths = augmix
        .iter()
        .flat_map(|drawn| &drawn.chains)
        .map(|chain| chain.changes.len());
    let statistic = chi_square(depths, 3);
    assert!(statistic < 13.8, "{statistic}");
    let operations = augmix
        .iter()
        .map(|drawn| name(drawn.chains[0].changes[0].operation));
    let statistic = chi_square(operations, 13);
    assert!(statistic < 32.9, "{statistic}");
    // Steps 0, 1 and 2 of ten, and both signs.
    let shears = augmix
        .iter()
        .flat_map(|drawn| &drawn.chains)
        .flat_map(|chain| &chain.changes)
        .filter(|change| change.operation == Operation::ShearX)
        .map(|change| change.magnitude.unwrap());
    let shears: Vec<f64> = shears.collect();
    let steps = shears
        .iter()
        .map(|shear| (shear.abs() * 30.0).round() as u64);
    let statistic = chi_square(steps, 3);
    assert!(statistic < 13.8, "{statistic}");
    let signs = shears.iter().filter(|shear| **shear != 0.0);
    let statistic = chi_square(signs.map(|shear| *shear < 0.0), 2);
    assert!(statistic < 10.8, "{statistic}");
    // With alpha = 1, the weight of the original is uniform.
    let statistic = kolmogorov_smirnov(
        augmix.iter().map(|drawn| drawn.original).collect(),
        [0.0, 1.0],
    );
    assert!(statistic < 1.95, "{statistic}");
    for drawn in &augmix {
        let sum = drawn.original + drawn.chains.iter().map(|chain| chain.weight).sum::<f64>();
        assert!((sum - 1.0).abs() < 1e-9, "{sum}");
    }
    // The share of a chain among three has the distribution Beta(1, 2).
    let shares = augmix.iter().map(|drawn| {
        let share = drawn.chains[1].weight / (1.0 - drawn.original);
        1.0 - (1.0 - share).powi(2)
    });
    let statistic = kolmogorov_smirnov(shares.collect(), [0.0, 1.0]);
    assert!(statistic < 1.95, "{statistic}");
    // With alpha = 0.5, the weight of the original has the arcsine distribution.
    let half = AugMix {
        alpha: 0.5,
        ..AugMix::default()
    };
    let weights = samples(&half, SIZE, 3000);
    let weights = weights.iter().map(|drawn| drawn.original.sqrt().asin());
    let statistic = kolmogorov_smirnov(weights.collect(), [0.0, std::f64::consts::FRAC_PI_2]);
    assert!(statistic < 1.95, "{statistic}");

    let three = samples(&ThreeAugment::default(), SIZE, 3000);
    let statistic = chi_square(
        three
            .iter()
            .map(|drawn| format!("{:?}", std::mem::discriminant(drawn))),
        3,
    );
    assert!(statistic < 13.8, "{statistic}");
}

#[test]
fn the_strength_of_rand_augment_varies_by_its_deviation() {
    use super::policy::Operation;
    use super::rand_augment::RandAugment;
    let config = RandAugment {
        n: 1,
        magnitude: 15.0,
        std: 3.0,
        ..RandAugment::default()
    };
    let draws = samples(&config, SIZE, 20_000);
    // 30 steps are 30 degrees.
    let turns: Vec<f64> = draws
        .iter()
        .filter(|drawn| drawn.changes[0].operation == Operation::Rotate)
        .map(|drawn| drawn.changes[0].magnitude.unwrap().abs())
        .collect();
    let count = turns.len() as f64;
    let mean = turns.iter().sum::<f64>() / count;
    let deviation = (turns.iter().map(|turn| (turn - mean).powi(2)).sum::<f64>() / count).sqrt();
    assert!(
        (mean - 15.0).abs() < 0.3 && (deviation - 3.0).abs() < 0.25,
        "{mean} {deviation}"
    );
    assert!(turns.iter().all(|turn| (0.0..=30.0).contains(turn)));
    let wild = RandAugment {
        std: 1000.0,
        ..config
    };
    let ends = samples(&wild, SIZE, 500);
    let turns = ends
        .iter()
        .filter(|drawn| drawn.changes[0].operation == Operation::Rotate);
    assert!(
        turns
            .map(|drawn| drawn.changes[0].magnitude.unwrap().abs())
            .all(|turn| turn <= 30.0)
    );
}

#[test]
fn noise_has_the_deviation_that_it_says_and_no_mean() {
    use super::noise::noise;
    let mut image = Image::black(200, 100, 3);
    image.pixels.fill(128);
    noise(&mut image, 0.05, 9);
    let count = image.pixels.len() as f64;
    let off: Vec<f64> = image
        .pixels
        .iter()
        .map(|value| f64::from(*value) - 128.0)
        .collect();
    let mean = off.iter().sum::<f64>() / count;
    let deviation = (off.iter().map(|off| off * off).sum::<f64>() / count).sqrt();
    // Five standard errors; rounding adds a twelfth to the variance.
    assert!(mean.abs() < 0.26, "{mean}");
    assert!(
        (deviation - (12.75_f64.powi(2) + 1.0 / 12.0).sqrt()).abs() < 0.19,
        "{deviation}"
    );
    let within = off.iter().filter(|off| off.abs() < 12.75).count() as f64 / count;
    assert!(
        (within - 0.6827).abs() < 0.02,
        "as a normal distribution: {within}"
    );
}

#[test]
fn deviations_of_noise_are_uniform_in_their_range() {
    use super::interval::Interval;
    use super::noise::Noise;
    let noise = Noise {
        std: Interval::between(0.02, 0.2),
    };
    let draws = samples(&noise, SIZE, 3000);
    let statistic = kolmogorov_smirnov(draws.iter().map(|drawn| drawn.std).collect(), [0.02, 0.2]);
    assert!(statistic < 1.95, "{statistic}");
    // One number is no range.
    let fixed = samples(&Noise::default(), SIZE, 20);
    assert!(fixed.iter().all(|drawn| drawn.std == 0.1));
}

/// The bounds are passed by one in 1000 seeds.
#[test]
fn the_factors_of_pca_noise_are_normal_and_independent() {
    use super::pca_noise::PcaNoise;
    let noise = PcaNoise {
        std: 0.3,
        eigenvalues: [0.2, 0.05, 0.1],
        eigenvectors: [[0.6, 0.8, 0.0], [-0.8, 0.6, 0.0], [0.0, 0.0, 1.0]],
    };
    let draws = samples(&noise, SIZE, 4000);
    // The directions are perpendicular, so that a projection gives the factor back.
    let factors: Vec<[f64; 3]> = draws
        .iter()
        .map(|drawn| {
            [0, 1, 2].map(|at| {
                let parts = drawn.shift.iter().zip(&noise.eigenvectors[at]);
                let along: f64 = parts.map(|(shift, part)| shift * part).sum();
                along / noise.eigenvalues[at] / noise.std
            })
        })
        .collect();
    // The tenths of the normal distribution.
    let tenths = [-1.281_552, -0.841_621, -0.524_401, -0.253_347, 0.0];
    let tenths = tenths.iter().chain(tenths[..4].iter().rev());
    let tenths: Vec<f64> = tenths
        .enumerate()
        .map(|(at, edge)| if at > 4 { -edge } else { *edge })
        .collect();
    for at in 0..3 {
        let cells = factors.iter().map(|factor| {
            let below = tenths.iter().filter(|edge| factor[at] > **edge);
            below.count()
        });
        let statistic = chi_square(cells, 10);
        assert!(statistic < 27.9, "{at}: {statistic}");
        let products = factors
            .iter()
            .map(|factor| factor[at] * factor[(at + 1) % 3]);
        let correlation = products.sum::<f64>() / 4000.0;
        assert!(
            correlation.abs() < 3.3 / 4000.0_f64.sqrt(),
            "{at}: {correlation}"
        );
    }
}

#[test]
fn pca_noise_shifts_along_the_eigenvectors() {
    use super::pca_noise::{PcaNoise, PcaNoiseParams};
    let noise = PcaNoise {
        std: 0.5,
        eigenvalues: [0.2, 0.0, 0.1],
        eigenvectors: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    };
    let draws = samples(&noise, SIZE, 4000);
    let deviation = |channel: usize| {
        let squares = draws.iter().map(|drawn| drawn.shift[channel].powi(2));
        (squares.sum::<f64>() / 4000.0).sqrt()
    };
    assert!((deviation(0) - 0.1).abs() < 0.006 && deviation(1) == 0.0);
    assert!((deviation(2) - 0.05).abs() < 0.003, "{}", deviation(2));
    let image = Image {
        pixels: vec![0, 10, 250],
        ..Image::black(1, 1, 3)
    };
    let params = PcaNoiseParams {
        shift: [0.1, -0.1, 0.1],
    };
    // 25.5 levels each, rounded and cut off.
    assert_eq!(noise.apply(image, &params).pixels, [26, 0, 255]);
}
