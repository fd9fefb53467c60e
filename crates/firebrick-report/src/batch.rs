//! The first training images as the network saw them.

use firebrick_types::run::{FirstBatch, RunRecord};

use crate::pixels::data_uri;
use crate::recipes::setting;
use crate::text::{count, escape, plural, shorten};

/// The section with the contact sheet; empty where the record has none.
pub(crate) fn section(run: &RunRecord) -> String {
    let Some(first) = &run.first_batch else {
        return String::new();
    };
    let FirstBatch {
        picture,
        columns,
        labels,
        batch_size,
    } = first;
    let Some(uri) = data_uri(picture.size, &picture.pixels) else {
        return String::new();
    };
    let [width, height, _] = picture.size;
    let augment = setting(run, "augment").unwrap_or_default();
    let after = if ["", "none"].contains(&augment.as_str()) {
        "There is no augmentation.".into()
    } else {
        format!("Augmentation: <code>{}</code>.", escape(&augment))
    };
    let batches = count(*batch_size as u64);
    let alt = format!("The first {} of training", plural(labels.len(), "image"));
    format!(
        "<section id=\"batch\"><h2>The first training images</h2>\n<figure><img class=\"sheet\" src=\"{uri}\" alt=\"{alt}\" \
         width=\"{width}\" height=\"{height}\"/><figcaption>The first {images} of epoch 1, in batches of {batches}, as the model saw \
         them: cropped, scaled and augmented, but without the normalization. {after}</figcaption></figure>\n{classes}</section>\n",
        images = plural(labels.len(), "image"),
        classes = classes(run, labels, *columns),
    )
}

/// The classes of the images in the rows of the sheet.
fn classes(run: &RunRecord, labels: &[usize], columns: usize) -> String {
    let name = |label: &usize| match run.classes.get(*label) {
        Some(name) => escape(&shorten(name, 24)),
        None => format!("class {label}"),
    };
    let row = |labels: &[usize]| {
        let names: Vec<String> = labels.iter().map(name).collect();
        format!("<li>{}</li>\n", names.join(", "))
    };
    let rows: String = labels.chunks(columns.max(1)).map(row).collect();
    format!("<details><summary>Their classes, row by row</summary>\n<ol>\n{rows}</ol></details>\n")
}

#[cfg(test)]
mod tests {
    use firebrick_types::run::Picture;

    use super::*;

    #[test]
    fn the_sheet_is_a_picture_with_the_classes_of_its_rows() {
        let mut run = crate::empty_record();
        assert_eq!(section(&run), "");
        run.classes = vec!["cat".into(), "<dog>".into()];
        run.recipe = "augment = \"hflip\"".into();
        run.first_batch = Some(FirstBatch {
            picture: Picture {
                size: [4, 2, 1],
                pixels: vec![9; 8],
            },
            columns: 2,
            labels: vec![0, 1, 1, 7],
            batch_size: 64,
        });
        let html = section(&run);
        for said in [
            "src=\"data:image/png;base64,",
            "<li>cat, &lt;dog&gt;</li>",
            "<li>&lt;dog&gt;, class 7</li>",
            "<code>hflip</code>",
            "The first 4 images of epoch 1, in batches of 64",
        ] {
            assert!(html.contains(said), "{said}: {html}");
        }
        run.recipe = "augment = \"none\"".into();
        assert!(section(&run).contains("There is no augmentation."));
        if let Some(first) = &mut run.first_batch {
            first.picture.pixels.pop();
        }
        assert_eq!(section(&run), "");
    }
}
