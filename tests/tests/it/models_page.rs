//! The page of models says what the networks and the tables of their weights say.

use std::collections::BTreeMap;

use firebrick::core::device;
use firebrick::core::spec::Spec;
use firebrick::zoo;

#[test]
fn the_page_of_models_has_a_row_for_each() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/models.md");
    let page = std::fs::read_to_string(page).unwrap();
    // The table of options comes first.
    let (_, table) = page.split_once("| model | images |").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.map(|row| row.trim_end_matches('|').split('|').map(str::trim));
    let mut rows: BTreeMap<String, Vec<&str>> = cells
        .map(|mut cells| {
            let name = cells.next().unwrap_or_default().trim_end_matches('`');
            (name.to_string(), cells.collect())
        })
        .collect();
    let device = device("flex").unwrap();
    for entry in zoo::REGISTRY.entries() {
        let name = entry.about.name;
        let spec = Spec::new(name);
        let input = zoo::default_input(&spec).unwrap();
        let model = zoo::undrawn(&spec, &input, &device).unwrap();
        let parameters = zoo::parameters(&model) as f64 / 1e6;
        let weights = zoo::published_for(name).find(|weights| weights.top1.is_some());
        let row = rows
            .remove(name)
            .unwrap_or_else(|| panic!("{name} has no row"));
        let side = format!("{}×{}", input.height, input.width);
        let top1 = weights.and_then(|weights| weights.top1);
        assert_eq!(row[0], side, "{name}");
        assert_eq!(row[1], format!("{parameters:.2} M"), "{name}");
        assert_eq!(
            row[3],
            top1.map_or("–".into(), |top1| format!("{top1:.2} %")),
            "{name}"
        );
        let tag = weights.map_or("–".into(), |weights| format!("`{}`", weights.tag));
        assert_eq!(row[4], tag, "{name}");
    }
    assert!(rows.is_empty(), "{rows:?}");
}
