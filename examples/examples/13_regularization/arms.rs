//! What is compared: the arms, and the grid of rates and initial weights.

use firebrick::prelude::*;
use firebrick_examples::size;

use super::network::{NetworkConfig, Norm};

/// The learning rate with batch norm, and that without, which is lower because the network is less stable.
const LR: [f64; 2] = [0.1, 0.02];
/// The probability of dropping a value, in the arms with dropout.
const DROPOUT: f64 = 0.2;
/// The share of the epochs for which a network of the grid trains, and the fewest epochs.
const GRID_SHARE: f64 = 0.1;
const GRID_LEAST: u64 = 2;
/// Learning rates and factors on the initial weights, and fewer of them for a smoke test.
const RATES: [&[f64]; 2] = [&[0.01, 0.05, 0.2, 1.0], &[0.05, 1.0]];
const SCALES: [&[f64]; 2] = [&[0.1, 0.3, 1.0, 3.0], &[0.3, 1.0]];

/// One way to train.
#[derive(Clone, Copy)]
pub struct Arm {
    /// Its name in files.
    pub key: &'static str,
    /// Its name in the table.
    pub title: &'static str,
    norm: Norm,
    dropout: f64,
    penalize: &'static str,
    augment: &'static str,
    mix: &'static str,
    /// How many times the epochs of the others.
    pub budget: u64,
}

const NONE: Arm = Arm {
    key: "none",
    title: "none",
    norm: Norm::Fixup,
    dropout: 0.0,
    penalize: "none",
    augment: "none",
    mix: "none",
    budget: 1,
};

const BATCH_NORM: Arm = Arm {
    key: "batch-norm",
    title: "batch norm",
    norm: Norm::Batch,
    ..NONE
};

const FLIP_CROP: Arm = Arm {
    key: "flip-crop",
    title: "batch norm, flip + crop",
    augment: "pad_crop(4) | hflip",
    ..BATCH_NORM
};

/// The arms, in the order in which they train.
pub static ARMS: [Arm; 10] = [
    NONE,
    Arm {
        key: "l2",
        title: "L2",
        penalize: "l2(0.00025)",
        ..NONE
    },
    Arm {
        key: "dropout",
        title: "dropout",
        dropout: DROPOUT,
        ..NONE
    },
    Arm {
        key: "dropout-twice",
        title: "dropout, twice the epochs",
        dropout: DROPOUT,
        budget: 2,
        ..NONE
    },
    BATCH_NORM,
    Arm {
        key: "batch-norm-dropout",
        title: "batch norm + dropout",
        dropout: DROPOUT,
        ..BATCH_NORM
    },
    FLIP_CROP,
    Arm {
        key: "cutout",
        title: "batch norm, flip + crop, cutout",
        augment: "pad_crop(4) | hflip | cutout(16)",
        ..FLIP_CROP
    },
    Arm {
        key: "mixup",
        title: "batch norm, flip + crop, mixup",
        mix: "mixup(1)",
        ..FLIP_CROP
    },
    Arm {
        key: "trivial-augment",
        title: "batch norm, flip + crop, TrivialAugment",
        augment: "pad_crop(4) | hflip | trivial_augment",
        ..FLIP_CROP
    },
];

impl Arm {
    /// The recipe of its run with a seed.
    ///
    /// # Errors
    /// None: the specs are fixed.
    pub fn recipe(&self, shared: &Recipe, seed: u64) -> anyhow::Result<Recipe> {
        let network = NetworkConfig {
            norm: self.norm,
            dropout: self.dropout,
            ..shared.model.resolve::<NetworkConfig>()?
        };
        let [with, without] = LR;
        let lr = if self.norm == Norm::Batch {
            with
        } else {
            without
        };
        Ok(Recipe {
            model: network.spec(),
            penalize: self.penalize.parse()?,
            augment: self.augment.parse()?,
            mix: self.mix.parse()?,
            schedule: format!("warmup(10%, then=cosine({lr}))").parse()?,
            epochs: self.budget * shared.epochs,
            seed,
            ..shared.clone()
        })
    }
}

/// A network of the grid.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// With batch norm; otherwise with nothing in its place.
    pub batch_norm: bool,
    /// The learning rate.
    pub lr: f64,
    /// The factor on the initial weights.
    pub scale: f64,
}

/// The learning rates of the grid.
pub fn rates() -> &'static [f64] {
    size(RATES[0], RATES[1])
}

/// The factors on the initial weights of the grid.
pub fn scales() -> &'static [f64] {
    size(SCALES[0], SCALES[1])
}

/// All networks of the grid, in the order in which they train.
pub fn grid() -> Vec<Cell> {
    let mut cells = Vec::new();
    for &scale in scales() {
        for &lr in rates() {
            for batch_norm in [false, true] {
                cells.push(Cell {
                    batch_norm,
                    lr,
                    scale,
                });
            }
        }
    }
    cells
}

impl Cell {
    /// Its name in files.
    pub fn key(&self) -> String {
        let Self {
            batch_norm,
            lr,
            scale,
        } = self;
        let norm = if *batch_norm { "with" } else { "without" };
        format!("grid-{norm}-rate-{lr}-scale-{scale}")
    }

    /// The recipe of its run with a seed.
    ///
    /// # Errors
    /// None: the specs are fixed.
    pub fn recipe(&self, shared: &Recipe, seed: u64) -> anyhow::Result<Recipe> {
        let network = NetworkConfig {
            norm: if self.batch_norm {
                Norm::Batch
            } else {
                Norm::Plain
            },
            scale: self.scale,
            ..shared.model.resolve::<NetworkConfig>()?
        };
        Ok(Recipe {
            model: network.spec(),
            schedule: format!("cosine({})", self.lr).parse()?,
            epochs: grid_epochs(shared),
            seed,
            ..shared.clone()
        })
    }
}

/// The epochs for which a network of the grid trains.
pub fn grid_epochs(shared: &Recipe) -> u64 {
    ((shared.epochs as f64 * GRID_SHARE).round() as u64).max(GRID_LEAST)
}
