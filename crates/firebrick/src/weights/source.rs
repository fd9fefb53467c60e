//! What a text for weights names.

use std::path::{Path, PathBuf};

use firebrick_core::ConfigError;
use firebrick_core::checksum;
use firebrick_core::spec::Spec;
use firebrick_zoo::{Weights, find_published, published, published_for};

/// How a text begins that names a model of the hub; timm writes both.
const HUB: [&str; 2] = ["hf-hub:", "hf_hub:"];

/// Whose files have the first digits of their SHA-256 in their names.
const NAMED_BY_HASH: &str = "https://download.pytorch.org/models/";

/// Weights, as a text names them.
#[derive(Debug, PartialEq)]
pub(super) enum Source {
    File(PathBuf),
    Remote(Remote),
}

/// A file that lies elsewhere.
#[derive(Debug, PartialEq)]
pub(super) struct Remote {
    pub(super) url: String,
    /// The path below the directory of weights.
    pub(super) file: PathBuf,
    /// A shorter path, for files that people put there.
    pub(super) by_hand: Option<PathBuf>,
    pub(super) sha256: Option<String>,
    /// What names the same weights again.
    pub(super) name: String,
    pub(super) published: Option<&'static Weights>,
    /// What it may mean that the server has no such file.
    pub(super) missing: Option<String>,
}

impl Source {
    pub(super) fn of(text: &str, model: &Spec, hub: &str) -> Result<Self, ConfigError> {
        if let Some(id) = HUB.iter().find_map(|prefix| text.strip_prefix(prefix)) {
            return of_hub(id, hub).map(Self::Remote);
        }
        if text.starts_with("https://") || text.starts_with("http://") {
            return of_url(text).map(Self::Remote);
        }
        let Some(weights) = find_published(&model.name, text)? else {
            let path = PathBuf::from(text);
            return match path.exists() || looks_like_a_path(text) {
                true => Ok(Self::File(path)),
                false => Err(no_such(text, model)),
            };
        };
        of_published(weights, hub).map(Self::Remote)
    }
}

fn looks_like_a_path(text: &str) -> bool {
    const ENDS: [&str; 7] = [
        ".safetensors",
        ".pth",
        ".pt",
        ".th",
        ".bin",
        ".tar",
        ".ckpt",
    ];
    let lower = text.to_lowercase();
    text.contains(['/', '\\']) || ENDS.iter().any(|end| lower.ends_with(end))
}

fn no_such(text: &str, model: &Spec) -> ConfigError {
    let tags: Vec<&str> = published_for(&model.name)
        .map(|weights| weights.tag.as_str())
        .collect();
    let there = if tags.is_empty() {
        format!("there are none for {}", model.name)
    } else {
        format!(
            "for {} there are pretrained, {}",
            model.name,
            tags.join(", ")
        )
    };
    ConfigError::Conflict(format!(
        "`{text}` is no file, and there are no published weights of that name: {there}"
    ))
}

fn of_published(weights: &'static Weights, hub: &str) -> Result<Remote, ConfigError> {
    let (Some(url), Some(file)) = (&weights.url, &weights.file) else {
        return Err(ConfigError::Conflict(format!(
            "the weights {} were published in no file that can be loaded ({}): convert them, and give the file with --weights FILE",
            weights.name(),
            weights.source
        )));
    };
    // A mirror of the hub has its files too.
    let url = match (&weights.hub, &weights.sha256) {
        (Some(id), None) => hub_url(hub, id, "main"),
        _ => url.clone(),
    };
    Ok(Remote {
        url,
        file: file.into(),
        by_hand: None,
        sha256: weights.sha256.clone(),
        name: weights.name(),
        published: Some(weights),
        missing: Some(
            "the published file is no longer there; `firebrick models weights` lists others".into(),
        ),
    })
}

fn hub_url(hub: &str, id: &str, revision: &str) -> String {
    let hub = hub.trim_end_matches('/');
    format!("{hub}/{id}/resolve/{revision}/model.safetensors")
}

/// `OWNER/NAME`, or `OWNER/NAME@REVISION`.
fn of_hub(text: &str, hub: &str) -> Result<Remote, ConfigError> {
    let (id, revision) = text.split_once('@').unwrap_or((text, "main"));
    let sound = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && part.chars().all(plain) && !part.starts_with('.')
    };
    let parts: Vec<&str> = id.split('/').collect();
    if parts.len() != 2 || !parts.iter().all(|part| sound(part)) || !sound(revision) {
        return Err(ConfigError::Conflict(format!(
            "`hf-hub:{text}` names no model of the hub: write hf-hub:OWNER/NAME, such as hf-hub:timm/resnet18d.ra2_in1k, and @REVISION behind it if you want one"
        )));
    }
    let mut file = PathBuf::from(id);
    if revision != "main" {
        file.push(revision);
    }
    file.push("model.safetensors");
    Ok(Remote {
        url: hub_url(hub, id, revision),
        file,
        by_hand: None,
        sha256: None,
        name: format!("hf-hub:{text}"),
        published: published()
            .iter()
            .find(|weights| weights.hub.as_deref() == Some(id)),
        missing: Some(format!(
            "there is no model `{id}` with a file model.safetensors on the hub, or it is not public; look at {}/{id}",
            hub.trim_end_matches('/')
        )),
    })
}

fn of_url(url: &str) -> Result<Remote, ConfigError> {
    if let Some(weights) = published()
        .iter()
        .find(|weights| weights.url.as_deref() == Some(url))
    {
        return of_published(weights, "https://huggingface.co");
    }
    let (_, rest) = url.split_once("://").unwrap_or_default();
    let (place, query) = rest.split_once(['?', '#']).unwrap_or((rest, ""));
    let plain = |part: &str| -> String {
        let kept = |c: char| match c {
            c if c.is_ascii_alphanumeric() || "-_.".contains(c) => c,
            _ => '_',
        };
        part.chars().map(kept).collect()
    };
    let mut parts: Vec<String> = place
        .split('/')
        .filter(|part| !part.is_empty() && !part.starts_with('.'))
        .map(plain)
        .collect();
    if parts.len() < 2 {
        return Err(ConfigError::Conflict(format!(
            "the address {url} names no file: give that of a weights file"
        )));
    }
    let last = parts.last().cloned().unwrap_or_default();
    if !query.is_empty() {
        // Different questions have different answers.
        let at = parts.len() - 1;
        parts.insert(at, checksum::of(query.as_bytes())[..8].to_string());
    }
    let digits = url
        .starts_with(NAMED_BY_HASH)
        .then(|| digits_in(&last))
        .flatten();
    Ok(Remote {
        url: url.into(),
        file: parts.iter().collect(),
        by_hand: Some(last.into()),
        sha256: digits,
        name: url.into(),
        published: None,
        missing: Some("there is no such file, or it is not public; check the address".into()),
    })
}

/// The digits before the end of `resnet18-f37072fd.pth`.
fn digits_in(file: &str) -> Option<String> {
    let (stem, _) = file.rsplit_once('.')?;
    let (_, digits) = stem.rsplit_once('-')?;
    let hexadecimal = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    (hexadecimal && (8..=64).contains(&digits.len())).then(|| digits.to_lowercase())
}

/// What was published as this file: by its name or, where that says nothing and the published weights of the model read images in
/// several ways, by its content.
pub(super) fn published_as(path: &Path, model: &Spec) -> Option<&'static Weights> {
    let name = path.file_name()?.to_str()?;
    let is_named = |weights: &&Weights| {
        let file = weights.file.as_deref().unwrap_or_default();
        name == file && !file.contains('/')
    };
    if let Some(weights) = published_for(&model.name).find(is_named) {
        return Some(weights);
    }
    let mut ways = published_for(&model.name).map(|weights| &weights.preprocessing);
    let first = ways.next()?;
    if ways.all(|way| way == first) {
        return None;
    }
    let found = checksum::of_file(path).ok()?;
    published_for(&model.name).find(|weights| {
        let digits = weights.sha256.as_deref();
        digits.is_some_and(|digits| found.starts_with(digits))
    })
}
