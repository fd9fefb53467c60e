//! Charts and reports: curves, schedules, confusion matrices, the HTML report of a run.
//!
//! [`page`] makes the whole report from a [`RunRecord`], and [`ensemble_page`] that of an ensemble. [`curves_svg`], [`schedule_svg`] and [`confusion_svg`] make
//! one picture each, as a complete SVG document; [`contour_svg`] and [`contour_gif`] draw paths over a surface;
//! [`contact_sheet`] puts images and texts side by side. Nothing here reads files or prints, and equal records give
//! equal bytes.
//!
//! A report is a single HTML file without scripts. It loads nothing from anywhere, which its content security policy
//! enforces, follows the reader's light or dark setting, and can be printed.
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
mod data_check;
mod ensemble;
mod feature_map;
mod filters;
mod heat_map;
mod interval;
mod levels;
mod mistakes;
mod overlay;
mod page;
mod pairs;
mod penalties;
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
pub use overlay::{Overlay, overlay};
pub use page::{ensemble_page, page};
pub use pixels::{png, png_uri};
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
