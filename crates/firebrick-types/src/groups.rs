//! Learning rate, weight decay and optimizer by parameter path.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::error::{check_not_negative, nearest};
use crate::number::real;
use crate::spec::Spec;

/// Multiplies the rates of every parameter whose path matches, and may give it another optimizer.
///
/// Where several rules match, the factors of the last one count, and the optimizer of the last one
/// that names one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRule {
    /// A path as in weight files, with `*` for any run of characters: `*.bias`, `layer1.*`, `*bn*`.
    pub path: String,
    /// Multiplies the learning rate; 0 freezes the parameters: they have no gradient, and a batch norm all of
    /// whose parameters are frozen keeps its running statistics.
    #[serde(default = "one")]
    pub lr: f64,
    /// Multiplies the weight decay.
    #[serde(default = "one")]
    pub weight_decay: f64,
    /// The optimizer of these parameters. A rate of its own is relative to the main base rate, whose
    /// schedule it follows; without one it has the main rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimizer: Option<Spec>,
}

fn one() -> f64 {
    1.0
}

impl GroupRule {
    /// A rule that changes nothing yet.
    #[must_use]
    pub fn new(path: &str) -> Self {
        Self {
            path: path.into(),
            lr: 1.0,
            weight_decay: 1.0,
            optimizer: None,
        }
    }

    /// Checks the factors.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the rule and field.
    pub fn check(&self) -> Result<(), ConfigError> {
        let unit = format!("group `{}`", self.path);
        check_not_negative(&unit, "lr", self.lr)?;
        check_not_negative(&unit, "weight_decay", self.weight_decay)
    }

    /// Whether the rule is for the parameter of this path.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        path_matches(&self.path, path)
    }
}

/// Reads `PATH:lr=…,weight_decay=…,optimizer=…` and `PATH:frozen`.
impl FromStr for GroupRule {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let refused = |why: String| Err(ConfigError::Conflict(why));
        let Some((path, parts)) = text.split_once(':') else {
            return refused(
                "expected PATH:SETTINGS, such as 'layer1.*:lr=0.1,weight_decay=0'".into(),
            );
        };
        let mut rule = Self::new(path);
        for part in parts_of(parts) {
            let number = |text: &str| {
                real(text).map_err(|why| ConfigError::Conflict(format!("`{part}`: {why}")))
            };
            let pair = part.split_once('=');
            match pair.map(|(key, value)| (key.trim(), value)) {
                Some(("lr", value)) => rule.lr = number(value)?,
                Some(("weight_decay", value)) => rule.weight_decay = number(value)?,
                Some(("optimizer", value)) => rule.optimizer = Some(value.trim().parse()?),
                None if part.trim() == "frozen" => rule.lr = 0.0,
                _ => {
                    return refused(format!(
                        "`{part}` is not a setting; use lr=…, weight_decay=…, optimizer=… or frozen"
                    ));
                }
            }
        }
        Ok(rule)
    }
}

/// Splits at the commas outside parentheses and brackets.
fn parts_of(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|c| {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    })
    .collect()
}

/// The text that reads back to the rule.
impl fmt::Display for GroupRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:lr={:?}", self.path, self.lr)?;
        if self.weight_decay != 1.0 {
            write!(f, ",weight_decay={:?}", self.weight_decay)?;
        }
        match &self.optimizer {
            Some(optimizer) => write!(f, ",optimizer={optimizer}"),
            None => Ok(()),
        }
    }
}

/// What a parameter group changes for one parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupFactors {
    /// Multiplies the learning rate; 0 leaves the parameter alone.
    pub lr: f64,
    /// Multiplies the weight decay.
    pub weight_decay: f64,
}

impl Default for GroupFactors {
    fn default() -> Self {
        Self {
            lr: 1.0,
            weight_decay: 1.0,
        }
    }
}

/// The path of the module that holds a parameter: all of the parameter's path but the last name.
#[must_use]
pub fn module_of(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(module, _)| module)
}

/// What makes parameters differ in rate and decay. The factors of all parts multiply.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Groups {
    /// Rules by path.
    pub rules: Vec<GroupRule>,
    /// Takes the weight decay from biases and the parameters of norms: those of rank 1 or less, and
    /// those whose name ends in `bias` (timm's rule).
    pub no_decay_bias_norm: bool,
    /// Multiplies the rate by this for each layer between a parameter and the output, see
    /// [`layers`]; in (0, 1].
    pub layer_decay: Option<f64>,
    /// Multiplies the rates of single parameters, by path: the discriminative rates of stages.
    pub rates: BTreeMap<String, f64>,
}

impl Groups {
    /// Checks every part.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        if let Some(decay) = self.layer_decay
            && !(decay > 0.0 && decay <= 1.0)
        {
            return Err(ConfigError::out_of_range(
                "train",
                "layer_decay",
                decay,
                "in (0, 1]",
            ));
        }
        self.rules.iter().try_for_each(GroupRule::check)
    }

    /// Whether the parameter of this path is frozen: the last rule for it has a rate of 0.
    #[must_use]
    pub fn freezes(&self, path: &str) -> bool {
        let rule = self.rules.iter().rev().find(|rule| rule.matches(path));
        rule.is_some_and(|rule| rule.lr == 0.0)
    }

    /// The factors of each parameter, by path and shape in the model's order; empty where there are
    /// no groups.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] for a rule that matches no path.
    pub fn factors(
        &self,
        parameters: &[(&str, &[usize])],
    ) -> Result<Vec<GroupFactors>, ConfigError> {
        if *self == Self::default() {
            return Ok(Vec::new());
        }
        let idle = |rule: &&GroupRule| !parameters.iter().any(|(path, _)| rule.matches(path));
        if let Some(rule) = self.rules.iter().find(idle) {
            return Err(ConfigError::Conflict(matches_none(
                "group", &rule.path, parameters,
            )));
        }
        let layers = layers(parameters);
        let last = layers.iter().max().copied().unwrap_or(0);
        let factors = parameters
            .iter()
            .zip(&layers)
            .map(|((path, shape), layer)| {
                let rule = self.rules.iter().rev().find(|rule| rule.matches(path));
                let mut factors = rule.map_or_else(GroupFactors::default, |rule| GroupFactors {
                    lr: rule.lr,
                    weight_decay: rule.weight_decay,
                });
                if let Some(decay) = self.layer_decay {
                    factors.lr *= decay.powf((last - layer) as f64);
                }
                if let Some(rate) = self.rates.get(*path) {
                    factors.lr *= rate;
                }
                if self.no_decay_bias_norm && (shape.len() <= 1 || path.ends_with("bias")) {
                    factors.weight_decay = 0.0;
                }
                factors
            });
        Ok(factors.collect())
    }
}

/// The message for a pattern that is no parameter's, with what it may have meant. `what` says whose pattern it is.
#[must_use]
pub fn matches_none(what: &str, pattern: &str, parameters: &[(&str, &[usize])]) -> String {
    let begin = format!("{what} `{pattern}` matches no parameter");
    for (old, new) in [("gamma", "weight"), ("beta", "bias")] {
        // A vector called `weight` is a norm's.
        let vector =
            |(path, shape): &&(&str, &[usize])| shape.len() == 1 && path.ends_with(".weight");
        if pattern.contains(old)
            && let Some((norm, _)) = parameters.iter().find(vector)
        {
            let name = format!("{}.{new}", module_of(norm));
            return format!(
                "{begin}: as in weight files, a norm's {old} is called `{new}`, here for instance `{name}`"
            );
        }
    }
    let paths = parameters.iter().map(|(path, _)| *path);
    match nearest(pattern, paths.clone()) {
        Some(path) => format!("{begin} (did you mean `{path}`?)"),
        None => {
            let shown = paths.take(4).collect::<Vec<_>>().join(", ");
            format!("{begin}; paths look like {shown}, …")
        }
    }
}

/// The layer of each parameter, from 0 at the input.
///
/// Modules that hold a tensor of rank 2 or more are the layers, in the model's order; a projection in
/// a shortcut is one of them. A module of vectors, such as a norm, belongs to the layer before it, and
/// one before all layers to the first.
#[must_use]
pub fn layers(parameters: &[(&str, &[usize])]) -> Vec<usize> {
    let mut modules: Vec<&str> = Vec::new();
    for (path, _) in parameters.iter().filter(|(_, shape)| shape.len() > 1) {
        if !modules.contains(&module_of(path)) {
            modules.push(module_of(path));
        }
    }
    let mut layer = 0;
    let of = parameters.iter().map(|(path, _)| {
        let own = modules.iter().position(|known| *known == module_of(path));
        layer = own.unwrap_or(layer);
        layer
    });
    of.collect()
}

/// Whether `path` matches `pattern`, where `*` stands for any run of characters.
#[must_use]
pub fn path_matches(pattern: &str, path: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == path;
    };
    let Some(rest) = path.strip_prefix(head) else {
        return false;
    };
    (0..=rest.len())
        .filter(|at| rest.is_char_boundary(*at))
        .any(|at| path_matches(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_match_any_run() {
        for (pattern, path, expected) in [
            ("*", "a.b", true),
            ("*.bias", "fc.bias", true),
            ("*.bias", "fc.bias2", false),
            ("layer1.*", "layer1.0.conv1.weight", true),
            ("layer1.*", "layer10.weight", false),
            ("*bn*weight", "layer1.0.bn1.weight", true),
            ("fc.weight", "fc.weight", true),
            ("fc", "fc.weight", false),
        ] {
            assert_eq!(path_matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    const SHAPES: [(&str, &[usize]); 7] = [
        ("conv.weight", &[4, 1, 3, 3]),
        ("conv.bias", &[4]),
        ("bn.weight", &[4]),
        ("bn.bias", &[4]),
        ("block.conv.weight", &[4, 4, 3, 3]),
        ("fc.weight", &[4, 3]),
        ("fc.bias", &[3]),
    ];

    fn rule(path: &str, lr: f64) -> GroupRule {
        GroupRule {
            lr,
            ..GroupRule::new(path)
        }
    }

    #[test]
    fn the_last_matching_rule_counts_and_idle_rules_are_refused() {
        let groups = |rules: &[GroupRule]| Groups {
            rules: rules.into(),
            ..Groups::default()
        };
        let found = groups(&[rule("*", 0.5), rule("fc.*", 2.0)]).factors(&SHAPES);
        let rates: Vec<_> = found.unwrap().iter().map(|factors| factors.lr).collect();
        assert_eq!(rates, [0.5, 0.5, 0.5, 0.5, 0.5, 2.0, 2.0]);
        let error = groups(&[rule("head.*", 1.0)]).factors(&SHAPES).unwrap_err();
        assert!(
            error.to_string().contains("`head.*` matches no parameter"),
            "{error}"
        );
        for (pattern, needle) in [
            (
                "bn.gamma",
                "gamma is called `weight`, here for instance `bn.weight`",
            ),
            (
                "*.beta",
                "beta is called `bias`, here for instance `bn.bias`",
            ),
            ("fc.wieght", "(did you mean `fc.weight`?)"),
        ] {
            let error = groups(&[rule(pattern, 1.0)]).factors(&SHAPES).unwrap_err();
            assert!(error.to_string().contains(needle), "{pattern}: {error}");
        }
        assert!(rule("*", f64::NAN).check().is_err());
        assert!(Groups::default().factors(&SHAPES).unwrap().is_empty());
    }

    #[test]
    fn layers_are_modules_with_weights_and_norms_go_with_the_one_before() {
        assert_eq!(layers(&SHAPES), [0, 0, 0, 0, 1, 2, 2]);
        let first: [(&str, &[usize]); 3] = [
            ("norm.weight", &[1]),
            ("a.bias", &[2]),
            ("a.weight", &[1, 2]),
        ];
        assert_eq!(layers(&first), [0, 0, 0]);
    }

    #[test]
    fn factors_of_all_parts_multiply() {
        let groups = Groups {
            rules: vec![GroupRule {
                weight_decay: 3.0,
                ..rule("*conv*", 0.1)
            }],
            no_decay_bias_norm: true,
            layer_decay: Some(0.5),
            rates: [("bn.bias".to_string(), 0.5)].into(),
        };
        let found = groups.factors(&SHAPES).unwrap();
        let rates: Vec<_> = found.iter().map(|factors| factors.lr).collect();
        assert_eq!(rates, [0.1 * 0.25, 0.1 * 0.25, 0.25, 0.125, 0.05, 1.0, 1.0]);
        let decays: Vec<_> = found.iter().map(|factors| factors.weight_decay).collect();
        assert_eq!(decays, [3.0, 0.0, 0.0, 0.0, 3.0, 1.0, 0.0]);
    }

    #[test]
    fn layer_decay_has_a_range() {
        for bad in [0.0, 1.5, f64::NAN] {
            let groups = Groups {
                layer_decay: Some(bad),
                ..Groups::default()
            };
            let error = groups.check().unwrap_err().to_string();
            assert!(
                error.contains("layer_decay") && error.contains("(0, 1]"),
                "{error}"
            );
        }
    }
}
