//! What there is to know about a setting of a training run beside its type and its default: how its flag
//! is written, what it belongs to, and whether a search may vary it.
//!
//! The settings themselves are the rows of one table, [`SETTINGS`](crate::recipe::SETTINGS).

mod value;

pub use value::{Form, FromFlag, SettingValue, Specs};

/// What a setting is and where it applies. A row of the table makes one with [`flag`] or [`internal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettingAbout {
    /// How the flag is written; none where no flag sets the setting.
    pub flag: Option<Flag>,
    /// What the setting belongs to.
    pub scope: Scope,
    /// The units that the setting names, if it names units.
    pub family: Option<Family>,
    /// The place that the setting names, if it names one.
    pub place: Option<Place>,
    /// What it means that the setting is not given, where there is more to say than `none`.
    pub unset: Option<&'static str>,
    /// Why a search cannot vary the setting, if it cannot.
    pub fixed: Option<&'static str>,
}

/// How the flag of a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// The name without `--`, where it is not the key with `-` for `_`.
    pub name: Option<&'static str>,
    /// What stands for the value in the help, such as `N`.
    pub value: &'static str,
    /// The section of the help.
    pub heading: Heading,
}

/// A section of the help and of the reference page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heading {
    /// The images and the model.
    Data,
    /// How the model is trained.
    Training,
    /// Where it is trained and what is saved.
    Session,
}

impl Heading {
    /// All sections, in order.
    pub const ALL: [Self; 3] = [Self::Data, Self::Training, Self::Session];

    /// The heading as it is printed.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Data => "Data and model",
            Self::Training => "Training",
            Self::Session => "Device, threads and checkpoints",
        }
    }
}

/// What a setting belongs to, and so what may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The identity of the run: only a new run can have another value.
    Run,
    /// The start of the run: only a new run can have another value, but checkpoints hold what came of
    /// it, so that it is no part of the identity.
    Start,
    /// The identity of the run, but a run that branches off may have another value.
    Branch,
    /// One session: another value may be given whenever the run is resumed.
    Session,
    /// One session, which it ends early: a resumed run begins without it.
    Limit,
}

impl Scope {
    /// All scopes, from the narrowest choice to the widest.
    pub const ALL: [Self; 5] = [
        Self::Run,
        Self::Start,
        Self::Branch,
        Self::Session,
        Self::Limit,
    ];

    /// Whether two runs with other values are other runs.
    #[must_use]
    pub fn in_identity(self) -> bool {
        matches!(self, Self::Run | Self::Branch)
    }

    /// Whether a run that is resumed can have another value.
    #[must_use]
    pub fn changes_in_a_resume(self) -> bool {
        matches!(self, Self::Session | Self::Limit)
    }

    /// Whether a run that branches off can have another value.
    #[must_use]
    pub fn changes_in_a_branch(self) -> bool {
        self == Self::Branch || self.changes_in_a_resume()
    }
}

/// A family of units that settings name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Data sets.
    Datasets,
    /// Models.
    Models,
    /// Optimizers.
    Optimizers,
    /// Schedules.
    Schedules,
    /// Augmentations.
    Augmentations,
    /// Averages of weights.
    Averages,
    /// Losses.
    Losses,
    /// Ways to mix the images of a batch.
    Mixes,
    /// Penalties and constraints.
    Penalties,
    /// Orders of the images of an epoch.
    Samplers,
    /// Which stages are trained when.
    Strategies,
    /// Known statistics of images.
    Normalizations,
    /// Metrics that say which epoch is best.
    Monitors,
}

impl Family {
    /// The command that lists the units and describes each, if there is one.
    #[must_use]
    pub fn command(self) -> Option<&'static str> {
        match self {
            Self::Datasets => Some("datasets"),
            Self::Models => Some("models"),
            Self::Optimizers => Some("optim"),
            Self::Schedules => Some("schedule"),
            Self::Augmentations => Some("augment"),
            Self::Averages => Some("average"),
            Self::Losses => Some("loss"),
            Self::Mixes => Some("mix"),
            Self::Penalties => Some("penalty"),
            Self::Samplers => Some("sampling"),
            Self::Strategies => Some("transfer"),
            Self::Normalizations | Self::Monitors => None,
        }
    }
}

/// A place in the file system that a setting names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A directory.
    Directory,
    /// A file.
    File,
    /// A directory after `folder:`, among other values.
    Folder,
}

/// A setting that a flag sets: the section of the help, what stands for the value, and the scope.
#[must_use]
pub const fn flag(heading: Heading, value: &'static str, scope: Scope) -> SettingAbout {
    SettingAbout {
        flag: Some(Flag {
            name: None,
            value,
            heading,
        }),
        ..internal(scope)
    }
}

/// A setting that no flag sets.
#[must_use]
pub const fn internal(scope: Scope) -> SettingAbout {
    SettingAbout {
        flag: None,
        scope,
        family: None,
        place: None,
        unset: None,
        fixed: None,
    }
}

impl SettingAbout {
    /// Gives the flag a name that is not the key.
    #[must_use]
    pub const fn named(self, name: &'static str) -> Self {
        let flag = match self.flag {
            Some(flag) => Some(Flag {
                name: Some(name),
                ..flag
            }),
            None => None,
        };
        Self { flag, ..self }
    }

    /// Says which units the setting names.
    #[must_use]
    pub const fn of(self, family: Family) -> Self {
        Self {
            family: Some(family),
            ..self
        }
    }

    /// Says that the setting names a place: `~/` means home there.
    #[must_use]
    pub const fn at(self, place: Place) -> Self {
        Self {
            place: Some(place),
            ..self
        }
    }

    /// Says what it means that the setting is not given.
    #[must_use]
    pub const fn unset(self, meaning: &'static str) -> Self {
        Self {
            unset: Some(meaning),
            ..self
        }
    }

    /// Says why a search cannot vary the setting.
    #[must_use]
    pub const fn fixed(self, why: &'static str) -> Self {
        Self {
            fixed: Some(why),
            ..self
        }
    }
}
