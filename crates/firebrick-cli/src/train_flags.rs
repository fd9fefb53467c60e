//! The flags of `train`, made from the table of settings, and how they override a recipe.

use std::sync::LazyLock;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueHint};
use firebrick::core::ConfigError;
use firebrick::core::recipe::{Recipe, SETTINGS, Setting};
use firebrick::core::setting::{Flag, Form, Place, Scope};
use firebrick::core::spec::Spec;
use firebrick::optim::rates::{self, optimizer_has_rate, schedule_has_rate};

use crate::help;

/// The settings that have a flag, each with the name of its flag.
static FLAGS: LazyLock<Vec<(String, Flag, &'static Setting)>> = LazyLock::new(|| {
    let rows = SETTINGS.iter();
    rows.filter_map(|row| Some((row.flag()?, row.about.flag?, row)))
        .collect()
});

/// The settings of a recipe that were given as flags, in the order given.
#[derive(Debug, Clone, Default)]
pub(crate) struct TrainFlags(Vec<Given>);

/// A flag and the text of its value.
#[derive(Debug, Clone)]
struct Given {
    setting: &'static Setting,
    text: String,
}

impl Args for TrainFlags {
    fn augment_args(command: Command) -> Command {
        let flags = FLAGS
            .iter()
            .map(|(name, flag, setting)| arg(name, *flag, setting));
        // The former name of --valid-fraction, refused with the new name.
        let split = Arg::new("split").long("split").hide(true);
        command
            .args(flags)
            .arg(split.value_name("NAME").value_parser(no_split))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TrainFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Vec::new();
        for (_, _, setting) in FLAGS.iter() {
            let texts = matches.get_many::<String>(setting.key);
            let places = matches.indices_of(setting.key);
            let texts = texts.into_iter().flatten().cloned();
            let of = |text| Given { setting, text };
            given.extend(places.into_iter().flatten().zip(texts.map(of)));
        }
        given.sort_by_key(|(place, _)| *place);
        Ok(Self(given.into_iter().map(|(_, given)| given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The flag of a setting.
fn arg(name: &'static str, flag: Flag, setting: &'static Setting) -> Arg {
    let check = move |text: &str| {
        let mut recipe = Recipe::default();
        let checked = setting.value_mut(&mut recipe).read(text);
        checked.map(|()| text.to_string())
    };
    let arg = Arg::new(setting.key)
        .long(name)
        .value_name(flag.value)
        .help(help::of(setting))
        .help_heading(flag.heading.title())
        .value_parser(check);
    let arg = match setting.about.place {
        Some(Place::Directory) => arg.value_hint(ValueHint::DirPath),
        Some(Place::File) => arg.value_hint(ValueHint::FilePath),
        Some(Place::Folder) | None => arg,
    };
    match setting.value(&Recipe::default()).form() {
        Form::Value | Form::Optional => arg.action(ArgAction::Set),
        Form::List => arg.action(ArgAction::Append),
        Form::Switch => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
    }
}

fn no_split(_: &str) -> Result<String, String> {
    Err("training always uses the train split. To set the share of the training images that is held out for \
         validation, use --valid-fraction"
        .into())
}

impl TrainFlags {
    /// The value of the flag with this key, if it is given.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let mut given = self.0.iter().rev();
        let found = given.find(|given| given.setting.key == key)?;
        Some(&found.text)
    }

    /// The flags without one of them.
    pub(crate) fn without(&self, key: &str) -> Self {
        let others = self.0.iter().filter(|given| given.setting.key != key);
        Self(others.cloned().collect())
    }

    /// The name of a flag whose setting has a scope that cannot be `changed`; first those that belong
    /// to the run, then those that a branch could change.
    pub(crate) fn first_not(&self, changed: impl Fn(Scope) -> bool) -> Option<String> {
        let mut fixed = Scope::ALL.into_iter().filter(|scope| !changed(*scope));
        fixed.find_map(|scope| {
            let of = |given: &&Given| given.setting.about.scope == scope;
            self.0.iter().find(of)?.setting.flag()
        })
    }

    /// The flags as words of a command line, each with its value where that is a word of its own.
    pub(crate) fn words(&self) -> Vec<(String, Option<String>)> {
        let words = self.0.iter().filter_map(|Given { setting, text }| {
            let name = format!("--{}", setting.flag()?);
            let form = setting.value(&Recipe::default()).form();
            Some(match (form, text.as_str()) {
                (Form::Switch, "true") => (name, None),
                (Form::Switch, _) => (format!("{name}={text}"), None),
                _ => (name, Some(text.clone())),
            })
        });
        words.collect()
    }

    /// Writes the flags over a recipe.
    pub(crate) fn apply(&self, recipe: &mut Recipe) -> Result<(), ConfigError> {
        self.clear_rates(recipe)?;
        for Given { setting, text } in &self.0 {
            let read = setting.value_mut(recipe).read(text);
            read.map_err(|why| ConfigError::Conflict(format!("{}: {why}", setting.key)))?;
        }
        Ok(())
    }

    /// Takes the rates from the recipe where a flag gives one, because a rate in a flag replaces those in
    /// the recipe, and --lr replaces all; `--lr none` leaves those of optimizer and schedule. If --schedule
    /// and --optimizer give two different rates, planning the run reports the error.
    fn clear_rates(&self, recipe: &mut Recipe) -> Result<(), ConfigError> {
        let has_rate = |key: &str, has: fn(&Spec) -> Result<bool, ConfigError>| {
            let spec: Option<Spec> = self.get(key).map(str::parse).transpose()?;
            spec.as_ref().map_or(Ok(false), has)
        };
        if has_rate("schedule", schedule_has_rate)?
            || has_rate("optimizer", optimizer_has_rate)?
            || self.get("lr").is_some_and(|rate| rate.trim() != "none")
        {
            rates::clear(recipe)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(words: &str) -> Result<TrainFlags, String> {
        let command = Command::new("train").args_override_self(true);
        let words = ["train"].into_iter().chain(words.split_whitespace());
        let matches = TrainFlags::augment_args(command).try_get_matches_from(words);
        let matches = matches.map_err(|error| error.to_string())?;
        TrainFlags::from_arg_matches(&matches).map_err(|error| error.to_string())
    }

    fn with(recipe: &Recipe, words: &str) -> Recipe {
        let mut recipe = recipe.clone();
        flags(words).unwrap().apply(&mut recipe).unwrap();
        recipe
    }

    /// A recipe in which every optional setting with a flag, every list and every switch has a value.
    fn full() -> Recipe {
        let mut recipe = Recipe::default();
        for (_, _, setting) in FLAGS.iter() {
            if setting.value(&recipe).form() == Form::Value {
                continue;
            }
            // Some value of each type.
            let values = [
                "true",
                "fc*:lr=0.5",
                "3",
                "linear(from=0.5, to=0.99)",
                "bicubic",
            ];
            let mut read = values
                .iter()
                .map(|text| setting.value_mut(&mut recipe).read(text));
            assert!(read.any(|read| read.is_ok()), "{}", setting.key);
        }
        recipe
    }

    #[test]
    fn a_flag_switches_off_what_the_recipe_set() {
        let full = full();
        let mut off = 0;
        for (name, _, setting) in FLAGS.iter() {
            let mut expected = full.clone();
            setting.copy(&Recipe::default(), &mut expected);
            let words = match setting.value(&full).form() {
                Form::Value => continue,
                Form::Switch => format!("--{name}=false"),
                Form::Optional | Form::List => format!("--{name} none"),
            };
            assert_ne!(full, expected, "{name} was not set");
            let without = with(&full, &words);
            assert_eq!(
                setting.value(&without).text(),
                setting.value(&expected).text()
            );
            assert_eq!(without, expected, "{name}");
            off += 1;
        }
        assert!(off > 18, "{off}");
        let both = Recipe {
            optimizer: "sgd(lr=0.1)".parse().unwrap(),
            lr: Some(0.5),
            ..Recipe::default()
        };
        let optimizer = |flags: &str| with(&both, flags).optimizer.to_string();
        assert_eq!(optimizer("--lr none"), "sgd(lr=0.1)");
        assert_eq!(optimizer("--lr 0.2"), "sgd");
    }

    #[test]
    fn lists_grow_and_the_last_of_two_values_counts() {
        let recipe = with(
            &full(),
            "--group none --group a:lr=2 --seed 3 --group b:frozen --seed 4",
        );
        let groups: Vec<_> = recipe.groups.iter().map(ToString::to_string).collect();
        assert_eq!(groups, ["a:lr=2.0", "b:lr=0.0"]);
        assert_eq!(recipe.seed, 4);
        let more = with(&full(), "--group a:lr=2");
        assert_eq!(
            more.groups.len(),
            2,
            "flags add to the groups of the recipe"
        );
    }

    #[test]
    fn only_what_a_session_chooses_may_change_when_a_run_is_resumed() {
        let refused = |name: &str, changed: fn(Scope) -> bool| {
            let (_, _, setting) = FLAGS.iter().find(|(known, ..)| known == name).unwrap();
            let value = setting.value(&Recipe::default()).text();
            let value = value.unwrap_or_else(|| "none".into());
            let given = flags(&format!("--{name}={value}")).unwrap();
            let refused = given.first_not(changed);
            assert!(refused.is_none() || refused.as_deref() == Some(name));
            refused.is_some()
        };
        let session = "data-dir weights-dir offline max-updates max-seconds device workers checkpoint-every keep";
        let run = "dataset valid-fraction limit-train image-size channels fit crop-pct interpolation sampling on-bad-image normalize \
                   model weights weights-except batch-size overfit-batches seed";
        let branch = "optimizer schedule momentum-schedule weight-decay-schedule lr augment mix loss penalize epochs accumulate \
                      clip-norm clip-value clip-tensor-norm clip-agc layer-decay on-non-finite early-stop monitor \
                      group no-decay-bias-norm";
        for (names, in_resume, in_branch) in [
            (session, false, false),
            (branch, true, false),
            (run, true, true),
        ] {
            for name in names.split_whitespace() {
                let found = [Scope::changes_in_a_resume, Scope::changes_in_a_branch];
                let found = found.map(|changed| refused(name, changed));
                assert_eq!(found, [in_resume, in_branch], "--{name}");
            }
        }
        let both = flags("--lr 0.1 --seed 3").unwrap();
        let first = both.first_not(Scope::changes_in_a_resume);
        assert_eq!(first.as_deref(), Some("seed"), "what a branch cannot mend");
    }

    #[test]
    fn help_shows_every_default() {
        for (name, flag, setting) in FLAGS.iter() {
            let help = help::of(setting);
            let given = setting.value(&Recipe::default()).text();
            let default = given.as_deref().unwrap_or("none");
            assert!(
                help.contains(&format!("[default: {default}")),
                "{name}: {help}"
            );
            assert!(!flag.value.is_empty());
        }
    }

    #[test]
    fn flags_are_words_that_give_the_same_recipe() {
        let line = "--seed 3 --no-decay-bias-norm --group fc*:lr=2 --clip-norm none --model lenet5";
        let given = flags(line).unwrap();
        let words = given.words().into_iter();
        let words = words.flat_map(|(flag, value)| [Some(flag), value]);
        let words: Vec<_> = words.flatten().collect();
        assert_eq!(words.join(" "), line);
        let switched = flags("--no-decay-bias-norm=false").unwrap().words();
        assert_eq!(switched, [("--no-decay-bias-norm=false".into(), None)]);
    }
}
