//! The page as a whole: well-formed, harmless, complete, and the same every time.

#[path = "../examples/demo_page/ensemble.rs"]
mod ensemble;
#[path = "../examples/demo_page/insight.rs"]
mod insight;
#[path = "../examples/demo_page/record.rs"]
mod record;

use ensemble::{ensemble, hostile_ensemble};
use firebrick_report::{confusion_svg, ensemble_page, page};
use firebrick_types::confusion::Confusion;
use firebrick_types::run::RunRecord;
use firebrick_types::run::ensemble::EnsembleRecord;
use roxmltree::Document;

/// Every kind of page that should look right.
fn pages() -> Vec<(&'static str, String)> {
    let one = |run: RunRecord| page(&[run]);
    let mut no_test = record::run("no-test", 2, 3);
    no_test.test = None;
    let mut no_valid = record::run("no-valid", 1, 3);
    no_valid.epochs.iter_mut().for_each(|row| row.valid = None);
    no_valid.best = None;
    let several = [
        record::run("a", 10, 3),
        record::hostile(),
        record::empty("a"),
    ];
    vec![
        ("none", page(&[])),
        ("empty", one(record::empty("empty"))),
        ("one epoch", one(record::run("one", 10, 1))),
        ("a thousand epochs", one(record::run("long", 10, 1000))),
        ("a hundred classes", one(record::run("many", 100, 5))),
        ("two hundred classes", one(record::run("most", 200, 5))),
        ("no test", one(no_test)),
        ("no validation, one class", one(no_valid)),
        ("hostile", one(record::hostile())),
        ("several", page(&several)),
        ("ensemble", ensemble_page(&ensemble("five", 5))),
        ("one member", ensemble_page(&ensemble("one", 1))),
        ("many members", ensemble_page(&ensemble("many", 130))),
        ("no members", ensemble_page(&ensemble("none", 0))),
        ("hostile ensemble", ensemble_page(&hostile_ensemble())),
        ("empty ensemble", ensemble_page(&EnsembleRecord::default())),
    ]
}

/// The page as XML; its first line is the doctype, which is HTML's alone.
fn parse<'a>(name: &str, html: &'a str) -> Document<'a> {
    let xml = html.strip_prefix("<!DOCTYPE html>\n").expect("a doctype");
    Document::parse(xml).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn text(document: &Document<'_>) -> String {
    document
        .descendants()
        .filter_map(|node| node.text())
        .collect()
}

#[test]
fn every_page_is_well_formed_and_runs_and_loads_nothing() {
    for (name, html) in pages() {
        let document = parse(name, &html);
        for node in document.descendants().filter(roxmltree::Node::is_element) {
            let tag = node.tag_name().name();
            assert!(
                !["script", "iframe", "object", "embed", "a"].contains(&tag),
                "{name}: <{tag}>"
            );
            for attribute in node.attributes() {
                let (key, value) = (attribute.name(), attribute.value());
                assert!(!key.starts_with("on"), "{name}: {key}");
                if ["src", "href"].contains(&key) {
                    assert!(value.starts_with("data:"), "{name}: {key}={value}");
                }
                if !["aria-label", "alt", "title"].contains(&key) && !value.starts_with("data:") {
                    for odd in ["NaN", "inf", "http:", "https:"] {
                        assert!(!value.contains(odd), "{name}: {key}={value}");
                    }
                }
            }
            if tag == "style" {
                let css = node.text().unwrap_or_default();
                assert!(!css.contains("url(") && !css.contains("@import"), "{name}");
            }
        }
    }
}

#[test]
fn every_picture_and_table_can_be_heard() {
    for (name, html) in pages() {
        let document = parse(name, &html);
        for node in document.descendants() {
            let said = |key| node.attribute(key).is_some_and(|text| !text.is_empty());
            match node.tag_name().name() {
                "svg" => assert!(
                    said("aria-label") && node.attribute("role") == Some("img"),
                    "{name}"
                ),
                "img" => assert!(said("alt"), "{name}"),
                "table" => {
                    let has = |tag| node.descendants().any(|child| child.has_tag_name(tag));
                    assert!(has("caption") && has("thead") && has("th"), "{name}");
                }
                _ => {}
            }
        }
    }
}

#[test]
fn every_row_has_a_cell_for_every_column() {
    for (name, html) in pages() {
        let document = parse(name, &html);
        for table in document
            .descendants()
            .filter(|node| node.has_tag_name("table"))
        {
            let mut rows = table.descendants().filter(|node| node.has_tag_name("tr"));
            let cells = |row: roxmltree::Node<'_, '_>| {
                row.children().filter(roxmltree::Node::is_element).count()
            };
            let columns = rows.next().map_or(0, cells);
            assert!(rows.all(|row| cells(row) == columns), "{name}");
        }
    }
}

#[test]
fn hostile_names_are_shown_and_not_obeyed() {
    for html in [
        page(&[record::hostile()]),
        ensemble_page(&hostile_ensemble()),
    ] {
        let document = parse("hostile", &html);
        let shown = text(&document);
        // Its best epoch is none of its epochs.
        assert!(!shown.contains("best: epoch"));
        assert!(shown.contains("</style><script>alert('&\"x\"')</script>"));
        let titles = document.descendants().filter(|node| {
            node.has_tag_name("title")
                && node
                    .parent()
                    .is_some_and(|parent| parent.has_tag_name("head"))
        });
        assert_eq!(titles.count(), 1);
    }
}

#[test]
fn a_page_tells_what_its_run_was() {
    let run = record::run("glyphs-7", 10, 10);
    let html = page(std::slice::from_ref(&run));
    let document = parse("run", &html);
    let shown = text(&document);
    for needle in [
        "glyphs-7",
        "99.21\u{202f}%",
        "79 of 10\u{202f}000 wrong",
        "61\u{202f}706",
        "4\u{202f}300 updates",
        "was taken for",
        "pad_crop(4) | hflip",
        "2026-03-01 09:12:44 to 09:31:02 UTC, in 2 sessions",
        "Some Processor 3000, 8 threads, AVX2",
        "45\u{202f}000 training, 5\u{202f}000 validation, 10\u{202f}000 test",
        "32\u{202f}×\u{202f}32 pixels, RGB",
        "Firebrick 0.1.0",
        "lenet5(activation=relu)",
        "too small",
        "too large",
        "nearly all zero",
    ] {
        assert!(shown.contains(needle), "{needle}");
    }
    let (best, _) = run.best.unwrap();
    assert!(shown.contains(&format!("best: epoch {best}")));
    assert!(shown.contains(&format!("Validation, epoch {best}")));
    assert!(shown.contains(run.recipe.trim_end()));
    assert!(shown.contains(&run.reproduce));
    let count = |tag: &str| {
        document
            .descendants()
            .filter(|node| node.has_tag_name(tag))
            .count()
    };
    // The mistakes, and the sheet of the first batch.
    assert_eq!(count("img"), run.mistakes.len() + 1);
    let diagrams = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("reliability"));
    assert_eq!(diagrams.count(), 1);
    let charts = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("chart"));
    assert_eq!(charts.count(), 5);
}

#[test]
fn a_branched_run_names_its_origin() {
    let mut run = record::empty("branch");
    run.lineage = Some("base at update 1200".into());
    assert!(page(&[run]).contains("Branched from <code>base at update 1200</code>"));
}

#[test]
fn warnings_and_advice_are_on_the_page() {
    let mut run = record::run("warned", 10, 12);
    run.warnings = vec!["training diverges: try `--clip-norm 1`".into()];
    let html = page(&[run]);
    let warning = "<li><b>Warning:</b> training diverges: try <code>--clip-norm 1</code></li>";
    assert_eq!(html.matches(warning).count(), 1, "{html}");
}

#[test]
fn one_epoch_and_a_constant_are_words_and_not_pictures() {
    let mut run = record::run("short", 10, 1);
    for step in &mut run.steps {
        step.1 = 0.05;
    }
    let html = page(&[run]);
    let document = parse("short", &html);
    let charts = document
        .descendants()
        .filter(|node| node.attribute("class") == Some("chart"));
    let titles: Vec<&str> = charts
        .filter_map(|chart| chart.attribute("aria-label"))
        .collect();
    assert_eq!(titles, ["Training loss at each update"]);
    let shown = text(&document);
    assert!(
        shown.contains("Learning rate: 0.05000 from update 0 to"),
        "{shown}"
    );
    assert!(shown.contains("at epoch 1."));
    // The numbers of the epoch are in view.
    assert!(html.contains("Every epoch") && !html.contains("The numbers: 1 epoch"));
}

#[test]
fn only_runs_of_one_data_set_are_ranked_and_drawn_together() {
    let one = record::with_rate("one", 0.3);
    let mut other = record::with_rate("other", 0.1);
    other.data.name = "mnist".into();
    other.answers = None;
    let html = page(&[one.clone(), other]);
    let document = parse("two sets", &html);
    let table = |caption: &str| {
        document
            .descendants()
            .filter(|node| node.has_tag_name("table"))
            .find(|node| text_of(node).starts_with(caption))
    };
    let scores = table("Scores side by side").unwrap();
    assert!(text_of(&scores).contains("cifar10") && text_of(&scores).contains("mnist"));
    assert!(
        scores.descendants().all(|node| !node.has_tag_name("b")),
        "nothing to rank"
    );
    assert!(table("Differences in accuracy").is_none());
    assert!(html.contains("are not compared"));
    let names = |chart: roxmltree::Node<'_, '_>| {
        let names = chart.descendants().filter(|node| {
            node.attribute("class")
                .is_some_and(|class| class.starts_with("name "))
        });
        names.map(|node| text_of(&node)).collect::<Vec<_>>()
    };
    for chart in document.descendants() {
        if chart.attribute("class") == Some("chart") {
            assert_eq!(names(chart).len(), 1, "{:?}", chart.attribute("aria-label"));
        }
    }
    // On one data set, the same images make a pair.
    let html = page(&[one.clone(), record::with_rate("better", 0.1)]);
    assert!(html.contains("the same 10\u{202f}000 images"), "{html}");
    assert!(html.contains("<b>better</b> is better"));
}

#[test]
fn a_comparison_marks_the_best_and_shows_only_what_differs() {
    let runs = [0.3, 0.1].map(|lr| record::with_rate(&format!("lr-{lr}"), lr));
    let html = page(&runs);
    let document = parse("compare", &html);
    let bold: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name("b"))
        .filter_map(|node| node.text())
        .collect();
    assert!(
        bold.contains(&"99.21\u{202f}%") && !bold.contains(&"98.81\u{202f}%"),
        "{bold:?}"
    );
    let table = document
        .descendants()
        .find(|node| {
            node.has_tag_name("table") && text_of(node).contains("Settings that are not the same")
        })
        .expect("a table of differences");
    let settings: Vec<String> = table
        .descendants()
        .filter(|node| node.attribute("scope") == Some("row"))
        .map(|node| text_of(&node))
        .collect();
    assert_eq!(settings, ["optimizer"]);
    assert!(text_of(&table).contains("adam(lr=0.3)") && text_of(&table).contains("adam(lr=0.1)"));
    let what_ran = document
        .descendants()
        .find(|node| node.has_tag_name("table") && text_of(node).starts_with("What ran"))
        .expect("a table of what ran");
    let what_ran = text_of(&what_ran);
    assert!(
        what_ran.contains("Some Processor 3000") && what_ran.contains("2026-03-01"),
        "{what_ran}"
    );
    // No run branched from another.
    assert!(!what_ran.contains("Branched from"), "{what_ran}");

    let same = page(&[runs[0].clone(), runs[0].clone()]);
    assert!(same.contains("All recipes are the same") && same.contains("lr-0.3 (2)"));
    assert!(!same.contains("<b>"), "equal runs have no best");
}

fn text_of(node: &roxmltree::Node<'_, '_>) -> String {
    node.descendants()
        .filter(roxmltree::Node::is_text)
        .filter_map(|text| text.text())
        .collect()
}

/// The sections of the page of an ensemble, by their ids.
fn sections(record: &EnsembleRecord) -> Vec<String> {
    let html = ensemble_page(record);
    let document = parse(&record.name, &html);
    let sections = document
        .descendants()
        .filter(|node| node.has_tag_name("section"));
    sections
        .filter_map(|section| section.attribute("id").map(String::from))
        .collect()
}

#[test]
fn the_page_of_an_ensemble_says_what_it_gains_and_costs() {
    let record = ensemble("five", 5);
    let html = ensemble_page(&record);
    let document = parse("ensemble", &html);
    let shown = text(&document);
    for needle in [
        "5 members, combined by",
        "Together, the 5 members classify 92.16\u{202f}% of the images correctly.",
        // The mean of the members is 90.40 %, and the best has 90.80 %.
        "is a difference of +1.76 points",
        // 346 images that only the ensemble has right, and 210 that only the member has: Bonett and Price by hand.
        "95 % interval: +0.90 to +1.82",
        "better than its best member by more than chance explains",
        "The ensemble is underconfident",
        "A temperature of 0.8200 changes its negative log-likelihood from 0.2980 to 0.2620",
        "from 3.10\u{202f}% to 0.80\u{202f}%",
        "At temperature 0.8200",
        "On the surest 80.00\u{202f}% of the images the error is 3.99\u{202f}%",
        "0.41",
        "1.10\u{202f}MB",
        "member-3/model.safetensors",
        "differ on 700 of 10\u{202f}000 images",
        "the training loss rises to 1.020, 1.000 above",
    ] {
        assert!(shown.contains(needle), "{needle}: {shown}");
    }
    let of_class = |class: &str| {
        let nodes = document.descendants();
        nodes
            .filter(|node| node.attribute("class") == Some(class))
            .count()
    };
    assert_eq!(of_class("reliability"), 2);
    assert_eq!(of_class("heat"), 2);
    // Accuracy, likelihood and gap over the members, risk, and two between members.
    assert_eq!(of_class("chart"), 6);
    let images = document
        .descendants()
        .filter(|node| node.has_tag_name("img"));
    assert_eq!(images.count(), record.differing_images.len());
}

#[test]
fn what_an_ensemble_lacks_is_left_out() {
    let whole = [
        "members",
        "growth",
        "confidence",
        "disagreement",
        "cost",
        "differing",
        "line",
    ];
    assert_eq!(sections(&ensemble("whole", 5)), whole);
    assert_eq!(
        sections(&ensemble("one", 1)),
        ["members", "confidence", "cost"]
    );
    let one = ensemble_page(&ensemble("one", 1));
    assert!(one.contains("One member alone is no ensemble"));
    let nothing = EnsembleRecord::default();
    assert!(sections(&nothing).is_empty());
    assert!(ensemble_page(&nothing).contains("no members to compare"));
    let mut short = ensemble("short", 3);
    short.report.ensemble.temperature = None;
    short.calibration_at_temperature.clear();
    short.train_growth.clear();
    short.error_correlation.clear();
    short.line = None;
    let html = ensemble_page(&short);
    assert!(!html.contains("emperature of") && !html.contains("At temperature"));
    assert!(!html.contains("training images") && !html.contains("Correlation of errors"));
    assert_eq!(sections(&short), whole[..6]);
}

#[test]
fn the_same_record_gives_the_same_bytes() {
    assert_eq!(page(&[record::hostile()]), page(&[record::hostile()]));
    assert_eq!(
        ensemble_page(&hostile_ensemble()),
        ensemble_page(&hostile_ensemble())
    );
}

#[test]
fn pictures_alone_are_documents() {
    let run = record::run("x", 12, 2);
    let svg = confusion_svg(&run.confusion, &run.classes);
    let document = Document::parse(&svg).unwrap();
    let root = document.root_element();
    assert_eq!(
        root.tag_name().namespace(),
        Some("http://www.w3.org/2000/svg")
    );
    let has = |tag: &str| root.children().any(|node| node.tag_name().name() == tag);
    assert!(has("title") && has("style") && has("desc"));
    assert!(Document::parse(&confusion_svg(&Confusion::default(), &[])).is_ok());
}

#[test]
fn pages_stay_small() {
    let html = page(&[record::run("long", 100, 1000)]);
    assert!(html.len() < 1_500_000, "{} bytes", html.len());
}
