//! `firebrick optim`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use firebrick::core::spec::Spec;
use firebrick::optim::optimizer::{self, Entry};
use firebrick::optim::race::{Race, RaceConfig, Trajectory};
use firebrick::optim::surface::{self, Facts};
use firebrick::report::{PATH_COLOURS, contour_gif, contour_svg};
use serde_json::{Value, json};

use super::groups::{self, GroupFlags};
use super::listing::{self, Listing, text};
use crate::failure::Failure;
use crate::number::{real, whole};
use crate::terminal;

/// List the optimizers, describe one, or compare several on a test surface
#[derive(Args)]
pub(crate) struct Optim {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List the optimizers with their hyper-parameters
    List {
        /// Print one JSON document: an array of what `describe --json` prints
        #[arg(long)]
        json: bool,
    },
    /// Describe one: its hyper-parameters with defaults and ranges, its paper, memory and cost
    Describe {
        /// A name, or a spec such as 'sgd(momentum=0.9)' to see how much memory it needs
        #[arg(value_name = "NAME|SPEC")]
        optimizer: Spec,
        #[command(flatten)]
        groups: Box<GroupFlags>,
        /// Print one JSON document: {name, aliases, summary, paper, cost, signature, spec, fields, memory},
        /// with --model also groups: [{path, shape, optimizer, lr_factor, weight_decay_factor}]
        #[arg(long)]
        json: bool,
    },
    Race(RaceFlags),
    /// List the test surfaces of `optim race`, or describe one
    #[command(subcommand)]
    Surfaces(Listing),
}

/// Compare optimizers on a test surface: all start at one point, and their paths can be drawn
#[derive(Args)]
#[command(after_help = surfaces())]
struct RaceFlags {
    /// The test surface, such as 'quadratic(condition=50)'
    #[arg(long, value_name = "NAME|SPEC", default_value = "beale")]
    surface: Spec,
    /// Point to start from; each surface has a default, listed below
    #[arg(long, value_name = "X,Y", value_parser = point, allow_hyphen_values = true)]
    start: Option<[f64; 2]>,
    /// Number of updates
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole::<usize>)]
    steps: usize,
    /// An optimizer with its learning rate, such as 'adam(lr=0.1)'; may be repeated. By default sgd,
    /// momentum, nesterov, adagrad, adadelta, rmsprop and adam, at rates that suit the surface
    #[arg(long = "optimizer", alias = "optim", value_name = "SPEC")]
    optimizers: Vec<Spec>,
    /// Standard deviation of the noise added to every entry of the gradient, to imitate mini-batches
    #[arg(
        long,
        value_name = "SIGMA",
        default_value_t = 0.0,
        allow_hyphen_values = true, value_parser = real)]
    noise: f64,
    /// Seed of the noise
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<u64>)]
    seed: u64,
    /// Device to compute on; `firebrick devices` lists them
    #[arg(long, value_name = "NAME", default_value = "flex")]
    device: String,
    /// Print one JSON document: {surface, start, dtype, trajectories: [{optimizer, points, step_length,
    /// effective_rate}]}
    #[arg(long)]
    json: bool,
    /// Write a contour map with the paths to this SVG file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write an animated contour map with the growing paths to this GIF file
    #[arg(long, value_name = "FILE")]
    gif: Option<PathBuf>,
}

fn point(text: &str) -> Result<[f64; 2], String> {
    let numbers: Result<Vec<f64>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    numbers
        .ok()
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| format!("`{text}` is not a point such as -1.5,2"))
}

/// The surfaces with formulas and minima, for the help.
fn surfaces() -> String {
    let mut text = String::from("Surfaces:\n");
    for name in surface::REGISTRY.names() {
        let Ok(surface) = surface::build(&Spec::new(name)) else {
            continue;
        };
        let Facts {
            formula,
            minima,
            start,
            ..
        } = surface.facts();
        let minima = match minima.as_slice() {
            [] => "no minimum".into(),
            [[x, y]] => format!("minimum at ({x}, {y})"),
            several => format!("{} minima", several.len()),
        };
        text += &format!(
            "  {:<12} {formula}; {minima}, start {},{}\n",
            name, start[0], start[1]
        );
    }
    text
}

impl Optim {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.action {
            Action::List { json } => list(*json),
            Action::Describe {
                optimizer,
                groups,
                json,
            } => describe(optimizer, groups, *json),
            Action::Race(race) => race.run(),
            Action::Surfaces(action) => action.of(&surface::REGISTRY),
        }
    }
}

/// The shapes whose state `describe` counts: a convolution's kernel, and its bias.
const SHAPES: [&[usize]; 2] = [&[64, 64, 3, 3], &[64]];

/// Everything the registry says of an optimizer, with the memory that a spec of it takes.
fn sheet(entry: &Entry, spec: &Spec) -> Result<Value, Failure> {
    let (about, canonical) = (entry.about, optimizer::build_entry(*entry, spec)?.spec);
    let mut fields = listing::fields(entry);
    for (field, about) in fields.iter_mut().zip(about.fields) {
        field["lecture"] = json!(about.lecture);
    }
    let mut memory = Vec::new();
    for shape in SHAPES {
        let elements = (entry.build.memory)(spec, shape)?;
        let multiple = elements as f64 / shape.iter().product::<usize>() as f64;
        memory.push(json!({ "shape": shape, "elements": elements, "multiple": multiple }));
    }
    Ok(json!({
        "name": about.name,
        "aliases": about.aliases,
        "summary": about.summary,
        "paper": about.source,
        "cost": about.cost,
        "signature": entry.signature(),
        "spec": canonical.to_string(),
        "fields": fields,
        "memory": memory,
    }))
}

/// State as a multiple of the parameters: `2`, `0.06`.
fn multiple(memory: &Value) -> String {
    let text = format!("{:.2}", memory["multiple"].as_f64().unwrap_or(f64::NAN));
    text.trim_end_matches('0').trim_end_matches('.').into()
}

fn list(json: bool) -> Result<(), Failure> {
    let entries = optimizer::REGISTRY.entries();
    let sheets: Result<Vec<_>, _> = entries
        .iter()
        .map(|entry| sheet(entry, &Spec::new(entry.about.name)))
        .collect();
    let sheets = sheets?;
    if json {
        return terminal::json(&sheets);
    }
    let head = [
        "name",
        "aliases",
        "memory",
        "cost of an update",
        "what it is",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    for (entry, sheet) in entries.iter().zip(&sheets) {
        rows.push(vec![
            entry.about.name.into(),
            entry.about.aliases.join(", "),
            multiple(&sheet["memory"][0]),
            entry.about.cost.into(),
            entry.about.summary.into(),
        ]);
    }
    terminal::table(&rows);
    terminal::say(
        "\nmemory: size of the optimizer state for a 64×64×3×3 kernel with default settings, relative to the kernel\n",
    );
    terminal::say("Hyper-parameters with defaults:");
    let signature = |entry: &Entry| terminal::say(&format!("  {}", entry.signature()));
    entries.iter().for_each(signature);
    Ok(())
}

fn describe(spec: &Spec, groups: &GroupFlags, json: bool) -> Result<(), Failure> {
    let entry = optimizer::REGISTRY.find(spec)?;
    let mut sheet = sheet(&entry, spec)?;
    let model = groups.model.as_ref();
    let parameters = model.map(|model| groups::table(model, spec, groups));
    let parameters = parameters.transpose()?;
    if json {
        if let Some(parameters) = parameters {
            sheet["groups"] = json!(parameters);
        }
        return terminal::json(&sheet);
    }
    let about = entry.about;
    terminal::say(&format!("{}: {}", about.name, about.summary));
    if !about.aliases.is_empty() {
        terminal::say(&format!("also called {}", about.aliases.join(", ")));
    }
    terminal::say(&format!("paper: {}", about.source));
    terminal::say(&format!("cost of an update: {}", about.cost));
    terminal::say(&format!(
        "memory for its state: {} times that of the parameters for a 64×64×3×3 kernel, {} times for a vector of 64",
        multiple(&sheet["memory"][0]),
        multiple(&sheet["memory"][1]),
    ));
    terminal::say(&format!("spec: {}\n", text(&sheet["spec"])));
    let fields = sheet["fields"].as_array().map_or(&[][..], Vec::as_slice);
    let of_lecture = fields.iter().any(|field| !field["lecture"].is_null());
    if of_lecture {
        listing::field_table("hyper-parameter", &["default", "lecture", "range"], fields);
        terminal::say(
            "\nlecture: the value that the lecture \"Training Neural Networks II\" gives",
        );
    } else {
        listing::field_table("hyper-parameter", &["default", "range"], fields);
    }
    if let Some(parameters) = parameters {
        terminal::say("");
        groups::say(&parameters);
    }
    Ok(())
}

/// How near to a minimum counts as there.
const NEAR: f64 = 1e-3;

impl RaceFlags {
    fn run(&self) -> Result<(), Failure> {
        let device = firebrick::core::device(&self.device)?;
        let config = RaceConfig {
            surface: self.surface.clone(),
            start: self.start,
            steps: self.steps,
            optimizers: self.optimizers.clone(),
            noise: self.noise,
            seed: self.seed,
        };
        let race = config.run(&device)?;
        if self.svg.is_some() || self.gif.is_some() {
            let map = race.map(121, 91, &device)?;
            if let Some(path) = &self.svg {
                super::write_file(path, contour_svg(&map))?;
            }
            if let Some(path) = &self.gif {
                let gif = contour_gif(&map)
                    .map_err(|error| Failure::Work(format!("{}: {error}", path.display())))?;
                super::write_file(path, gif)?;
            }
        }
        if self.json {
            return terminal::json(&race);
        }
        self.table(&race)
    }

    fn table(&self, race: &Race) -> Result<(), Failure> {
        let facts = surface::build(&self.surface)?.facts();
        let [x, y] = race.start;
        terminal::say(&format!(
            "{}: {}, from ({x}, {y}), {} updates, {}\n",
            race.surface, facts.formula, self.steps, race.dtype
        ));
        let mut head = vec![
            "optimizer",
            "last f",
            "last point",
            "distance",
            "within 1e-3",
        ];
        if self.gif.is_some() {
            head.push("colour");
        }
        let mut rows = vec![head.into_iter().map(String::from).collect::<Vec<_>>()];
        for (way, (colour, _)) in race.trajectories.iter().zip(PATH_COLOURS.iter().cycle()) {
            let mut row = row(way, &facts);
            if self.gif.is_some() {
                row.push((*colour).into());
            }
            rows.push(row);
        }
        terminal::table(&rows);
        if facts.minima.is_empty() {
            terminal::say(
                "\nThis surface has no minimum: the lower the last value, the farther the optimizer has come.",
            );
        } else {
            terminal::say(
                "\ndistance: to the nearest minimum; within 1e-3: the first update after which the distance is at most 1e-3",
            );
        }
        for path in [&self.svg, &self.gif].into_iter().flatten() {
            terminal::say(&path.display().to_string());
        }
        Ok(())
    }
}

fn row(way: &Trajectory, facts: &Facts) -> Vec<String> {
    let [x, y, height] = way.last();
    let distance = |[x, y, _]: [f64; 3]| facts.distance([x, y]);
    let near = |point: &[f64; 3]| distance(*point).is_some_and(|distance| distance <= NEAR);
    let end = match way.diverged_at {
        Some(at) => format!("diverged at update {at}"),
        None => format!("{height:.3e}"),
    };
    vec![
        way.optimizer.to_string(),
        end,
        format!("({}, {})", coordinate(x), coordinate(y)),
        distance([x, y, height]).map_or("–".into(), |distance| format!("{distance:.2e}")),
        way.points
            .iter()
            .position(near)
            .map_or("–".into(), |update| update.to_string()),
    ]
}

/// Four decimals, without a sign at zero; large ones short.
fn coordinate(value: f64) -> String {
    if value.abs() >= 1e4 {
        return format!("{value:.3e}");
    }
    // Adding zero turns -0 into 0.
    format!("{:.4}", (value * 1e4).round() / 1e4 + 0.0)
}
