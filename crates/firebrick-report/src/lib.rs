//! Charts and reports: curves, schedules, confusion matrices, the HTML report of a run.
//!
//! It draws data of other crates, above all [`RunRecord`]. It reads no files, prints nothing, and the same record
//! gives the same bytes. [`page`] makes the whole report; [`curves_svg`],
//! [`schedule_svg`] and [`confusion_svg`] make one picture each, as an SVG document of its own;
//! [`contour_svg`] and [`contour_gif`] draw paths over a surface; [`contact_sheet`] puts images and texts side by side.
//!
//! A page is one file without scripts that loads nothing from anywhere (its content security policy
//! forbids it), follows the reader's light or dark setting, and prints.
//!
//! [`RunRecord`]: firebrick_types::run::RunRecord

mod activations;
mod advice;
mod animation;
mod axis;
mod batch;
mod bitmap_font;
mod chart;
mod compare;
mod confusion;
mod confusion_counts;
mod contact_sheet;
mod contour;
mod curves;
mod heat_map;
mod interval;
mod levels;
mod mistakes;
mod page;
mod pairs;
mod pixels;
mod recipes;
mod reliability;
mod scatter;
mod schedule;
mod scores;
mod setting;
mod svg;
mod table;
mod text;
mod ticks;

pub use animation::{PATH_COLOURS, contour_gif};
pub use axis::{Axis, Scale};
pub use chart::{Chart, Mark, Series, Tone, charts_svg, curves_svg};
pub use contact_sheet::{Tile, contact_sheet};
pub use contour::contour_svg;
pub use heat_map::confusion_svg;
pub use page::page;
pub use pixels::png;
pub use scatter::{Panel, Scatter, ScatterPoint, scatter_svg};
pub use schedule::{ScheduleCurves, schedule_svg};
pub use ticks::Unit;

/// A record that knows next to nothing.
#[cfg(test)]
fn empty_record() -> firebrick_types::run::RunRecord {
    let json = r#"{"name": "x", "recipe": "", "reproduce": "", "device": "flex", "model": "m", "parameters": 1,
        "classes": [], "epochs": [], "steps": [], "best": null, "monitor": "valid_top1", "test": null,
        "confusion": [], "mistakes": [], "activations": [], "lineage": null}"#;
    serde_json::from_str(json).expect("a record")
}
