//! The networks that a file may contain: the tensors under each prefix, compared with the model.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::weights_file::contents::Entry;
use crate::weights_file::element::ElementType;
use crate::weights_file::rules::Rules;

/// Levels that PyTorch's own wrappers of a module add: `DataParallel`, `torch.compile`, sharding and
/// checkpointing.
const WRAPPERS: [&str; 4] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
];

/// Words in the names of averaged copies of a network.
const AVERAGED: [&str; 5] = ["ema", "swa", "avg", "average", "averaged"];

/// How many prefixes are looked at closely.
const CANDIDATES: usize = 8;

/// Names without the levels that wrappers add.
pub(super) struct Names {
    /// One for each tensor of the file.
    all: Vec<String>,
    by_name: HashMap<String, usize>,
}

impl Names {
    pub(super) fn of(file: &[Entry], model: &[(String, Vec<usize>)], rules: &Rules) -> Self {
        let wrapped = |level: &str| WRAPPERS.contains(&level);
        let own = model.iter().any(|(key, _)| key.split('.').any(wrapped));
        let bare = |entry: &Entry| {
            let kept: Vec<&str> = entry
                .name
                .split('.')
                .filter(|level| !wrapped(level))
                .collect();
            rules.rename(kept.join("."))
        };
        let whole = |entry: &Entry| rules.rename(entry.name.clone());
        let names = |name: &dyn Fn(&Entry) -> String| {
            let all: Vec<String> = file.iter().map(name).collect();
            // What only counts batches is nobody's key.
            let counted = all.iter().enumerate().filter(|(_, name)| !is_counter(name));
            let by_name: HashMap<String, usize> =
                counted.map(|(at, name)| (name.clone(), at)).collect();
            Self { all, by_name }
        };
        let shorter = names(&bare);
        // Two tensors must not become one.
        let distinct: HashSet<&String> = shorter.all.iter().collect();
        if own || distinct.len() < file.len() {
            return names(&whole);
        }
        shorter
    }

    /// The prefixes under which most of the model's keys are found, the best first.
    pub(super) fn prefixes(&self, model: &[(String, Vec<usize>)]) -> Vec<String> {
        let keys: HashSet<&str> = model.iter().map(|(key, _)| key.as_str()).collect();
        let longest = keys.iter().map(|key| key.len()).max().unwrap_or(0);
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.by_name.keys() {
            let ends = name.match_indices('.').map(|(at, _)| at + 1);
            for end in std::iter::once(0).chain(ends) {
                if name.len() - end <= longest && keys.contains(&name[end..]) {
                    *counts.entry(&name[..end]).or_default() += 1;
                }
            }
        }
        let mut best: Vec<(&str, usize)> = counts.into_iter().collect();
        best.sort_by_key(|(prefix, count)| (std::cmp::Reverse(*count), prefix.len()));
        best.truncate(CANDIDATES);
        best.into_iter()
            .map(|(prefix, _)| prefix.to_string())
            .collect()
    }

    /// Whether all of the model's keys lie under a prefix.
    fn whole(&self, prefix: &str, model: &[(String, Vec<usize>)]) -> bool {
        model
            .iter()
            .filter(|(key, _)| !is_counter(key))
            .all(|(key, _)| self.by_name.contains_key(&format!("{prefix}{key}")))
    }
}

/// `num_batches_tracked` of batch norm layers.
pub(crate) fn is_counter(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}

/// Why a tensor does not fit.
pub(super) struct Problem {
    /// The model's key, or what would be the key of one too many.
    pub(super) key: String,
    pub(super) kind: Kind,
}

/// What is wrong with a tensor.
pub(super) enum Kind {
    /// The model's tensor of this shape is not in the file.
    Missing(Vec<usize>),
    /// It is not made of floats.
    Type(ElementType),
    /// Its shapes in the file and in the model.
    Shape(Vec<usize>, Vec<usize>),
    /// The model has no such tensor as this one of the file.
    Extra(usize),
}

/// A network of the file: what lies under a prefix.
pub(super) struct Candidate<'a> {
    pub(super) prefix: &'a str,
    pub(super) entries: Vec<Option<usize>>,
    pub(super) problems: Vec<Problem>,
    /// Tensors of the same dictionary that lie neither under the prefix nor in a copy of the network.
    pub(super) beside: Vec<usize>,
    /// The model's keys that are not loaded because a rule says so.
    pub(super) excepted: Vec<String>,
    /// Keys of tensors that are not used because a rule says so.
    pub(super) ignored: Vec<String>,
    /// Whether its name says that it is the average of another.
    pub(super) averaged: bool,
}

impl<'a> Candidate<'a> {
    pub(super) fn of(
        prefix: &'a str,
        names: &Names,
        file: &[Entry],
        model: &[(String, Vec<usize>)],
        found: &[String],
        rules: &Rules,
    ) -> Self {
        let mut entries = Vec::new();
        let mut problems = Vec::new();
        let (mut excepted, mut ignored) = (Vec::new(), Vec::new());
        for (key, shape) in model {
            if rules.is_excepted(key) {
                entries.push(None);
                excepted.push(key.clone());
                continue;
            }
            let at = names.by_name.get(&format!("{prefix}{key}")).copied();
            entries.push(at);
            let kind = match at.map(|at| &file[at].view) {
                // The model goes on with its own.
                None if is_counter(key) => continue,
                None => Kind::Missing(shape.clone()),
                Some(view) if matches!(view.element, ElementType::Other(_)) => {
                    Kind::Type(view.element.clone())
                }
                Some(view) if view.shape != *shape && !rules.adapts(&view.shape, shape) => {
                    Kind::Shape(view.shape.clone(), shape.clone())
                }
                Some(_) => continue,
            };
            let key = key.clone();
            problems.push(Problem { key, kind });
        }
        let taken: HashSet<usize> = entries.iter().flatten().copied().collect();
        // The dictionary that all of them lie in, where there is one.
        let level = |at: usize| &file[at].name[..file[at].level];
        let mut levels = taken.iter().map(|at| level(*at));
        let first = levels.next();
        let common = first.filter(|first| levels.all(|level| level == *first));
        // Other copies of the network, such as its average.
        let copies: Vec<&String> = found
            .iter()
            .filter(|copy| !prefix.starts_with(copy.as_str()) && names.whole(copy, model))
            .collect();
        let mut beside = Vec::new();
        for (at, name) in names.all.iter().enumerate() {
            let float = !matches!(file[at].view.element, ElementType::Other(_));
            let here = common.is_none_or(|common| level(at) == common);
            let copied = copies.iter().any(|copy| name.starts_with(copy.as_str()));
            if taken.contains(&at) || !float || is_counter(name) || !here || copied {
                continue;
            }
            match name.strip_prefix(prefix) {
                Some(rest) if rules.is_excepted(rest) || rules.is_ignored(rest) => {
                    ignored.push(rest.to_string());
                }
                Some(rest) => problems.push(Problem {
                    key: rest.into(),
                    kind: Kind::Extra(at),
                }),
                None if common.is_some() => beside.push(at),
                None => {}
            }
        }
        let words = |prefix: &str| {
            prefix
                .to_lowercase()
                .split(['.', '_', '-'])
                .any(|word| AVERAGED.contains(&word))
        };
        Self {
            prefix,
            entries,
            problems,
            beside,
            excepted,
            ignored,
            averaged: words(prefix),
        }
    }

    /// The prefix as a person writes it.
    pub(super) fn place(&self) -> &str {
        match self.prefix.trim_end_matches('.') {
            "" => "the top",
            prefix => prefix,
        }
    }
}
