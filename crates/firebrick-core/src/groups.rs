//! Learning rate and weight decay by parameter path.

use serde::{Deserialize, Serialize};

use crate::ConfigError;
use crate::error::check_not_negative;
use crate::update::GroupFactors;

/// Multiplies the rates of every parameter whose path matches.
///
/// Where several rules match, the last one counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRule {
    /// A path with `*` for any run of characters: `*.bias`, `layer1.*`, `*bn*`.
    pub path: String,
    /// Multiplies the learning rate; 0 leaves the parameters alone.
    #[serde(default = "one")]
    pub lr: f64,
    /// Multiplies the weight decay.
    #[serde(default = "one")]
    pub weight_decay: f64,
}

fn one() -> f64 {
    1.0
}

impl GroupRule {
    /// Checks the factors.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] naming the rule and field.
    pub fn check(&self) -> Result<(), ConfigError> {
        let unit = format!("group `{}`", self.path);
        check_not_negative(&unit, "lr", self.lr)?;
        check_not_negative(&unit, "weight_decay", self.weight_decay)
    }
}

/// The factors of each path, in order; empty without rules.
///
/// # Errors
/// [`ConfigError::Conflict`] for a rule that matches no path.
pub fn factors(rules: &[GroupRule], paths: &[String]) -> Result<Vec<GroupFactors>, ConfigError> {
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(rule) = rules
        .iter()
        .find(|rule| !paths.iter().any(|path| matches(&rule.path, path)))
    {
        let shown = paths
            .iter()
            .take(4)
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(", ");
        return Err(ConfigError::Conflict(format!(
            "group `{}` matches no parameter; paths look like {shown}, …",
            rule.path
        )));
    }
    let last = |path: &String| rules.iter().rev().find(|rule| matches(&rule.path, path));
    Ok(paths
        .iter()
        .map(|path| {
            last(path).map_or_else(GroupFactors::default, |rule| GroupFactors {
                lr: rule.lr,
                weight_decay: rule.weight_decay,
            })
        })
        .collect())
}

/// Whether `path` matches `pattern`, where `*` stands for any run of characters.
fn matches(pattern: &str, path: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == path;
    };
    let Some(rest) = path.strip_prefix(head) else {
        return false;
    };
    (0..=rest.len())
        .filter(|at| rest.is_char_boundary(*at))
        .any(|at| matches(tail, &rest[at..]))
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
            ("*bn*gamma", "layer1.0.bn1.gamma", true),
            ("fc.weight", "fc.weight", true),
            ("fc", "fc.weight", false),
        ] {
            assert_eq!(matches(pattern, path), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn the_last_matching_rule_counts_and_idle_rules_are_refused() {
        let rule = |path: &str, lr: f64| GroupRule {
            path: path.into(),
            lr,
            weight_decay: 1.0,
        };
        let paths = [
            "conv.weight".to_string(),
            "fc.weight".to_string(),
            "fc.bias".to_string(),
        ];
        let factors = factors(&[rule("*", 0.5), rule("fc.*", 2.0)], &paths).unwrap();
        assert_eq!(
            factors.iter().map(|f| f.lr).collect::<Vec<_>>(),
            [0.5, 2.0, 2.0]
        );
        let error = super::factors(&[rule("head.*", 1.0)], &paths).unwrap_err();
        assert!(
            error.to_string().contains("`head.*` matches no parameter"),
            "{error}"
        );
        assert!(rule("*", f64::NAN).check().is_err());
    }
}
