//! The grammar of spec strings.

use std::str::FromStr;

use super::tree::{Pipeline, Spec, Value, in_path, is_length, is_path};
use crate::ConfigError;

/// The most values that may lie inside each other: `a(b(c))` has two.
pub const MAX_DEPTH: usize = 32;
/// The most arguments with a name that one spec may have.
pub const MAX_ARGUMENTS: usize = 64;
/// The most characters of a spec or pipeline.
pub const MAX_LENGTH: usize = 1 << 20;

/// Why something nested deeper than [`MAX_DEPTH`] is refused.
fn too_deep() -> String {
    format!("it is nested more than {MAX_DEPTH} levels deep")
}

impl FromStr for Spec {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        spec(text)
    }
}

impl FromStr for Pipeline {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        pipeline(text).map(Self)
    }
}

impl Spec {
    /// Refuses a spec that is nested deeper than [`MAX_DEPTH`], because its text would not be read
    /// back. What is read from text is never deeper; what is put together may be.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`] naming the outermost unit.
    pub fn check_depth(&self) -> Result<(), ConfigError> {
        if self.depth() <= MAX_DEPTH {
            return Ok(());
        }
        Err(ConfigError::Conflict(format!(
            "{}: {}",
            self.name,
            too_deep()
        )))
    }

    pub(super) fn depth(&self) -> usize {
        let named = self.named.iter().map(|(_, value)| value);
        let values = self.positional.iter().chain(named);
        values.map(Value::depth).max().unwrap_or(0)
    }
}

impl Value {
    /// Values inside each other, this one included.
    fn depth(&self) -> usize {
        1 + match self {
            Self::List(values) => values.iter().map(Self::depth).max().unwrap_or(0),
            Self::Spec(spec) => spec.depth(),
            Self::Text(text) => depth(text),
            _ => 0,
        }
    }
}

fn spec(text: &str) -> Result<Spec, ConfigError> {
    let mut parser = Parser::new(text)?;
    let spec = parser.spec()?;
    parser.end()?;
    Ok(spec)
}

fn pipeline(text: &str) -> Result<Vec<Spec>, ConfigError> {
    if text.trim() == "none" || text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut parser = Parser::new(text)?;
    let mut specs = vec![parser.spec()?];
    while parser.take('|') {
        specs.push(parser.spec()?);
    }
    parser.end()?;
    Ok(specs)
}

/// Values inside each other in a text that may be a spec; 0 where it is none.
fn depth(text: &str) -> usize {
    if !text.contains(['(', '[']) {
        return 0;
    }
    let Ok(mut parser) = Parser::new(text) else {
        return MAX_DEPTH;
    };
    match parser.spec() {
        Ok(spec) => spec.depth(),
        Err(_) if parser.deep => MAX_DEPTH,
        Err(_) => 0,
    }
}

struct Parser<'a> {
    text: &'a str,
    chars: Vec<char>,
    at: usize,
    /// Values that are open around the one being read.
    depth: usize,
    /// Whether the limit of the depth was met.
    deep: bool,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, ConfigError> {
        let parser = Self {
            text,
            chars: text.chars().collect(),
            at: 0,
            depth: 0,
            deep: false,
        };
        if parser.chars.len() > MAX_LENGTH {
            let message = format!("it has more than {MAX_LENGTH} characters");
            return parser.error(MAX_LENGTH, message);
        }
        Ok(parser)
    }

    fn error<T>(&self, at: usize, message: impl Into<String>) -> Result<T, ConfigError> {
        Err(ConfigError::Syntax {
            text: self.text.into(),
            position: at + 1,
            message: message.into(),
        })
    }

    fn peek(&mut self) -> Option<char> {
        while self.chars.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        self.at += usize::from(found);
        found
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.chars.get(self.at).is_some_and(|c| wanted(*c)) {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    fn end(&mut self) -> Result<(), ConfigError> {
        match self.peek() {
            None => Ok(()),
            Some(c) => self.error(self.at, format!("expected the end, found `{c}`")),
        }
    }

    fn name(&mut self) -> Result<String, ConfigError> {
        match self.peek() {
            Some(c) if c.is_ascii_alphabetic() || c == '_' => {
                Ok(self.take_while(|c| c.is_ascii_alphanumeric() || c == '_'))
            }
            Some(c) => self.error(self.at, format!("expected a name, found `{c}`")),
            None => self.error(self.at, "expected a name, found the end"),
        }
    }

    fn spec(&mut self) -> Result<Spec, ConfigError> {
        let mut spec = Spec::new(&self.name()?);
        if self.take('(') {
            self.arguments(&mut spec)?;
        }
        Ok(spec)
    }

    fn arguments(&mut self, spec: &mut Spec) -> Result<(), ConfigError> {
        while !self.take(')') {
            if self.peek().is_none() {
                return self.error(self.at, format!("expected `)` to close `{}(`", spec.name));
            }
            let start = self.at;
            match self.key() {
                Some(key) if spec.get(&key).is_some() => {
                    return self.error(start, format!("`{key}` is given twice"));
                }
                Some(_) if spec.named.len() == MAX_ARGUMENTS => {
                    let message = format!("more than {MAX_ARGUMENTS} arguments with a name");
                    return self.error(start, message);
                }
                Some(key) => {
                    let value = self.value()?;
                    spec.named.push((key, value));
                }
                None if spec.named.is_empty() => {
                    let value = self.value()?;
                    spec.positional.push(value);
                }
                None => {
                    return self.error(start, "a positional argument cannot follow `key=value`");
                }
            }
            if !self.take(',') && self.peek() != Some(')') {
                return self.error(self.at, format!("expected `,` or `)` in `{}(…`", spec.name));
            }
        }
        Ok(())
    }

    /// Takes `key =` if it stands here.
    fn key(&mut self) -> Option<String> {
        let starts_name = |c: char| c.is_ascii_alphabetic() || c == '_';
        self.peek().filter(|c| starts_name(*c))?;
        let start = self.at;
        let key = self.name().ok().filter(|_| self.take('='));
        if key.is_none() {
            self.at = start;
        }
        key
    }

    fn value(&mut self) -> Result<Value, ConfigError> {
        if self.depth == MAX_DEPTH {
            self.deep = true;
            return self.error(self.at, too_deep());
        }
        self.depth += 1;
        let value = self.value_here();
        self.depth -= 1;
        value
    }

    fn value_here(&mut self) -> Result<Value, ConfigError> {
        match self.peek() {
            Some('"') => self.string(),
            Some('[') => self.list(),
            Some(c) if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            Some(c) if c.is_ascii_alphabetic() || matches!(c, '_' | '*') => {
                let start = self.at;
                let text = self.take_while(in_path);
                if is_path(&text) {
                    return Ok(Value::Text(text));
                }
                self.at = start;
                let spec = self.spec()?;
                let bare = spec.positional.is_empty() && spec.named.is_empty();
                Ok(match spec.name.as_str() {
                    "true" if bare => Value::Bool(true),
                    "false" if bare => Value::Bool(false),
                    "nan" if bare => Value::Number(f64::NAN),
                    "inf" if bare => Value::Number(f64::INFINITY),
                    _ => Value::Spec(spec),
                })
            }
            Some(c) => self.error(self.at, format!("expected a value, found `{c}`")),
            None => self.error(self.at, "expected a value, found the end"),
        }
    }

    fn string(&mut self) -> Result<Value, ConfigError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.chars.get(self.at).copied() {
            self.at += 1;
            match c {
                '"' if self.depth + depth(&text) > MAX_DEPTH => {
                    self.deep = true;
                    return self.error(start, too_deep());
                }
                '"' => return Ok(Value::Text(text)),
                '\\' => match self.chars.get(self.at).copied() {
                    Some(escaped @ ('"' | '\\')) => {
                        text.push(escaped);
                        self.at += 1;
                    }
                    _ => return self.error(self.at - 1, "only \\\" and \\\\ are escapes"),
                },
                c => text.push(c),
            }
        }
        self.error(start, "this string has no closing quote")
    }

    fn list(&mut self) -> Result<Value, ConfigError> {
        let start = self.at;
        self.at += 1;
        let mut values = Vec::new();
        while !self.take(']') {
            if self.peek().is_none() {
                return self.error(start, "this list has no closing `]`");
            }
            values.push(self.value()?);
            if !self.take(',') && self.peek() != Some(']') {
                return self.error(self.at, "expected `,` or `]` in a list");
            }
        }
        Ok(Value::List(values))
    }

    fn number(&mut self) -> Result<Value, ConfigError> {
        let start = self.at;
        // Signs belong to the number at its start and after an exponent's `e`.
        let mut token = String::new();
        while let Some(c) = self.chars.get(self.at).copied() {
            let sign = matches!(c, '-' | '+') && (token.is_empty() || token.ends_with(['e', 'E']));
            if !(c.is_ascii_alphanumeric() || c == '.' || c == '%' || sign) {
                break;
            }
            token.push(c);
            self.at += 1;
        }
        if let Ok(value) = token.parse() {
            return Ok(Value::Integer(value));
        }
        if let Ok(value) = token.parse() {
            return Ok(Value::Number(value));
        }
        if is_length(&token) {
            return Ok(Value::Text(token));
        }
        self.error(
            start,
            format!("`{token}` is neither a number nor a length (500, 10ep, 75%)"),
        )
    }
}
