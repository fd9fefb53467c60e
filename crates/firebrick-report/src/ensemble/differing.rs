//! The images that the ensemble and its best member classify differently.

use firebrick_types::run::ensemble::{DifferingImage, EnsembleRecord};

use super::gain::best;
use crate::mistakes::{captioned, class_name, line};
use crate::text::{count, escape, plural};

/// How many there are, who is right about them, and some of them; empty where nothing of it is known.
pub(crate) fn section(record: &EnsembleRecord) -> String {
    let Some((place, member)) = best(record) else {
        return String::new();
    };
    if record.report.members.len() < 2 || record.images == 0 {
        return String::new();
    }
    let [ensemble, alone] = record.costs.get(place).map_or([0, 0], |cost| cost.alone);
    let both_wrong = record
        .differing
        .saturating_sub(ensemble.saturating_add(alone));
    let name = escape(&member.name);
    let mut body = format!(
        "<p>The ensemble and its best member, <b>{name}</b>, differ on {} of {}: on {} only the ensemble is right, on {} only the member, \
         and on {} both are wrong.</p>\n",
        count(record.differing),
        plural(record.images, "image"),
        count(ensemble),
        count(alone),
        count(both_wrong)
    );
    if !record.differing_images.is_empty() {
        let figures: String = record
            .differing_images
            .iter()
            .map(|image| figure(image, &record.classes))
            .collect();
        body += &format!(
            "<p class=\"note\">Those of which both are surest, as the member saw them.</p>\n<div class=\"mistakes\">\n{figures}</div>\n"
        );
    }
    format!(
        "<section id=\"differing\"><h2>Where the ensemble and its best member differ</h2>\n{body}</section>\n"
    )
}

fn figure(image: &DifferingImage, classes: &[String]) -> String {
    let name = |class: usize| class_name(classes, class);
    let truth = name(image.truth);
    let [(ensemble, sure), (member, member_sure)] = [image.ensemble, image.member];
    let (ensemble, member) = (name(ensemble), name(member));
    let answers = format!(
        "<dt>true</dt>{}<dt>ensemble</dt>{}<dt>member</dt>{}",
        line(&truth, None),
        line(&ensemble, Some(sure)),
        line(&member, Some(member_sure))
    );
    captioned(
        &image.name,
        image.picture.size,
        &image.picture.pixels,
        &format!("is {truth}; the ensemble says {ensemble}, the member {member}"),
        &answers,
    )
}
