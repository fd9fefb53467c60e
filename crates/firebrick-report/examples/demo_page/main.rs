//! Writes pages about made-up runs and ensembles, to look at: `cargo run -p firebrick-report --example demo_page -- DIR`.

mod ensemble;
mod insight;
mod record;

use std::path::PathBuf;

use firebrick_report::{ensemble_page, page};

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| ".".into()));
    std::fs::create_dir_all(&folder)?;
    let ten = record::run("lenet5-adam", 10, 10);
    let hundred = record::run("resnet20-cifar100", 100, 200);
    let hostile = record::hostile();
    let mut others = [0.3, 0.1, 0.02].map(|lr| record::with_rate(&format!("sweep-lr-{lr}"), lr));
    others[1].lineage = Some("sweep-lr-0.3 at update 1200".into());
    let pages = [
        ("ten.html", page(std::slice::from_ref(&ten))),
        ("hundred.html", page(std::slice::from_ref(&hundred))),
        ("hostile.html", page(std::slice::from_ref(&hostile))),
        ("long.html", page(&[record::run("long", 2, 1000)])),
        ("single.html", page(&[record::run("single", 5, 1)])),
        ("empty.html", page(&[record::empty("empty")])),
        ("compare.html", page(&others)),
        (
            "compare-odd.html",
            page(&[ten, hostile, hundred, record::empty("empty")]),
        ),
        (
            "ensemble.html",
            ensemble_page(&ensemble::ensemble("five", 5)),
        ),
        (
            "ensemble-many.html",
            ensemble_page(&ensemble::ensemble("thirty", 30)),
        ),
        (
            "ensemble-hostile.html",
            ensemble_page(&ensemble::hostile_ensemble()),
        ),
    ];
    for (name, html) in pages {
        std::fs::write(folder.join(name), html)?;
    }
    Ok(())
}
