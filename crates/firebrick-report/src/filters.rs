//! The section with the kernels of the first convolution.

use firebrick_types::run::{FILTERS, Filters, RunRecord};

use crate::pixels::data_uri;
use crate::text::{count, escape};

/// The section; empty where the record has none.
pub(crate) fn section(run: &RunRecord) -> String {
    let Ok(Some(filters)) = run.section::<Filters>(FILTERS) else {
        return String::new();
    };
    let Some(uri) = data_uri(filters.picture.size, &filters.picture.pixels) else {
        return String::new();
    };
    let [width, height, _] = filters.picture.size;
    let [rows, columns] = filters.size;
    let first = match filters.shown {
        shown if shown < filters.kernels => format!(" The first {}.", count(shown as u64)),
        _ => String::new(),
    };
    format!(
        "<section id=\"filters\"><h2>The first filters</h2>\n<figure><img class=\"filters\" src=\"{uri}\" alt=\"The kernels of the \
         first convolution\" width=\"{width}\" height=\"{height}\"/><figcaption>The {kernels} kernels of <code>{path}</code>, \
         {rows}×{columns} pixels each.{first} Grey is 0; all have one scale. Kernels of a trained network are smooth: edges, bars \
         and colours. Noise means that it was trained too little, or with too little weight decay.</figcaption></figure></section>\n",
        kernels = count(filters.kernels as u64),
        path = escape(&filters.path),
    )
}

#[cfg(test)]
mod tests {
    use firebrick_types::run::Picture;

    use super::*;

    #[test]
    fn the_kernels_are_a_picture() {
        let mut run = crate::empty_record();
        assert_eq!(section(&run), "");
        let filters = Filters {
            path: "<conv1>.weight".into(),
            kernels: 96,
            size: [11, 11],
            picture: Picture {
                size: [2, 1, 3],
                pixels: vec![1; 6],
            },
            shown: 64,
        };
        run.set_section(FILTERS, &filters).unwrap();
        let html = section(&run);
        assert!(html.contains("src=\"data:image/png;base64,"), "{html}");
        let said =
            "The 96 kernels of <code>&lt;conv1&gt;.weight</code>, 11×11 pixels each. The first 64.";
        assert!(html.contains(said), "{html}");
    }
}
