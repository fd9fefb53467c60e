//! Drawn parameters as lines of text.

use firebrick::core::data::Drawn;
use serde_json::Value;

/// A line for each step that changed the image: its name, and what it drew.
pub(super) fn lines(drawn: &[Drawn]) -> Vec<String> {
    let lines = drawn.iter().filter_map(|step| {
        let params = step.params.as_ref()?;
        Some(format!("{} {}", step.name, words(params)).trim_end().into())
    });
    lines.collect()
}

/// Numbers with three digits, and names where they say more than the number. Seeds say nothing.
fn words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Number(number) => short(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(word) => word.clone(),
        Value::Bool(flag) => flag.to_string(),
        Value::Array(values) => {
            let words: Vec<_> = values.iter().map(words).collect();
            let between = if values.iter().all(Value::is_number) {
                ","
            } else {
                " "
            };
            words.join(between)
        }
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| *name != "seed");
            let words = fields.map(|(name, value)| match (name.as_str(), value) {
                ("operation" | "magnitude", _) | (_, Value::Object(_)) => words(value),
                (_, Value::Array(values)) if !values.iter().all(Value::is_number) => words(value),
                _ => format!("{name}={}", words(value)),
            });
            words.collect::<Vec<_>>().join(" ")
        }
    }
}

/// Three digits, or all before the point.
fn short(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return number.to_string();
    }
    let digits = (2 - number.abs().log10().floor() as i32).clamp(0, 9) as usize;
    let text = format!("{number:.digits$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').into()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, params: &str) -> Vec<String> {
        lines(&[Drawn {
            name: name.into(),
            params: serde_json::from_str(params).unwrap(),
        }])
    }

    #[test]
    fn what_was_drawn_reads_as_text() {
        for (name, params, expected) in [
            ("hflip", "{}", "hflip"),
            (
                "pad_crop",
                r#"{"top":1,"left":12345}"#,
                "pad_crop top=1 left=12345",
            ),
            (
                "color_jitter",
                r#"{"changes":[{"contrast":1.23456},{"hue":-0.000123456}]}"#,
                "color_jitter contrast=1.23 hue=-0.000123",
            ),
            (
                "rand_augment",
                r#"{"changes":[{"operation":"rotate","magnitude":-30.0},{"operation":"equalize"}]}"#,
                "rand_augment rotate -30 equalize",
            ),
            ("noise", r#"{"std":0.1,"seed":123456}"#, "noise std=0.1"),
            (
                "pca_noise",
                r#"{"shift":[0.5,0.0,-1.0]}"#,
                "pca_noise shift=0.5,0,-1",
            ),
            (
                "solarize",
                r#"{"threshold":100.0}"#,
                "solarize threshold=100",
            ),
        ] {
            assert_eq!(line(name, params), [expected]);
        }
        assert!(line("hflip", "null").is_empty());
    }
}
