//! The most wrong images, with what was said of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firebrick_core::run::{Mistake, RunRecord};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

use crate::text::{escape, percent, shorten};

/// What the model said of an image, at most this many classes.
const SAID: usize = 3;

/// The section with the most wrong images; empty when there are none.
pub(crate) fn section(run: &RunRecord) -> String {
    if run.mistakes.is_empty() {
        return String::new();
    }
    let figures: String = run
        .mistakes
        .iter()
        .map(|mistake| figure(mistake, &run.classes))
        .collect();
    format!(
        "<section id=\"mistakes\"><h2>The most wrong</h2>\n\
         <p class=\"note\">The images whose right class was given the least probability. Look at them first: they are \
         often mislabelled or damaged.</p>\n<div class=\"mistakes\">\n{figures}</div></section>\n"
    )
}

fn figure(mistake: &Mistake, classes: &[String]) -> String {
    let name = |class: usize| {
        let name = classes.get(class).cloned();
        name.unwrap_or_else(|| format!("class {class}"))
    };
    let truth = name(mistake.truth);
    let said = mistake.said.iter().take(SAID);
    let first = said
        .clone()
        .next()
        .map_or("nothing".into(), |(class, _)| name(*class));
    let picture = data_uri(mistake).map_or_else(
        || "<div class=\"missing\">no picture kept</div>".into(),
        |uri| {
            let alt = escape(&format!(
                "{}: is {truth}, was taken for {first}",
                mistake.name
            ));
            let [width, height, _] = mistake.size;
            format!("<img src=\"{uri}\" alt=\"{alt}\" width=\"{width}\" height=\"{height}\"/>")
        },
    );
    let said: String = said
        .map(|(class, probability)| line(&name(*class), *probability))
        .collect();
    let (title, short) = (escape(&mistake.name), escape(&shorten(&mistake.name, 28)));
    let truth = line(&truth, mistake.truth_probability);
    format!(
        "<figure>{picture}<figcaption><dl><dt>is</dt>{truth}<dt>said</dt>{said}</dl>\
         <small title=\"{title}\">{short}</small></figcaption></figure>\n"
    )
}

/// A class and its probability.
fn line(class: &str, probability: f64) -> String {
    let class = escape(&shorten(class, 24));
    format!("<dd><b>{class}</b> {}</dd>", percent(probability))
}

/// The picture as a PNG within the page; `None` when its pixels do not match its size.
fn data_uri(mistake: &Mistake) -> Option<String> {
    let [width, height, channels] = mistake.size;
    let color = match channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        _ => return None,
    };
    let expected = width.checked_mul(height)?.checked_mul(channels)?;
    if expected == 0 || expected != mistake.pixels.len() {
        return None;
    }
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(&mistake.pixels, width, height, color)
        .ok()?;
    Some(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake(size: [usize; 3], pixels: Vec<u8>) -> Mistake {
        Mistake {
            name: "7.png".into(),
            truth: 0,
            said: vec![(1, 0.9), (5, 0.05)],
            truth_probability: 0.001,
            size,
            pixels,
        }
    }

    #[test]
    fn pictures_read_back_as_they_were() {
        for (size, pixels) in [
            ([2, 1, 3], vec![1, 2, 3, 250, 251, 252]),
            ([1, 3, 1], vec![0, 128, 255]),
        ] {
            let uri = data_uri(&mistake(size, pixels.clone())).unwrap();
            let png = STANDARD.decode(uri.split_once(',').unwrap().1).unwrap();
            let image = image::load_from_memory(&png).unwrap();
            assert_eq!(
                (image.width() as usize, image.height() as usize),
                (size[0], size[1])
            );
            assert_eq!(image.into_bytes(), pixels);
        }
    }

    #[test]
    fn pixels_that_do_not_match_their_size_are_a_blank() {
        for odd in [
            mistake([2, 2, 3], vec![0; 11]),
            mistake([0, 2, 3], vec![]),
            mistake([1, 1, 2], vec![0; 2]),
            mistake([usize::MAX, 2, 3], vec![]),
        ] {
            assert_eq!(data_uri(&odd), None);
            let html = figure(&odd, &["cat".into(), "dog".into()]);
            assert!(html.contains("no picture kept") && html.contains("<b>class 5</b>"));
        }
    }
}
