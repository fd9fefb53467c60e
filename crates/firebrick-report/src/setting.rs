//! The setting of a run: data, time, device and version.

use firebrick_types::run::{RunData, RunRecord, Setting};

use crate::recipes::dataset;
use crate::text::{count, escape, plural};

/// What was run when and where, as a list; what a record does not know is left out.
pub(crate) fn section(run: &RunRecord) -> String {
    let data = dataset(run);
    let rows = [
        (
            "Data set",
            (!data.is_empty()).then(|| format!("<code>{}</code>", escape(&data))),
        ),
        ("Images", images(run)),
        ("Input", input(run)),
        ("Classes", classes(run)),
        ("When", when(run)),
        ("Device", Some(device(run))),
        ("Version", version(run)),
    ];
    let rows: String = rows
        .into_iter()
        .filter_map(|(name, value)| Some(format!("<dt>{name}</dt><dd>{}</dd>\n", value?)))
        .collect();
    format!("<dl class=\"setting\">\n{rows}</dl>\n")
}

/// Images of each split.
pub(crate) fn images(run: &RunRecord) -> Option<String> {
    let RunData {
        train, valid, test, ..
    } = run.data;
    if train == 0 {
        return None;
    }
    let split = |images: Option<usize>, what: &str| {
        images.map_or(String::new(), |images| {
            format!(", {} {what}", count(images as u64))
        })
    };
    let rest = split(valid, "validation") + &split(test, "test");
    Some(format!("{} training{rest}", count(train as u64)))
}

/// What the network reads.
pub(crate) fn input(run: &RunRecord) -> Option<String> {
    let [channels, height, width] = run.data.input;
    let colour = match channels {
        0 => return None,
        1 => "grey".into(),
        3 => "RGB".into(),
        other => format!("{other} channels"),
    };
    let times = "\u{202f}×\u{202f}";
    Some(format!("{width}{times}{height} pixels, {colour}"))
}

/// The classes by name, as far as there is room.
fn classes(run: &RunRecord) -> Option<String> {
    const SHOWN: usize = 12;
    if run.classes.is_empty() {
        return None;
    }
    let name = |class: &String| escape(&crate::text::shorten(class, 24));
    let shown: Vec<String> = run.classes.iter().take(SHOWN).map(name).collect();
    let more = match run.classes.len().saturating_sub(SHOWN) {
        0 => "",
        _ => ", …",
    };
    let classes = run.classes.len();
    Some(format!(
        "{}: {}{more}",
        count(classes as u64),
        shown.join(", ")
    ))
}

/// From when to when, in UTC.
pub(crate) fn when(run: &RunRecord) -> Option<String> {
    let Setting {
        started,
        ended,
        sessions,
        ..
    } = &run.setting;
    // RFC 3339 as people read it: without the letters between and behind its parts.
    let plain = |time: &String| escape(&time.replace('T', " ").replace('Z', ""));
    let time = match (started, ended) {
        (Some(start), Some(end)) => {
            let (start, end) = (plain(start), plain(end));
            let day = |time: &str| time.split(' ').next().map(String::from);
            if day(&start) == day(&end) {
                let clock = end.split(' ').nth(1).unwrap_or(&end);
                format!("{start} to {clock} UTC")
            } else {
                format!("{start} to {end} UTC")
            }
        }
        (Some(start), None) => format!("from {} UTC", plain(start)),
        (None, Some(end)) => format!("until {} UTC", plain(end)),
        (None, None) => return None,
    };
    Some(match sessions {
        0 | 1 => time,
        several => format!("{time}, in {}", plural(*several, "session")),
    })
}

/// The device, and what it is.
pub(crate) fn device(run: &RunRecord) -> String {
    let Setting {
        processor,
        threads,
        instruction_set,
        adapter,
        ..
    } = &run.setting;
    let mut parts = Vec::new();
    parts.extend(adapter.as_deref().map(escape));
    parts.extend(processor.as_deref().map(escape));
    if *threads > 0 {
        parts.push(plural(*threads, "thread"));
    }
    if !instruction_set.is_empty() && adapter.is_none() {
        parts.push(escape(instruction_set));
    }
    let device = format!("<code>{}</code>", escape(&run.device));
    if parts.is_empty() {
        return device;
    }
    format!("{device}: {}", parts.join(", "))
}

/// What made it.
pub(crate) fn version(run: &RunRecord) -> Option<String> {
    let version = &run.setting.version;
    (!version.is_empty()).then(|| format!("Firebrick {}", escape(version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_name_a_day_once_and_sessions_if_there_are_several() {
        let at = |started: Option<&str>, ended: Option<&str>, sessions| {
            let mut run: RunRecord = crate::empty_record();
            run.setting = Setting {
                started: started.map(String::from),
                ended: ended.map(String::from),
                sessions,
                ..Setting::default()
            };
            when(&run)
        };
        let (start, noon) = (Some("2026-11-28T09:30:00Z"), Some("2026-11-28T12:00:01Z"));
        assert_eq!(
            at(start, noon, 1).unwrap(),
            "2026-11-28 09:30:00 to 12:00:01 UTC"
        );
        assert_eq!(
            at(start, Some("2026-11-29T00:00:10Z"), 3).unwrap(),
            "2026-11-28 09:30:00 to 2026-11-29 00:00:10 UTC, in 3 sessions"
        );
        assert_eq!(
            at(None, noon, 2).unwrap(),
            "until 2026-11-28 12:00:01 UTC, in 2 sessions"
        );
        assert_eq!(at(None, None, 1), None);
        assert!(!at(Some("<b>"), None, 1).unwrap().contains("<b>"));
    }

    #[test]
    fn a_record_of_an_earlier_version_says_what_it_knows() {
        let mut run = crate::empty_record();
        run.recipe = "dataset = \"mnist\"".into();
        let html = section(&run);
        assert!(
            html.contains("<code>mnist</code>") && html.contains("<code>flex</code>"),
            "{html}"
        );
        for missing in ["When", "Version", "Images", "Input"] {
            assert!(!html.contains(missing), "{missing}: {html}");
        }
        run.data = RunData {
            name: "mnist".into(),
            input: [1, 28, 32],
            train: 54_000,
            valid: Some(6000),
            test: None,
        };
        run.setting.processor = Some("Some CPU".into());
        run.setting.threads = 2;
        run.setting.instruction_set = "AVX2".into();
        run.setting.version = "1.2.3".into();
        let html = section(&run);
        for said in [
            "54\u{202f}000 training, 6\u{202f}000 validation<",
            "32\u{202f}×\u{202f}28 pixels, grey",
            "<code>flex</code>: Some CPU, 2 threads, AVX2",
            "Firebrick 1.2.3",
        ] {
            assert!(html.contains(said), "{said}: {html}");
        }
    }
}
