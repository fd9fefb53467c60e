//! The table against the recipe, against what earlier versions wrote, and against the reference page.

use std::fmt::Write;
use std::path::Path;

use super::*;
use crate::setting::{Family, Form, Heading, Scope};
use crate::spec::{Value, fields};

/// A recipe as it stands in the directory of a run of version 0.1, with every key that it had.
const OLD: &str = r#"dataset = "folder:/data/photos"
data_dir = "/data"
valid_fraction = 0.2
limit_train = 1000
image_size = 64
channels = 1
fit = "squash"
sampling = "balanced"
on_bad_image = "skip"
normalize = "mean=0.5; std=0.2"
model = "resnet20(init=normal(std=0.1))"
weights = "w.pth"
optimizer = "sgd(lr=0.1, momentum=0.9)"
schedule = "cosine(lr=0.002, steps=9)"
momentum_schedule = "linear(from=0.5, to=0.99)"
weight_decay_schedule = "constant(lr=0.0005)"
schedule_start = 5
branched_from = "trunk at step 5"
program = "mine"
lr = 0.25
augment = "pad_crop(4) | hflip"
loss = "cross_entropy(label_smoothing=0.1)"
epochs = 7
batch_size = 32
accumulate = 2
clip_norm = 1.0
clip_value = 2.0
clip_tensor_norm = 3.0
clip_agc = 0.01
on_non_finite = "skip(limit=10)"
early_stop = 3
monitor = "valid_loss"
max_updates = 100
max_seconds = 60.0
overfit_batches = 4
seed = 9
device = "ndarray"
workers = 3
checkpoint_every = 50
keep = 2
no_decay_bias_norm = true
layer_decay = 0.75

[[groups]]
path = "fc*"
lr = 0.5
weight_decay = 0.0
optimizer = "adamw(lr=0.001)"
"#;

fn old() -> Recipe {
    Recipe::from_toml(OLD, "old").unwrap()
}

#[test]
fn every_field_of_the_recipe_is_a_row_and_every_row_a_field() {
    let keys: Vec<_> = SETTINGS.iter().map(|setting| setting.key).collect();
    let mut written: Vec<_> = fields::<Recipe>().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, written);
    written.sort();
    written.dedup();
    assert_eq!(written.len(), keys.len());
    let mut flags: Vec<_> = SETTINGS.iter().filter_map(Setting::flag).collect();
    let count = flags.len();
    flags.sort();
    flags.dedup();
    assert_eq!(flags.len(), count, "two settings have one flag: {flags:?}");
    for setting in SETTINGS {
        let help = setting.help();
        assert!(help.len() > 10 && !help.contains("  "), "{help}");
    }
}

/// The keys of `OLD`, in order.
fn old_keys() -> Vec<&'static str> {
    let lines = OLD.lines().take_while(|line| !line.is_empty());
    let keys = lines.filter_map(|line| line.split(" = ").next());
    keys.chain(["groups"]).collect()
}

#[test]
fn recipes_of_earlier_versions_are_read_and_written_as_they_were() {
    let known = old_keys();
    let written = old().to_toml().unwrap();
    // Keys that came later are written with their defaults.
    let later = |line: &&str| {
        let key = line.split(" = ").next().unwrap_or_default();
        Setting::find(key).is_some_and(|setting| !known.contains(&setting.key))
    };
    let kept: Vec<_> = written.lines().filter(|line| !later(line)).collect();
    assert_eq!(kept, OLD.lines().collect::<Vec<_>>());
    for setting in SETTINGS.iter().filter(|row| !known.contains(&row.key)) {
        let default = setting.value(&Recipe::default()).text();
        assert_eq!(setting.value(&old()).text(), default, "{}", setting.key);
    }
}

/// A recipe in which no setting has its default.
fn unusual() -> Recipe {
    let (mut recipe, plain) = (old(), Recipe::default());
    for setting in SETTINGS {
        let default = setting.value(&plain).text();
        // Some value of each type.
        let mut values = ["true", "3", "fc*:lr=0.5", "hflip", "bicubic", "some"].into_iter();
        while setting.value(&recipe).text() == default {
            let value = values.next().unwrap();
            let _ = setting.value_mut(&mut recipe).read(value);
        }
    }
    recipe
}

/// Each row reads, shows, copies and clears its own field, and no other.
#[test]
fn a_row_is_its_field() {
    let (unusual, plain) = (unusual(), Recipe::default());
    let differing = |a: &Recipe, b: &Recipe| -> Vec<&str> {
        let [a, b] = [a, b].map(|recipe| toml::Table::try_from(recipe).unwrap());
        let keys = SETTINGS.iter().map(|setting| setting.key);
        keys.filter(|key| a.get(*key) != b.get(*key)).collect()
    };
    for setting in SETTINGS {
        let key = setting.key;
        let text = setting.value(&unusual).text().unwrap();
        let mut read = plain.clone();
        setting.value_mut(&mut read).read(&text).unwrap();
        assert_eq!(differing(&read, &plain), [key]);
        assert_eq!(setting.value(&read).text(), Some(text));
        let mut copied = plain.clone();
        setting.copy(&unusual, &mut copied);
        assert_eq!(copied, read, "{key}");
        let form = setting.value(&plain).form();
        let off = if form == Form::Switch {
            "false"
        } else {
            "none"
        };
        if form == Form::Value {
            continue;
        }
        setting.value_mut(&mut read).read(off).unwrap();
        assert_eq!(read, plain, "{key} {off}");
        // A switch is no value of a recipe that could say `none`, nor is a list.
        if form == Form::Optional {
            let from_file = Recipe::from_toml(&format!("{key} = \"none\""), "r").unwrap();
            assert_eq!(from_file, plain, "{key}");
            let mut set = copied.clone();
            set.set(key, &Value::Spec(Spec::new("none"))).unwrap();
            assert_eq!(set, plain, "{key}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    for (key, text, needle) in [
        ("batch_size", "many", "expected a whole number"),
        ("clip_agc", "much", "expected a number"),
        ("optimizer", "sgd(", "`)`"),
        ("momentum_schedule", "linear(", "`)`"),
        ("augment", "hflip |", "a name"),
        ("fit", "bend", "neither crop nor squash"),
        ("groups", "fc*", "expected PATH:SETTINGS"),
        ("groups", "fc*:lr=half", "`lr=half`: expected a number"),
        ("groups", "fc*:rate=1", "`rate=1` is not a setting"),
        ("no_decay_bias_norm", "yes", "expected true or false"),
    ] {
        let mut recipe = old();
        let setting = Setting::find(key).unwrap();
        let error = setting.value_mut(&mut recipe).read(text).unwrap_err();
        assert!(error.contains(needle), "{key} {text}: {error}");
        assert_eq!(recipe, old(), "{key} {text}");
    }
}

/// What may differ between sessions of one run: recipes of runs that exist are compared by it.
#[test]
fn the_identity_leaves_out_what_sessions_choose() {
    let known = old_keys();
    let left_out = SETTINGS.iter().map(|setting| (setting.key, setting.about));
    let left_out =
        left_out.filter(|(key, about)| known.contains(key) && !about.scope.in_identity());
    let left_out: Vec<_> = left_out.map(|(key, _)| key).collect();
    assert_eq!(
        left_out,
        [
            "data_dir",
            "weights",
            "program",
            "max_updates",
            "max_seconds",
            "device",
            "workers",
            "checkpoint_every",
            "keep"
        ]
    );
    let mut other = old();
    for key in left_out {
        Setting::find(key)
            .unwrap()
            .copy(&Recipe::default(), &mut other);
    }
    other.dataset = "folder:elsewhere".into();
    assert_eq!(old().identity(), other.identity());
    let fresh = old().without_limits();
    assert_eq!((fresh.max_updates, fresh.max_seconds), (None, None));
    assert_eq!(fresh.device, "ndarray");
}

/// What may change a setting, for the reference page.
fn changes(scope: Scope) -> &'static str {
    match scope {
        Scope::Run | Scope::Start => "cannot change within a run",
        Scope::Branch => "can change when a run branches",
        Scope::Session => "can change when a run is resumed",
        Scope::Limit => "a resumed run starts without it",
    }
}

fn entry(page: &mut String, setting: &Setting) {
    let Setting { key, about, .. } = setting;
    let mut facts = Vec::new();
    if let (Some(name), Some(flag)) = (setting.flag(), about.flag) {
        facts.push(match setting.value(&Recipe::default()).form() {
            Form::Switch => format!("`--{name}`, or `--{name}=false`"),
            _ => format!("`--{name} {}`", flag.value),
        });
    }
    let default = setting.value(&Recipe::default()).text();
    facts.push(match (default, about.unset) {
        (Some(text), _) => format!("default `{text}`"),
        (None, Some(meaning)) => format!("default `none`: {meaning}"),
        (None, None) => "default `none`".into(),
    });
    facts.push(changes(about.scope).into());
    facts.push(match about.fixed {
        Some(why) => format!("a search cannot vary it: {why}"),
        None => "a search can vary it".into(),
    });
    let list = about.family.and_then(Family::command);
    let list = list.map_or_else(String::new, |command| {
        format!(" `firebrick {command} list` shows what is available.")
    });
    writeln!(page, "\n### `{key}`\n").unwrap();
    for (at, paragraph) in setting.paragraphs().enumerate() {
        let list = if at == 0 { list.as_str() } else { "" };
        writeln!(page, "{}{list}\n", paragraph.replace('*', "\\*")).unwrap();
    }
    writeln!(page, "{}.", facts.join(" · ")).unwrap();
}

/// `docs/settings.md`.
fn page() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         <!-- Made from crates/firebrick-types/src/recipe/settings.rs; change it there. -->\n\n\
         Every setting is a key in a recipe and a flag of `firebrick train`, `lr-find` and `search`. A flag\n\
         overrides the recipe. Below each setting are its flag, its default, whether it can change when a run is\n\
         [resumed or branched](resume-and-branch.md), and whether `firebrick search` can vary it.\n\n\
         If the default of a setting is `none`, the value `none` switches off what a recipe sets, as in\n\
         `--clip-norm none`. `--group none` removes the groups of the recipe, and `--no-decay-bias-norm=false`\n\
         applies weight decay to all parameters again. In a recipe, leave the key out.\n",
    );
    for heading in Heading::ALL {
        writeln!(page, "\n## {}", heading.title()).unwrap();
        let here = |row: &&Setting| row.about.flag.is_some_and(|flag| flag.heading == heading);
        SETTINGS
            .iter()
            .filter(here)
            .for_each(|row| entry(&mut page, row));
    }
    page += "\n## Written by Firebrick\n\nFirebrick writes these keys into the recipe of a run. They have no flag.\n";
    let internal = SETTINGS.iter().filter(|row| row.about.flag.is_none());
    internal.for_each(|row| entry(&mut page, row));
    page
}

#[test]
fn the_reference_page_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/settings.md");
    if std::env::var_os("FIREBRICK_WRITE_DOCS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    let written = std::fs::read_to_string(&path)
        .unwrap()
        .replace("\r\n", "\n");
    assert!(
        written == page(),
        "docs/settings.md is not what the table of settings says; \
         `FIREBRICK_WRITE_DOCS=1 cargo test --workspace --lib the_reference_page` writes it anew"
    );
}
