//! Spec strings: `name(key=value, …)` and pipelines `a(…) | b(…)`; the same as TOML tables.
//!
//! ```
//! use firebrick_types::spec::Spec;
//! let spec: Spec = "sgd(0.1, momentum=0.9, nesterov=true)".parse()?;
//! assert_eq!(spec.name, "sgd");
//! assert_eq!(spec.to_string(), "sgd(0.1, momentum=0.9, nesterov=true)");
//! # Ok::<(), firebrick_types::ConfigError>(())
//! ```
//!
//! A value is a number, `true`/`false`, a `"string"`, a `[list]`, a length (`10ep`, `75%`) or
//! another spec; a bare word is a spec without arguments. Positional arguments come first and fill
//! the unit's documented fields in order.
//!
//! Specs come from command lines, recipes and the metadata of model files, so what they may demand is
//! limited: [`MAX_DEPTH`], [`MAX_ARGUMENTS`], [`MAX_LENGTH`].

mod parse;
mod tree;
mod typed;

pub use parse::{MAX_ARGUMENTS, MAX_DEPTH, MAX_LENGTH};
pub use tree::{Pipeline, Spec, Value};
pub use typed::{Config, fields, values};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::ConfigError;

    fn read(text: &str) -> Spec {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn every_kind_of_value() {
        let spec = read(
            r#"u(1, -2.5e-3, true, "a \"b\" | c", [1, 2], 10ep, 75%, v(x=1), word, nan, k = inf)"#,
        );
        assert_eq!(
            spec.positional[..9],
            [
                Value::Integer(1),
                Value::Number(-2.5e-3),
                Value::Bool(true),
                Value::Text("a \"b\" | c".into()),
                Value::List(vec![Value::Integer(1), Value::Integer(2)]),
                Value::Text("10ep".into()),
                Value::Text("75%".into()),
                Value::Spec(Spec::new("v").with("x", 1u64)),
                Value::Spec(Spec::new("word")),
            ]
        );
        assert!(matches!(spec.positional[9], Value::Number(n) if n.is_nan()));
        assert_eq!(spec.get("k"), Some(&Value::Number(f64::INFINITY)));
    }

    #[test]
    fn syntax_errors_say_where() {
        for (text, position, needle) in [
            ("", 1, "a name"),
            ("sgd(", 5, "`)`"),
            ("sgd(lr=)", 8, "a value"),
            ("sgd(lr=0.1", 11, "`)`"),
            ("sgd(lr=0.1) x", 13, "end"),
            ("sgd(lr=0.1, 2)", 13, "positional"),
            ("sgd(lr=0.1, lr=0.2)", 13, "twice"),
            ("sgd(\"a)", 5, "closing"),
            ("1sgd", 1, "a name"),
            ("sgd(1.2.3)", 5, "number"),
        ] {
            let error = text.parse::<Spec>().unwrap_err();
            let ConfigError::Syntax {
                position: at,
                message,
                ..
            } = &error
            else {
                panic!("{error}")
            };
            assert!(
                *at == position && message.contains(needle),
                "{text}: {error}"
            );
        }
        assert!("hflip |".parse::<Pipeline>().is_err());
    }

    #[test]
    fn nesting_has_one_limit_wherever_it_is_written() {
        let calls = |depth: usize| "a(".repeat(depth) + "1" + &")".repeat(depth);
        let named = |depth: usize| "a(b=".repeat(depth) + "1" + &")".repeat(depth);
        let lists = |depth: usize| format!("u({}{})", "[".repeat(depth - 1), "]".repeat(depth - 1));
        let table = |depth: usize| {
            let inside = "{name=\"a\",b=".repeat(depth - 1);
            format!("spec={inside}\"a\"{}", "}".repeat(depth - 1))
        };
        #[derive(Debug, Deserialize)]
        struct Recipe {
            #[allow(dead_code)]
            spec: Spec,
        }
        for text in [calls(MAX_DEPTH), named(MAX_DEPTH), lists(MAX_DEPTH)] {
            let spec = read(&text);
            assert_eq!(read(&spec.to_string()), spec);
            spec.check_depth().unwrap();
            assert!(Spec::new("a").with("b", spec).check_depth().is_err() || text.contains('['));
        }
        toml::from_str::<Recipe>(&table(MAX_DEPTH)).unwrap();
        // A text may be a spec too: what it holds counts.
        let quoted = |inside: &str| format!("{{name=\"a\", b={inside:?}}}");
        let text = format!("a(b={:?})", named(MAX_DEPTH - 1));
        assert_eq!(read(&text).depth(), MAX_DEPTH);
        assert!(
            format!("a(b={text:?})").parse::<Spec>().is_err(),
            "one more"
        );
        toml::from_str::<Recipe>(&format!("spec={}", quoted(&named(MAX_DEPTH - 1)))).unwrap();
        assert!(toml::from_str::<Recipe>(&format!("spec={}", quoted(&named(MAX_DEPTH)))).is_err());
        let mut texts = "a".to_string();
        (0..12).for_each(|_| texts = named(20).replace('1', &format!("{texts:?}")));
        let error = texts.parse::<Spec>().unwrap_err().to_string();
        assert!(error.contains("nested more than 32 levels deep"), "{error}");
        for depth in [MAX_DEPTH + 2, 70, 9_000, 100_000] {
            for text in [
                calls(depth),
                named(depth),
                lists(depth),
                "a(".repeat(depth),
                "u([".to_string() + &"[".repeat(depth),
            ] {
                let error = text.parse::<Spec>().unwrap_err().to_string();
                assert!(error.contains("nested more than 32 levels deep"), "{error}");
                assert!(error.len() < 400, "{error}");
                assert!(text.parse::<Pipeline>().is_err());
            }
            let error = toml::from_str::<Recipe>(&table(depth))
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("deep") || error.contains("recursion"),
                "{error:.300}"
            );
        }
    }

    #[test]
    fn long_texts_are_read_in_a_moment_or_refused() {
        // Each of these would take minutes if reading one argument looked at all others or copied them.
        let numbers = format!("u({})", "1, ".repeat(300_000));
        assert_eq!(read(&numbers).positional.len(), 300_000);
        let weights = format!("u(w=[{}])", "0.5,".repeat(200_000));
        assert!(matches!(read(&weights).get("w"), Some(Value::List(w)) if w.len() == 200_000));
        let keys: String = (0..100_000).map(|at| format!("k{at}=1,")).collect();
        let error = format!("u({keys})")
            .parse::<Spec>()
            .unwrap_err()
            .to_string();
        assert!(error.contains("more than 64 arguments"), "{error}");
        let error = "a"
            .repeat(MAX_LENGTH + 1)
            .parse::<Spec>()
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("more than 1048576 characters") && error.len() < 400,
            "{error}"
        );
    }

    #[test]
    fn pipelines_and_toml_say_the_same() {
        let text: Pipeline = "pad_crop(4, fill=0.5) | hflip".parse().unwrap();
        #[derive(Deserialize)]
        struct Recipe {
            augment: Pipeline,
        }
        let strings: Recipe =
            toml::from_str("augment = \"pad_crop(4, fill=0.5) | hflip\"").unwrap();
        assert_eq!(strings.augment, text);
        let tables: Recipe = toml::from_str(
            "[[augment]]\nname = \"pad_crop\"\nsize = 4\n[[augment]]\nname = \"hflip\"",
        )
        .unwrap();
        assert_eq!(tables.augment.to_string(), "pad_crop(size=4) | hflip");
        assert_eq!("none".parse::<Pipeline>().unwrap(), Pipeline::default());
        assert!(toml::from_str::<Recipe>("augment = 3").is_err());
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::Integer),
            any::<f64>()
                .prop_filter("NaN is not equal to itself", |n| !n.is_nan())
                .prop_map(Value::Number),
            any::<bool>().prop_map(Value::Bool),
            "\\PC*".prop_map(Value::Text),
            "[a-z_][a-z0-9_]{0,8}"
                .prop_filter("words with a meaning", |w| !["true", "false", "nan", "inf"]
                    .contains(&w.as_str()))
                .prop_map(|name| Value::Spec(Spec::new(&name))),
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                ("[a-z][a-z0-9_]{0,8}", prop::collection::vec(inner, 1..3))
                    .prop_filter("words with a meaning", |(w, _)| ![
                        "true", "false", "nan", "inf"
                    ]
                    .contains(&w.as_str()))
                    .prop_map(|(name, positional)| Value::Spec(Spec {
                        name,
                        positional,
                        named: vec![]
                    })),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(positional in prop::collection::vec(value(), 0..3), named in value()) {
            let spec = Spec { name: "unit".into(), positional, named: vec![("key".into(), named)] };
            prop_assert_eq!(read(&spec.to_string()), spec);
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<Pipeline>();
        }
    }
}
