//! The types that a setting can have: how a flag gives them a value, and how the value is shown.

use crate::ConfigError;
use crate::data::Fit;
use crate::groups::GroupRule;
use crate::image::Filter;
use crate::number::{real, whole};
use crate::spec::{Pipeline, Spec};

/// The word that switches an optional setting off, and empties a list.
const NONE: &str = "none";

/// A value that a flag can give.
pub trait FromFlag: Sized {
    /// Reads the text of a flag.
    ///
    /// # Errors
    /// What was expected, in words.
    fn from_flag(text: &str) -> Result<Self, String>;

    /// The text that reads back to this value.
    fn to_flag(&self) -> String;

    /// The spec that the value is, if it is one.
    fn as_spec(&mut self) -> Option<&mut Spec> {
        None
    }
}

/// How the flag of a setting takes its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A value.
    Value,
    /// A value, or `none`.
    Optional,
    /// Nothing, which means `true`; or `=true` and `=false`.
    Switch,
    /// A value, which is added to those before; or `none`, which takes those before away.
    List,
}

/// The specs in a setting.
#[derive(Debug)]
pub enum Specs<'a> {
    /// One, whose arguments have the names `KEY.ARGUMENT`.
    One(&'a mut Spec),
    /// Several in order, whose arguments have the names `KEY.NAME.ARGUMENT`.
    Steps(&'a mut Vec<Spec>),
}

/// The value of a setting, whatever its type.
pub trait SettingValue {
    /// How the flag takes its value.
    fn form(&self) -> Form;

    /// Takes the text of a flag.
    ///
    /// # Errors
    /// What was expected, in words; the value is left as it was.
    fn read(&mut self, text: &str) -> Result<(), String>;

    /// The value as a flag would say it; none where it is not given.
    fn text(&self) -> Option<String>;

    /// The specs in it, whose arguments can be set one by one.
    fn specs(&mut self) -> Option<Specs<'_>> {
        None
    }
}

impl<T: FromFlag> SettingValue for T {
    fn form(&self) -> Form {
        Form::Value
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = T::from_flag(text)?;
        Ok(())
    }

    fn text(&self) -> Option<String> {
        Some(self.to_flag())
    }

    fn specs(&mut self) -> Option<Specs<'_>> {
        self.as_spec().map(Specs::One)
    }
}

impl<T: FromFlag> SettingValue for Option<T> {
    fn form(&self) -> Form {
        Form::Optional
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = match text.trim() {
            NONE => None,
            _ => Some(T::from_flag(text)?),
        };
        Ok(())
    }

    fn text(&self) -> Option<String> {
        self.as_ref().map(T::to_flag)
    }

    fn specs(&mut self) -> Option<Specs<'_>> {
        self.as_mut()?.as_spec().map(Specs::One)
    }
}

impl SettingValue for bool {
    fn form(&self) -> Form {
        Form::Switch
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = match text.trim() {
            "true" => true,
            "false" => false,
            _ => return Err("expected true or false".into()),
        };
        Ok(())
    }

    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl SettingValue for Pipeline {
    fn form(&self) -> Form {
        Form::Value
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        *self = text
            .parse()
            .map_err(|error: ConfigError| error.to_string())?;
        Ok(())
    }

    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }

    fn specs(&mut self) -> Option<Specs<'_>> {
        Some(Specs::Steps(&mut self.0))
    }
}

impl SettingValue for Vec<GroupRule> {
    fn form(&self) -> Form {
        Form::List
    }

    fn read(&mut self, text: &str) -> Result<(), String> {
        match text.trim() {
            NONE => self.clear(),
            _ => self.push(
                text.parse()
                    .map_err(|error: ConfigError| error.to_string())?,
            ),
        }
        Ok(())
    }

    fn text(&self) -> Option<String> {
        let rules: Vec<String> = self.iter().map(ToString::to_string).collect();
        (!rules.is_empty()).then(|| rules.join(" "))
    }
}

impl FromFlag for String {
    fn from_flag(text: &str) -> Result<Self, String> {
        Ok(text.into())
    }

    fn to_flag(&self) -> String {
        self.clone()
    }
}

impl FromFlag for f64 {
    fn from_flag(text: &str) -> Result<Self, String> {
        real(text)
    }

    fn to_flag(&self) -> String {
        format!("{self:?}")
    }
}

impl FromFlag for u64 {
    fn from_flag(text: &str) -> Result<Self, String> {
        whole(text)
    }

    fn to_flag(&self) -> String {
        self.to_string()
    }
}

impl FromFlag for usize {
    fn from_flag(text: &str) -> Result<Self, String> {
        whole(text)
    }

    fn to_flag(&self) -> String {
        self.to_string()
    }
}

impl FromFlag for Spec {
    fn from_flag(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: ConfigError| error.to_string())
    }

    fn to_flag(&self) -> String {
        self.to_string()
    }

    fn as_spec(&mut self) -> Option<&mut Spec> {
        Some(self)
    }
}

impl FromFlag for Fit {
    fn from_flag(text: &str) -> Result<Self, String> {
        match text {
            "crop" => Ok(Self::Crop),
            "squash" => Ok(Self::Squash),
            other => Err(format!("`{other}` is neither crop nor squash")),
        }
    }

    fn to_flag(&self) -> String {
        match self {
            Self::Crop => "crop",
            Self::Squash => "squash",
        }
        .into()
    }
}

impl FromFlag for Filter {
    fn from_flag(text: &str) -> Result<Self, String> {
        let named = Self::NAMES.into_iter().find(|(name, _)| *name == text);
        named.map(|(_, filter)| filter).ok_or_else(|| {
            let names = Self::NAMES.map(|(name, _)| name).join(", ");
            format!("`{text}` is none of {names}")
        })
    }

    fn to_flag(&self) -> String {
        let named = Self::NAMES.into_iter().find(|(_, filter)| filter == self);
        named.map(|(name, _)| name).unwrap_or_default().into()
    }
}
