//! The search space: named ranges, their notation, and how they are drawn from and narrowed.

use std::fmt;
use std::str::FromStr;

use firebrick_core::ConfigError;
use firebrick_core::random;
use firebrick_core::spec::{Spec, Value};
use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The hyper-parameters of a search and their ranges: `lr=log(1e-5, 1), batch_size=choice(32, 64)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Space(pub Vec<Dimension>);

/// One hyper-parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Dimension {
    /// Its key in the recipe, as [`Recipe::set`](firebrick_core::Recipe::set) reads it.
    pub key: String,
    /// Where its values lie.
    pub range: SearchRange,
}

/// Where the values of a hyper-parameter lie; both ends belong to it.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchRange {
    /// `log(low, high)`: even in the logarithm, for what counts by factors, such as rates; low > 0.
    Log(f64, f64),
    /// `uniform(low, high)`: even.
    Uniform(f64, f64),
    /// `int(low, high)`: whole numbers, each as likely as another.
    Int(i64, i64),
    /// `choice(a, b, …)`: one of these, each as likely as another.
    Choice(Vec<Value>),
}

/// The values of one trial by key, in the order of the space.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Point(pub Vec<(String, Value)>);

/// Which end of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The lower one.
    Low,
    /// The upper one.
    High,
}

/// A value this near to an end, as a share of the range, lies at its edge.
const EDGE: f64 = 0.05;

impl Space {
    /// Draws the values of one trial: a function of its arguments, and of nothing drawn before.
    /// Every key has a stream of its own, so that another key in the space does not move it.
    /// Numbers are rounded to four digits: what is shown is what was used.
    #[must_use]
    pub fn draw(&self, seed: u64, round: u64, trial: u64) -> Point {
        let value = |dimension: &Dimension| {
            let purpose = format!("search {}", dimension.key);
            let bits = random::rng(seed, &purpose, round, trial).next_u64() >> 11;
            let share = bits as f64 / (1u64 << 53) as f64;
            (dimension.key.clone(), dimension.range.at(share))
        };
        Point(self.0.iter().map(value).collect())
    }
}

impl SearchRange {
    /// The value at a share of the way, `0 <= share < 1`.
    fn at(&self, share: f64) -> Value {
        match self {
            Self::Log(low, high) => {
                let value = (low.ln() + share * (high.ln() - low.ln())).exp();
                Value::Number(four_digits(value).clamp(*low, *high))
            }
            Self::Uniform(low, high) => {
                Value::Number(four_digits(low + share * (high - low)).clamp(*low, *high))
            }
            Self::Int(low, high) => {
                let steps = (share * (high - low + 1) as f64) as i64;
                Value::Integer((low + steps).min(*high))
            }
            Self::Choice(values) => {
                values[((share * values.len() as f64) as usize).min(values.len() - 1)].clone()
            }
        }
    }

    /// The part of the range around `centre` whose width is `share` of the whole, cut off at its
    /// ends; of a choice, the first values of `ranked`, best first, at least one.
    pub(super) fn narrowed(&self, centre: &Value, share: f64, ranked: &[Value]) -> Self {
        let around = |low: f64, high: f64, centre: f64| {
            let reach = share * (high - low) / 2.0;
            (low.max(centre - reach), high.min(centre + reach))
        };
        match (self, number(centre)) {
            (Self::Log(low, high), Some(centre)) => {
                let (from, to) = around(low.ln(), high.ln(), centre.ln());
                let inside = |value: f64| four_digits(value.exp()).clamp(*low, *high);
                Self::Log(inside(from).min(centre), inside(to).max(centre))
            }
            (Self::Uniform(low, high), Some(centre)) => {
                let (from, to) = around(*low, *high, centre);
                let inside = |value: f64| four_digits(value).clamp(*low, *high);
                Self::Uniform(inside(from).min(centre), inside(to).max(centre))
            }
            (Self::Int(low, high), Some(centre)) => {
                let (from, to) = around(*low as f64, *high as f64, centre);
                Self::Int(from.ceil() as i64, to.floor() as i64)
            }
            (Self::Choice(values), _) => {
                let kept = (values.len() as f64 * share).ceil().max(1.0) as usize;
                let (mut order, mut rest) = (Vec::new(), values.clone());
                for value in ranked {
                    if let Some(at) = rest.iter().position(|other| other == value) {
                        order.push(rest.remove(at));
                    }
                }
                order.extend(rest);
                order.truncate(kept);
                Self::Choice(order)
            }
            _ => self.clone(),
        }
    }

    /// The end that `value` lies at, in the scale of the range; a choice has none.
    pub(super) fn edge(&self, value: &Value) -> Option<End> {
        let value = number(value)?;
        let share = match self {
            Self::Log(low, high) => (value / low).ln() / (high / low).ln(),
            Self::Uniform(low, high) => (value - low) / (high - low),
            // Between neighbours there is no inside.
            Self::Int(low, high) if high - low < 2 => return None,
            Self::Int(low, high) => (value - *low as f64) / (high - low) as f64,
            Self::Choice(_) => return None,
        };
        if share <= EDGE {
            Some(End::Low)
        } else if share >= 1.0 - EDGE {
            Some(End::High)
        } else {
            None
        }
    }

    /// Values that stand for the whole range when a recipe is checked: its ends, or every choice.
    #[must_use]
    pub fn corners(&self) -> Vec<Value> {
        match self {
            Self::Log(low, high) | Self::Uniform(low, high) => {
                vec![Value::Number(*low), Value::Number(*high)]
            }
            Self::Int(low, high) => vec![Value::Integer(*low), Value::Integer(*high)],
            Self::Choice(values) => values.clone(),
        }
    }

    fn read(key: &str, spec: Spec) -> Result<Self, ConfigError> {
        let refused = |range: &str| {
            let spec = spec.to_string();
            Err(ConfigError::out_of_range("search space", key, spec, range))
        };
        let numbers: Vec<f64> = spec.positional.iter().filter_map(number).collect();
        let two = (spec.named.is_empty() && spec.positional.len() == 2)
            .then_some(&numbers[..])
            .and_then(|numbers| <[f64; 2]>::try_from(numbers).ok());
        match (spec.name.as_str(), two) {
            ("choice", _) if !spec.named.is_empty() || spec.positional.is_empty() => {
                refused("choice(a, b, …) with at least one value")
            }
            ("choice", _) => Ok(Self::Choice(spec.positional)),
            ("log" | "uniform" | "int", None) => {
                refused(&format!("{}(low, high) with two numbers", spec.name))
            }
            (_, Some([low, high])) if !(low.is_finite() && high.is_finite()) => {
                refused("a range between two finite numbers")
            }
            ("log", Some([low, _])) if low <= 0.0 => {
                refused("above 0: a logarithmic range cannot reach 0")
            }
            (_, Some([low, high])) if low >= high => refused("(low, high) with low < high"),
            ("log", Some([low, high])) => Ok(Self::Log(low, high)),
            ("uniform", Some([low, high])) => Ok(Self::Uniform(low, high)),
            ("int", Some(_)) => match spec.positional[..] {
                // So far apart that their distance has no room, no number is counted.
                [Value::Integer(low), Value::Integer(high)]
                    if high.checked_sub(low).is_some_and(|width| width < 1 << 52) =>
                {
                    Ok(Self::Int(low, high))
                }
                _ => refused("int(low, high) with two whole numbers"),
            },
            (other, _) => Err(ConfigError::unknown_name(
                "range",
                other,
                ["log", "uniform", "int", "choice"],
            )),
        }
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(value) => Some(*value as f64),
        Value::Number(value) => Some(*value),
        _ => None,
    }
}

fn four_digits(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// Reads `key=range, …`. A comma inside brackets belongs to the range.
impl FromStr for Space {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let mut dimensions: Vec<Dimension> = Vec::new();
        for (at, part) in top_level(text) {
            let Some((key, range)) = part.split_once('=') else {
                return Err(ConfigError::Syntax {
                    text: text.into(),
                    position: at + 1,
                    message: "expected KEY=RANGE, such as lr=log(1e-5, 1)".into(),
                });
            };
            let key = key.trim();
            if dimensions.iter().any(|dimension| dimension.key == key) {
                let twice = format!("search space: `{key}` is given twice");
                return Err(ConfigError::Conflict(twice));
            }
            let range = range.trim();
            let spec = range.parse().map_err(|error| match range.contains('(') {
                true => error,
                false => {
                    let ranges = "a range: log(low, high), uniform(low, high), int(low, high) or choice(a, b, …)";
                    ConfigError::out_of_range("search space", key, range, ranges)
                }
            })?;
            let range = SearchRange::read(key, spec)?;
            let key = key.into();
            dimensions.push(Dimension { key, range });
        }
        Ok(Self(dimensions))
    }
}

/// The parts between commas that stand in no bracket and no string, each with its place in characters.
fn top_level(text: &str) -> Vec<(usize, String)> {
    let (mut parts, mut part, mut begun) = (Vec::new(), String::new(), 0);
    let (mut depth, mut quoted, mut escaped) = (0i32, false, false);
    for (at, c) in text.chars().enumerate() {
        match c {
            '"' if !escaped => quoted = !quoted,
            '(' | '[' if !quoted => depth += 1,
            ')' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                parts.push((begun, std::mem::take(&mut part)));
                begun = at + 1;
                continue;
            }
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
        part.push(c);
    }
    parts.push((begun, part));
    parts
}

impl fmt::Display for SearchRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &[Value]| {
            let texts: Vec<String> = values.iter().map(ToString::to_string).collect();
            texts.join(", ")
        };
        match self {
            Self::Log(low, high) => write!(f, "log({low:?}, {high:?})"),
            Self::Uniform(low, high) => write!(f, "uniform({low:?}, {high:?})"),
            Self::Int(low, high) => write!(f, "int({low}, {high})"),
            Self::Choice(values) => write!(f, "choice({})", list(values)),
        }
    }
}

impl fmt::Display for Space {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |Dimension { key, range }: &Dimension| format!("{key}={range}");
        f.write_str(&self.0.iter().map(each).collect::<Vec<_>>().join(", "))
    }
}

impl Serialize for Space {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Space {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A map from key to a number, `true`, `false`, or the text of a spec value.
impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| {
            let json = match value {
                Value::Integer(value) => (*value).into(),
                Value::Number(value) => (*value).into(),
                Value::Bool(value) => (*value).into(),
                other => serde_json::Value::String(other.to_string()),
            };
            (key, json)
        }))
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = serde_json::Map::deserialize(deserializer)?;
        let value = |value: serde_json::Value| -> Result<Value, ConfigError> {
            let text = match value {
                serde_json::Value::String(text) => text,
                other => other.to_string(),
            };
            let spec: Spec = format!("value({text})").parse()?;
            let only = spec.positional.into_iter().next();
            only.ok_or_else(|| ConfigError::Conflict(format!("`{text}` is not a value")))
        };
        let pairs = map.into_iter().map(|(key, json)| Ok((key, value(json)?)));
        let pairs: Result<_, ConfigError> = pairs.collect();
        pairs.map(Self).map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |(key, value): &(String, Value)| format!("{key}={value}");
        f.write_str(&self.0.iter().map(each).collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(text: &str) -> Space {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn draws_are_pinned_and_keys_do_not_move_each_other() {
        // The values of an independent ChaCha8 with these keys.
        let text = "lr=log(1e-5, 1), optimizer.momentum=uniform(0.5, 0.99), epochs=int(1, 6), x=choice(a, b, c)";
        let draw = |seed, round, trial| space(text).draw(seed, round, trial).to_string();
        assert_eq!(
            draw(0, 1, 1),
            "lr=0.003402, optimizer.momentum=0.8418, epochs=4, x=a"
        );
        assert_eq!(
            draw(0, 1, 2),
            "lr=1.346e-5, optimizer.momentum=0.8225, epochs=4, x=a"
        );
        assert_eq!(
            draw(7, 2, 1),
            "lr=0.141, optimizer.momentum=0.5593, epochs=2, x=a"
        );
        let alone = space("optimizer.momentum=uniform(0.5, 0.99)").draw(0, 1, 1);
        assert!(draw(0, 1, 1).contains(&alone.to_string()));
    }

    #[test]
    fn draws_fill_the_range_evenly_in_its_own_scale() {
        let ranges =
            space("a=log(1e-4, 1), b=uniform(-1, 3), c=int(1, 4), d=choice(x, y, 3, \"z\")");
        let (mut counts, mut below) = ([[0; 4]; 4], 0);
        for trial in 0..4000 {
            for (at, (_, value)) in ranges.draw(3, 1, trial).0.iter().enumerate() {
                let quarter = match (value, at) {
                    (Value::Number(value), 0) => value.log10() + 4.0,
                    (Value::Number(value), _) => value + 1.0,
                    (Value::Integer(value), 2) => (value - 1) as f64,
                    (Value::Integer(_), _) => 2.0,
                    (Value::Text(_), _) => 3.0,
                    (other, _) => f64::from(u8::from(other.to_string() == "y")),
                };
                below += i32::from(!(0.0..=4.0).contains(&quarter));
                counts[at][(quarter as usize).min(3)] += 1;
            }
        }
        assert_eq!(below, 0);
        // Four standard deviations of a count around 1000.
        let even = |count: &i32| (count - 1000).abs() < 110;
        assert!(counts.iter().flatten().all(even), "{counts:?}");
    }

    #[test]
    fn what_is_printed_reads_back() {
        for text in [
            "lr=log(1e-5, 1.0)",
            "optimizer=choice(sgd(momentum=0.9, nesterov=true), adam), augment=choice(\"a, (b\")",
            "b=int(-3, 9), c=uniform(0.0, 0.5)",
        ] {
            assert_eq!(space(text).to_string(), text);
        }
        let point = space("a=log(1e-5, 1), b=int(1, 9), c=choice(sgd(momentum=0.9)), d=choice(10ep), e=choice(true)").draw(1, 1, 1);
        let json = serde_json::to_string(&point).unwrap();
        assert_eq!(
            serde_json::from_str::<Point>(&json).unwrap(),
            point,
            "{json}"
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (text, needle) in [
            (
                "lr=log(0, 1)",
                "search space: lr = log(0, 1) is out of range: it must be above 0",
            ),
            (
                "lr=log(2, 1)",
                "lr = log(2, 1) is out of range: it must be (low, high) with low < high",
            ),
            ("lr=log(1)", "log(low, high) with two numbers"),
            (
                "lr=uniform(low=0, high=1)",
                "uniform(low, high) with two numbers",
            ),
            ("lr=uniform(nan, 1)", "between two finite numbers"),
            (
                "lr=logg(1, 2)",
                "unknown range `logg` (did you mean `log`?)",
            ),
            ("b=int(1.5, 4)", "two whole numbers"),
            (
                "b=int(-9000000000000000000, 9000000000000000000)",
                "two whole numbers",
            ),
            ("b=choice()", "at least one value"),
            ("lr", "character 1: expected KEY=RANGE"),
            ("lr=log(1, 2), x", "character 14: expected KEY=RANGE"),
            ("", "expected KEY=RANGE"),
            ("lr=", "it must be a range: log(low, high)"),
            ("lr=log(1, 2", "expected `,` or `)`"),
            ("lr=log(1, 2), lr=log(1, 3)", "`lr` is given twice"),
        ] {
            let error = text.parse::<Space>().unwrap_err().to_string();
            assert!(error.contains(needle), "{text}: {error}");
        }
    }

    #[test]
    fn ranges_narrow_around_the_best_and_stay_inside() {
        let narrow = |text: &str, centre: Value, share: f64| {
            let range = space(&format!("x={text}")).0.remove(0).range;
            range.narrowed(&centre, share, &[]).to_string()
        };
        let at = Value::Number;
        // Four decades; half of them are one to each side of the centre.
        assert_eq!(narrow("log(1e-4, 1)", at(1e-2), 0.5), "log(0.001, 0.1)");
        assert_eq!(narrow("log(1e-4, 1)", at(0.5), 0.5), "log(0.05, 1.0)");
        assert_eq!(narrow("uniform(0, 1)", at(0.1), 0.5), "uniform(0.0, 0.35)");
        assert_eq!(narrow("int(1, 9)", Value::Integer(5), 0.5), "int(3, 7)");
        assert_eq!(narrow("int(1, 9)", Value::Integer(9), 0.01), "int(9, 9)");
        let choice = space("x=choice(a, b, c, d)").0.remove(0).range;
        let word = |name: &str| Value::Spec(Spec::new(name));
        let kept = choice.narrowed(&word("c"), 0.5, &[word("c"), word("a")]);
        assert_eq!(kept.to_string(), "choice(c, a)");
    }

    #[test]
    fn edges_are_seen_in_the_scale_of_the_range() {
        let edge = |text: &str, value: Value| space(&format!("x={text}")).0[0].range.edge(&value);
        let at = Value::Number;
        assert_eq!(edge("log(1e-4, 1)", at(0.9)), Some(End::High));
        assert_eq!(edge("log(1e-4, 1)", at(1.2e-4)), Some(End::Low));
        assert_eq!(edge("log(1e-4, 1)", at(0.01)), None);
        assert_eq!(edge("uniform(0, 1)", at(0.01)), Some(End::Low));
        assert_eq!(edge("uniform(0, 1)", at(0.9)), None);
        assert_eq!(edge("int(1, 2)", Value::Integer(2)), None);
        assert_eq!(edge("int(1, 9)", Value::Integer(9)), Some(End::High));
        assert_eq!(edge("choice(1, 2)", Value::Integer(2)), None);
    }
}
