//! The pictures of Firebrick: curves, schedules, confusion matrices, the HTML report.
//!
//! It draws data that others made, [`RunRecord`] above all: it reads no files, prints nothing, and the
//! same record gives the same bytes. [`page`] makes the whole report; [`curves_svg`],
//! [`schedule_svg`] and [`confusion_svg`] make one picture each, as an SVG document of its own;
//! [`contour_svg`] and [`contour_gif`] draw paths over a surface.
//!
//! A page is one file without scripts that loads nothing from anywhere (its content security policy
//! forbids it), follows the reader's light or dark setting, and prints.
//!
//! [`RunRecord`]: firebrick_core::run::RunRecord

mod activations;
mod animation;
mod axis;
mod chart;
mod compare;
mod confusion;
mod contour;
mod curves;
mod heat_map;
mod levels;
mod mistakes;
mod page;
mod recipes;
mod scatter;
mod schedule;
mod scores;
mod svg;
mod table;
mod text;
mod ticks;

pub use animation::{PATH_COLOURS, contour_gif};
pub use axis::{Axis, Scale, Unit};
pub use chart::{Chart, Mark, Series, Tone, charts_svg, curves_svg};
pub use contour::contour_svg;
pub use heat_map::confusion_svg;
pub use page::page;
pub use scatter::{Panel, Scatter, ScatterPoint, scatter_svg};
pub use schedule::{ScheduleCurves, schedule_svg};
