//! The examples with which the help of each command opens.

use clap::Command;

/// Help with the examples between what a command does and how it is called.
const TEMPLATE: &str =
    "{about-with-newline}\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// One example: what it does, and the command line. The name of the program is written `firebrick`.
type Example = (&'static str, &'static str);

/// The examples of each command, under its full name without the program.
const EXAMPLES: &[(&str, &[Example])] = &[
    (
        "",
        &[
            (
                "Train a small network on built-in images",
                "firebrick train",
            ),
            (
                "Predict the class of an image with it",
                "firebrick predict runs/glyphs-small_cnn-1 photo.png",
            ),
        ],
    ),
    (
        "train",
        &[
            (
                "Train a small network on built-in images",
                "firebrick train",
            ),
            (
                "Train by a recipe, with two settings changed",
                "firebrick train --recipe cifar10-resnet20 --epochs 10 --lr 0.05",
            ),
            (
                "Train on your own images: photos/CLASS/IMAGE or photos/SPLIT/CLASS/IMAGE",
                "firebrick train --dataset folder:photos --model resnet18 --augment hflip",
            ),
            (
                "Fine-tune published weights: the last layer first, then everything",
                "firebrick train --dataset folder:photos --model resnet18 --weights pretrained --fine-tune lp_ft",
            ),
            (
                "Continue a run that was interrupted",
                "firebrick train --resume runs/photos-resnet18-1",
            ),
        ],
    ),
    (
        "eval",
        &[
            (
                "Score a trained model on its test images",
                "firebrick eval runs/glyphs-small_cnn-1",
            ),
            (
                "Score it on all images of another folder",
                "firebrick eval runs/photos-resnet18-1 --dataset folder:new-photos",
            ),
            (
                "Score published weights",
                "firebrick eval --model resnet20 --weights resnet20.pth --normalize imagenet --dataset cifar10",
            ),
        ],
    ),
    (
        "lr-find",
        &[
            (
                "Find a rate for the default optimizer, and draw the curve",
                "firebrick lr-find --svg curve.svg",
            ),
            (
                "Find one for SGD with momentum on CIFAR-10",
                "firebrick lr-find --recipe cifar10-resnet20 --optimizer 'sgd(momentum=0.9)'",
            ),
        ],
    ),
    (
        "search",
        &[(
            "Try 3 rounds of 8 trials over the learning rate and Adam's beta1",
            "firebrick search glyphs --space 'lr=log(1e-4, 1), optimizer.beta1=uniform(0.5, 0.99)'",
        )],
    ),
    (
        "transfer",
        &[
            (
                "Make a classifier of your own photos in a minute",
                "firebrick transfer train photos --budget 60s",
            ),
            (
                "Look for the best model between a linear-probed one and a fine-tuned one",
                "firebrick transfer wise-ft runs/probed runs/tuned --out wise-ft.safetensors",
            ),
            (
                "List the strategies of --fine-tune",
                "firebrick transfer list",
            ),
        ],
    ),
    (
        "transfer train",
        &[
            (
                "Make a classifier of your own photos: photos/CLASS/IMAGE or photos/SPLIT/CLASS/IMAGE",
                "firebrick transfer train photos --budget 60s",
            ),
            (
                "With another network, from a file of weights",
                "firebrick transfer train photos --model squeezenet1_1 --weights squeezenet1_1.pth",
            ),
            (
                "Fine-tune the last two stages, for ten minutes",
                "firebrick transfer train photos --strategy last=2 --budget 10min",
            ),
        ],
    ),
    (
        "transfer advise",
        &[(
            "Ask which way of transfer learning fits your photos",
            "firebrick transfer advise photos",
        )],
    ),
    (
        "features",
        &[
            (
                "Write what the last layer of a run's model reads, for NumPy",
                "firebrick features photos --run runs/photos-resnet18-1 --out photos.npy",
            ),
            (
                "Write the features of a stage of a published network",
                "firebrick features photos --model resnet50 --weights pretrained --stage layer3 --out f.npy",
            ),
        ],
    ),
    (
        "predict",
        &[
            (
                "Print the three most likely classes of each image",
                "firebrick predict runs/photos-resnet18-1 photo.jpg more-photos/",
            ),
            (
                "Show the training images that are most similar to it",
                "firebrick predict runs/photos-resnet18-1 photo.jpg --nearest 3",
            ),
            (
                "Predict with published weights",
                "firebrick predict --model resnet20 --weights resnet20.pth --normalize imagenet photo.jpg",
            ),
            (
                "Write pictures that show what the model looked at",
                "firebrick predict runs/photos-resnet18-1 photo.jpg --explain grad_cam --out explained",
            ),
            (
                "Say how sure a model with dropout is, from 50 passes",
                "firebrick predict runs/glyphs-lenet5-1 photo.png --mc-dropout 50",
            ),
        ],
    ),
    (
        "export",
        &[
            (
                "Write the model of a run for ONNX Runtime",
                "firebrick export runs/photos-resnet18-1 --format onnx --out photos.onnx",
            ),
            (
                "Write its weights as PyTorch loads them",
                "firebrick export runs/photos-resnet18-1 --format safetensors --out photos.safetensors",
            ),
        ],
    ),
    (
        "datasets",
        &[("Download MNIST", "firebrick datasets fetch mnist")],
    ),
    ("datasets list", &[("", "firebrick datasets list")]),
    (
        "datasets describe",
        &[
            ("", "firebrick datasets describe cifar10"),
            (
                "Count the images of each class in a folder",
                "firebrick datasets describe folder:photos",
            ),
        ],
    ),
    (
        "datasets stats",
        &[(
            "Measure CIFAR-10, to normalize by its mean and standard deviation",
            "firebrick datasets stats cifar10",
        )],
    ),
    (
        "datasets pack",
        &[
            (
                "Make the photos smaller and put them into photos.fbpack, which trains faster",
                "firebrick datasets pack photos --max-side 320",
            ),
            ("", "firebrick train --dataset folder:photos.fbpack"),
        ],
    ),
    (
        "datasets fetch",
        &[("", "firebrick datasets fetch mnist --data-dir data")],
    ),
    (
        "datasets verify",
        &[
            ("", "firebrick datasets verify mnist"),
            (
                "List the images that have changed since a run started",
                "firebrick datasets verify folder:photos --run runs/photos-resnet18-1",
            ),
        ],
    ),
    ("models", &[("", "firebrick models describe resnet20")]),
    ("models list", &[("", "firebrick models list")]),
    (
        "models weights",
        &[("", "firebrick models weights resnet50")],
    ),
    (
        "models describe",
        &[(
            "",
            "firebrick models describe 'resnet18(stem=imagenet)' --input 3x224x224 --classes 1000",
        )],
    ),
    (
        "optim",
        &[
            ("", "firebrick optim describe adam"),
            (
                "Compare optimizers on a test surface",
                "firebrick optim race --surface rosenbrock --svg race.svg",
            ),
        ],
    ),
    ("optim list", &[("", "firebrick optim list")]),
    (
        "optim describe",
        &[
            ("", "firebrick optim describe 'sgd(momentum=0.9)'"),
            (
                "Show the learning rate and weight decay of each parameter of a model",
                "firebrick optim describe adamw --model resnet20 --layer-decay 0.75 --no-decay-bias-norm",
            ),
        ],
    ),
    (
        "optim race",
        &[(
            "",
            "firebrick optim race --surface ravine --optimizer 'sgd(lr=0.03)' --optimizer 'adam(lr=0.1)'",
        )],
    ),
    (
        "optim surfaces",
        &[("", "firebrick optim surfaces describe quadratic")],
    ),
    (
        "optim surfaces list",
        &[("", "firebrick optim surfaces list")],
    ),
    (
        "optim surfaces describe",
        &[("", "firebrick optim surfaces describe quadratic")],
    ),
    (
        "schedule",
        &[(
            "Show a linear warm-up followed by cosine decay",
            "firebrick schedule 'warmup(1ep, then=cosine(0.1))' --steps 1000 --steps-per-epoch 100",
        )],
    ),
    ("schedule list", &[("", "firebrick schedule list")]),
    (
        "schedule describe",
        &[("", "firebrick schedule describe one_cycle")],
    ),
    (
        "augment",
        &[
            ("", "firebrick augment describe pad_crop"),
            (
                "Draw one image as 36 epochs would see it",
                "firebrick augment preview photo.jpg --policy 'rotate(15) | hflip' --out grid.png",
            ),
        ],
    ),
    ("augment list", &[("", "firebrick augment list")]),
    (
        "augment describe",
        &[("", "firebrick augment describe pad_crop")],
    ),
    (
        "augment preview",
        &[
            (
                "Draw one image as 36 epochs would see it",
                "firebrick augment preview photo.jpg --policy trivial_augment --out grid.png",
            ),
            (
                "The same for 8 epochs, at the input size of the model",
                "firebrick augment preview photo.jpg --policy hflip --image-size 32 --grid 4x2 --out a.png",
            ),
        ],
    ),
    (
        "augment apply",
        &[(
            "Augment each image of a folder once, and print the random parameters",
            "firebrick augment apply photos/ --policy 'erase | hflip' --seed 1 --out augmented --json",
        )],
    ),
    (
        "ensemble",
        &[(
            "Train five members, then see what they are worth together",
            "firebrick ensemble train glyphs --members 5 --out glyphs-5\nfirebrick ensemble eval glyphs-5",
        )],
    ),
    (
        "ensemble train",
        &[(
            "",
            "firebrick ensemble train glyphs --members 5 --out glyphs-5",
        )],
    ),
    (
        "ensemble status",
        &[("", "firebrick ensemble status glyphs-5")],
    ),
    (
        "ensemble eval",
        &[
            ("", "firebrick ensemble eval glyphs-5"),
            (
                "Give each member a temperature of its own before they combine",
                "firebrick ensemble eval glyphs-5 --calibrate per_member",
            ),
        ],
    ),
    (
        "ensemble soup",
        &[(
            "",
            "firebrick ensemble soup runs/glyphs-lenet5-1 --how greedy --out soup.safetensors",
        )],
    ),
    (
        "ensemble prune",
        &[(
            "",
            "firebrick ensemble prune glyphs-5 --members 3 --out glyphs-3",
        )],
    ),
    (
        "ensemble distill",
        &[(
            "Train one small model that learns from the ensemble",
            "firebrick ensemble distill glyphs-5 --recipe glyphs --model lenet5 --out student",
        )],
    ),
    (
        "ensemble calibrate",
        &[("", "firebrick ensemble calibrate predictions.csv")],
    ),
    ("ensemble list", &[("", "firebrick ensemble list")]),
    (
        "ensemble describe",
        &[("", "firebrick ensemble describe stacking")],
    ),
    (
        "transfer wise-ft",
        &[(
            "",
            "firebrick transfer wise-ft runs/probed runs/tuned --out wise-ft.safetensors",
        )],
    ),
    ("transfer list", &[("", "firebrick transfer list")]),
    (
        "transfer describe",
        &[("", "firebrick transfer describe gradual")],
    ),
    ("average", &[("", "firebrick average describe swa")]),
    ("average list", &[("", "firebrick average list")]),
    (
        "average describe",
        &[("", "firebrick average describe ema")],
    ),
    ("mix", &[("", "firebrick mix describe cutmix")]),
    ("mix list", &[("", "firebrick mix list")]),
    ("mix describe", &[("", "firebrick mix describe cutmix")]),
    ("tta", &[("", "firebrick tta describe ten_crop")]),
    ("tta list", &[("", "firebrick tta list")]),
    ("tta describe", &[("", "firebrick tta describe ten_crop")]),
    ("penalty", &[("", "firebrick penalty describe max_norm")]),
    ("penalty list", &[("", "firebrick penalty list")]),
    (
        "penalty describe",
        &[("", "firebrick penalty describe max_norm")],
    ),
    ("dropout", &[("", "firebrick dropout describe dropblock")]),
    ("dropout list", &[("", "firebrick dropout list")]),
    (
        "dropout describe",
        &[("", "firebrick dropout describe dropblock")],
    ),
    ("loss", &[("", "firebrick loss describe cross_entropy")]),
    ("loss list", &[("", "firebrick loss list")]),
    (
        "loss describe",
        &[("", "firebrick loss describe cross_entropy")],
    ),
    ("sampling", &[("", "firebrick sampling describe weighted")]),
    ("sampling list", &[("", "firebrick sampling list")]),
    (
        "sampling describe",
        &[("", "firebrick sampling describe weighted")],
    ),
    ("devices", &[("", "firebrick devices")]),
    (
        "serve",
        &[
            (
                "Open a page in your browser on which you drop photos",
                "firebrick serve runs/photos-resnet18-1",
            ),
            (
                "At another port",
                "firebrick serve runs/photos-resnet18-1 --port 9000",
            ),
        ],
    ),
    (
        "recipes",
        &[
            ("", "firebrick recipes list"),
            (
                "Save a recipe to a file, edit it, and train with it",
                "firebrick recipes describe mnist-lenet5 > mine.toml",
            ),
            ("", "firebrick train --recipe mine.toml"),
        ],
    ),
    ("recipes list", &[("", "firebrick recipes list")]),
    (
        "recipes describe",
        &[("", "firebrick recipes describe mnist-lenet5 > mine.toml")],
    ),
    (
        "report",
        &[
            (
                "Write the report of a run again",
                "firebrick report runs/glyphs-small_cnn-1",
            ),
            (
                "Compare two runs on one page",
                "firebrick report runs/glyphs-small_cnn-1 runs/glyphs-small_cnn-2 --out comparison.html",
            ),
        ],
    ),
    ("runs", &[("", "firebrick runs")]),
    (
        "completions",
        &[
            (
                "bash",
                "firebrick completions bash > ~/.local/share/bash-completion/completions/firebrick",
            ),
            (
                "zsh, if ~/.zfunc is in $fpath",
                "firebrick completions zsh > ~/.zfunc/_firebrick",
            ),
            (
                "fish",
                "firebrick completions fish > ~/.config/fish/completions/firebrick.fish",
            ),
        ],
    ),
    (
        "man",
        &[(
            "Afterwards, `man firebrick-train` works on most systems",
            "firebrick man ~/.local/share/man/man1",
        )],
    ),
];

/// The examples of a command as text, with the program under the name that it has here.
fn text(path: &str, program: &str) -> Option<String> {
    let (_, examples) = EXAMPLES.iter().find(|(name, _)| *name == path)?;
    let mut text = String::from(if examples.len() == 1 {
        "Example:\n"
    } else {
        "Examples:\n"
    });
    for (what, command) in *examples {
        if !what.is_empty() {
            text += &format!("  # {what}\n");
        }
        text += &format!("  {}\n", command.replacen("firebrick", program, 1));
    }
    Some(text.trim_end().into())
}

/// Calls `change` for every command with its examples.
fn each(
    command: Command,
    path: &str,
    program: &str,
    change: fn(Command, String) -> Command,
) -> Command {
    let command = match text(path, program) {
        Some(text) => change(command, text),
        None => command,
    };
    command.mut_subcommands(|inner| {
        let path = format!("{path} {}", inner.get_name());
        each(inner, path.trim_start(), program, change)
    })
}

/// The command line with examples above the usage of each command.
pub(crate) fn above_usage(command: Command) -> Command {
    let program = command.get_name().to_string();
    each(command, "", &program, |command, examples| {
        command.help_template(TEMPLATE).before_help(examples)
    })
}

/// The command line with examples in the description of each command, for manual pages.
pub(crate) fn in_description(command: Command) -> Command {
    let program = command.get_name().to_string();
    each(command, "", &program, |command, examples| {
        let about = command.get_long_about().or(command.get_about());
        let about = about.map(ToString::to_string).unwrap_or_default();
        command.long_about(format!("{about}\n\n{examples}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guide::parse;

    /// Every command with its full name and its help.
    fn commands(command: &Command, path: &str, all: &mut Vec<(String, String)>) {
        all.push((path.into(), command.clone().render_help().to_string()));
        for inner in command.get_subcommands() {
            let path = format!("{path} {}", inner.get_name());
            commands(inner, path.trim_start(), all);
        }
    }

    #[test]
    fn the_help_of_every_command_opens_with_an_example_that_works() {
        let mut all = Vec::new();
        commands(&crate::command(), "", &mut all);
        assert!(all.len() > 30, "{}", all.len());
        for (path, help) in &all {
            let head = help.split("Usage:").next().unwrap();
            let examples: Vec<_> = head
                .lines()
                .filter_map(|line| line.strip_prefix("  firebrick"))
                .collect();
            assert!(
                !examples.is_empty(),
                "`firebrick {path} --help` shows no example:\n{head}"
            );
            for example in &examples {
                let line = format!("firebrick{example}");
                parse(&line).unwrap_or_else(|why| panic!("{line}: {why}"));
            }
            let own = format!("firebrick {path}");
            assert!(
                examples
                    .iter()
                    .any(|example| format!("firebrick{example}").starts_with(own.trim_end())),
                "no example of `{own}` itself:\n{head}"
            );
        }
        let names: Vec<_> = all.iter().map(|(path, _)| path.as_str()).collect();
        let mut seen = std::collections::BTreeSet::new();
        for (path, examples) in EXAMPLES {
            assert!(seen.insert(path), "`{path}` has its examples twice");
            for (what, example) in *examples {
                // Longer lines are broken, and cannot be copied then.
                let width = what.len().max(example.len());
                assert!(width <= 96, "`{path}`: {example} is too long");
            }
            assert!(
                names.contains(path),
                "examples of `{path}`, which is no command"
            );
        }
    }

    #[test]
    fn an_own_program_s_examples_bear_its_name() {
        let text = text("train", "mine").unwrap();
        assert!(
            text.contains("\n  mine train\n") && !text.contains("firebrick"),
            "{text}"
        );
    }

    #[test]
    fn manual_pages_have_the_examples() {
        let command = in_description(crate::command());
        let train = command.find_subcommand("train").unwrap();
        let description = train.get_long_about().unwrap().to_string();
        assert!(
            description.contains("  firebrick train --recipe"),
            "{description}"
        );
    }
}
