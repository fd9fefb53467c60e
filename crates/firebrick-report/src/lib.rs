//! The pictures of Firebrick: curves, confusion matrices, the HTML report.
//!
//! It draws data that others made, [`RunRecord`] above all: it reads no files, prints nothing, and the
//! same record gives the same bytes. [`page`] makes the whole report; [`curves_svg`] and
//! [`confusion_svg`] make one picture each, as an SVG document of its own.
//!
//! A page is one file without scripts that loads nothing from anywhere (its content security policy
//! forbids it), follows the reader's light or dark setting, and prints.
//!
//! [`RunRecord`]: firebrick_core::run::RunRecord

mod activations;
mod axis;
mod chart;
mod compare;
mod confusion;
mod curves;
mod heat_map;
mod mistakes;
mod page;
mod recipes;
mod scatter;
mod scores;
mod svg;
mod table;
mod text;
mod ticks;

pub use axis::{Axis, Scale, Unit};
pub use chart::{Chart, Mark, Series, Tone, curves_svg};
pub use heat_map::confusion_svg;
pub use page::page;
pub use scatter::{Panel, Scatter, ScatterPoint, scatter_svg};
