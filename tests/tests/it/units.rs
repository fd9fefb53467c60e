//! Every unit of every family: it says what it is, and its fields keep to what is said of them.

use firebrick::core::about::Range;
use firebrick::core::length::RunLength;
use firebrick::core::registry::Entry;
use firebrick::core::spec::Spec;
use firebrick::core::testkit::fields_out_of_range_are_named;
use firebrick::core::{ConfigError, loss};
use firebrick::datasets::sampler::Sampling;
use firebrick::datasets::{OpenOptions, open};
use firebrick::ensemble::{average, calibrate, combine, conformal};
use firebrick::optim::schedule::{self, Outlook};
use firebrick::optim::{optimizer, surface};
use firebrick::regularize::{augment, dropout, mix, penalty, views};
use firebrick::transfer::unfreezing;
use firebrick::{families, zoo};

/// Builds the unit of a family in the way that recipes and the command line do.
fn build(family: &str, spec: &Spec) -> Result<(), ConfigError> {
    match family {
        "model" => zoo::canonical(spec).map(drop),
        "optimizer" => optimizer::build(spec).map(drop),
        "schedule" => {
            let run = RunLength::new(3, 100, 10, 1);
            schedule::build(spec, &Outlook::new(run, 0.1)).map(drop)
        }
        "augmentation" => augment::build(&spec.to_string().parse()?).map(drop),
        "dropout" => dropout::check(spec),
        "loss" => loss::build(spec).map(drop),
        "mix" => mix::build(&spec.to_string().parse()?).map(drop),
        "test-time view" => views::build(spec).map(drop),
        "penalty" => penalty::build(&spec.to_string().parse()?).map(drop),
        "sampling" => Sampling::try_from(spec.clone()).map(drop),
        "data set" => match open(&spec.to_string(), &OpenOptions::default()) {
            Err(firebrick::datasets::DatasetError::Config(error)) => Err(error),
            // Without its files it cannot be read; its options were.
            _ => Ok(()),
        },
        "surface" => surface::build(spec).map(drop),
        "average" => {
            let run = RunLength {
                updates: 400,
                updates_per_epoch: 10,
            };
            average::build(&spec.to_string().parse()?, run).map(drop)
        }
        "combination" => combine::build(spec).map(drop),
        "calibration" => calibrate::build(spec).map(drop),
        "fine-tuning strategy" => unfreezing::build(spec).map(drop),
        "conformal score" => conformal::build(spec).map(drop),
        other => panic!("how is a {other} built?"),
    }
}

#[test]
fn out_of_range_is_named_in_every_family() {
    let mut units = 0;
    for family in families() {
        assert!(!family.units.is_empty(), "{}", family.name);
        for unit in &family.units {
            fields_out_of_range_are_named(unit, |spec| build(family.name, spec));
            units += 1;
        }
    }
    assert!(units > 80, "{units}");
}

#[test]
fn every_unit_says_what_it_is_in_one_line() {
    for family in families() {
        for about in family.abouts() {
            let (name, summary) = (about.name, about.summary);
            assert!(
                !summary.is_empty() && !summary.contains('\n') && !summary.ends_with('.'),
                "{name}: {summary}"
            );
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(about.names().all(|name| name.chars().all(plain)), "{name}");
        }
    }
}

#[test]
fn what_a_unit_wraps_is_of_a_family_that_is_known() {
    let known: Vec<_> = families().iter().map(|family| family.name).collect();
    let mut wrapped = Vec::new();
    for family in families() {
        for field in family.abouts().flat_map(|about| about.fields) {
            let range = match field.range {
                Range::Each(range) => *range,
                range => range,
            };
            if let Range::Unit(inside) = range {
                wrapped.push(inside);
                // These have no registry, and name what there is.
                let lists = ["init", "activation", "way to have members"];
                let known =
                    known.contains(&inside) || lists.iter().any(|list| inside.starts_with(list));
                assert!(known, "{}: {inside}", field.name);
            }
        }
    }
    assert!(wrapped.contains(&"optimizer") && wrapped.contains(&"schedule"));
}

/// Units that another test of this program registers.
const OTHERS: [&str; 3] = ["signum", "negative", "perceptron"];

/// `docs/units.md`.
fn page() -> String {
    let mut page = String::from(
        "# Units\n\nEverything that a [spec](recipes-and-specs.md#specs) can name, family by family, with its options, their defaults and \
         the\nvalues that they can take. Where the default is –, the option has no value unless you give one, or its default depends on the \
         run.\n`firebrick FAMILY describe NAME` prints the same, as in `firebrick optim describe adam`.\n\n<!-- Made from the registries by \
         `FIREBRICK_WRITE_DOCS=1 cargo test --workspace --test it the_page_of_units`. -->\n",
    );
    for family in families() {
        let title = match family.name {
            "loss" => "losses".into(),
            "penalty" => "penalties".into(),
            "fine-tuning strategy" => "fine-tuning strategies".into(),
            "mix" => "mixing".into(),
            "sampling" => "sampling".into(),
            "dropout" => "dropout".into(),
            name => format!("{name}s"),
        };
        let (first, rest) = title.split_at(1);
        page += &format!("\n## {}{rest}\n", first.to_uppercase());
        let own = |unit: &&Entry<()>| !OTHERS.contains(&unit.about.name);
        for unit in family.units.iter().filter(own) {
            let about = unit.about;
            page += &format!("\n### `{}`\n\n{}.", about.name, about.summary);
            if !about.aliases.is_empty() {
                page += &format!(" Also called `{}`.", about.aliases.join("`, `"));
            }
            if !about.source.is_empty() {
                page += &format!(" Source: {}.", about.source);
            }
            page += "\n";
            if about.fields.is_empty() {
                continue;
            }
            page += "\n| option | default | values |\n| --- | --- | --- |\n";
            for ((name, default), field) in (unit.fields)().iter().zip(about.fields) {
                let default = match default {
                    serde_json::Value::Null => "–".into(),
                    serde_json::Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                page += &format!("| `{name}` | {default} | {} |\n", field.range);
            }
        }
    }
    page
}

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/units.md");

#[test]
fn the_page_of_units_is_what_the_registries_say() {
    let page = page();
    if std::env::var_os("FIREBRICK_WRITE_DOCS").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let committed = std::fs::read_to_string(PAGE).unwrap_or_default();
    assert!(
        committed == page,
        "docs/units.md is out of date: FIREBRICK_WRITE_DOCS=1 cargo test --workspace --test it the_page_of_units"
    );
}
