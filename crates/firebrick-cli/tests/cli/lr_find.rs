//! `firebrick lr-find`, and flags of `train` for groups and limits.

#[cfg(target_os = "linux")]
use std::ffi::OsStr;
use std::fs;
#[cfg(target_os = "linux")]
use std::os::unix::ffi::OsStrExt;

use crate::support::{Ran, firebrick, run, run_with, succeeds};

const SWEEP: &str = "lr-find --dataset glyphs(train=240,test=60) --model small_cnn(width=8) --batch-size 32 \
                     --optimizer sgd(lr=0.5,momentum=0.9) --start-lr 1e-5 --end-lr 100 --num-iter 80";

#[test]
fn a_sweep_gives_a_curve_suggestions_and_a_picture_and_writes_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let json = run(temp.path(), &format!("{SWEEP} --json --svg lr.svg")).json();
    let length = |key: &str| json[key].as_array().unwrap().len();
    assert!(length("lr") >= 20, "{json}");
    assert_eq!(length("lr"), length("loss"));
    assert_eq!(length("lr"), length("smoothed"));
    assert_eq!(json["lr"][0], 1e-5);
    let stopped = json["stopped"].as_str().unwrap();
    assert!(["end", "diverged", "not_finite"].contains(&stopped));
    let advised = json["suggestions"]["advised"].as_f64().unwrap();
    assert!((1e-3..1.0).contains(&advised), "{json}");
    for key in ["steepest", "valley", "minimum_over_10"] {
        assert!(json["suggestions"].get(key).is_some(), "{json}");
    }
    let svg = fs::read_to_string(temp.path().join("lr.svg")).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("valley") && svg.contains("learning rate"));
    let files = fs::read_dir(temp.path()).unwrap().count();
    assert_eq!(files, 1, "only the picture");
    let again = run(temp.path(), &format!("{SWEEP} --json")).json();
    assert_eq!(again, json, "the same sweep twice");
}

#[test]
fn the_text_says_the_command_to_train_with() {
    let temp = tempfile::tempdir().unwrap();
    let mut command = firebrick(temp.path());
    command.args(SWEEP.split_whitespace()).arg("--mode=exp");
    // The name of a file need not be text.
    #[cfg(target_os = "linux")]
    command.arg("--svg").arg(OsStr::from_bytes(b"\xff.svg"));
    let ran: Ran = command.output().unwrap().into();
    succeeds(&ran);
    let next = ran.stdout.lines().last().unwrap();
    let command = format!(
        "next: {} train --dataset 'glyphs(train=240,test=60)' --model 'small_cnn(width=8)' --batch-size 32 \
         --optimizer 'sgd(momentum=0.9)' --lr ",
        env!("CARGO_BIN_EXE_firebrick")
    );
    assert!(next.starts_with(&command), "{next}");
    let words: Vec<_> = next.split_whitespace().skip(2).collect();
    let words: Vec<_> = words.iter().map(|word| word.trim_matches('\'')).collect();
    let mut words = words.clone();
    words.extend([
        "--epochs",
        "1",
        "--max-updates",
        "1",
        "--out",
        "run",
        "--quiet",
    ]);
    let trained = run_with(temp.path(), &words);
    succeeds(&trained);
}

#[test]
fn a_sweep_that_does_not_tell_advises_nothing_and_says_why() {
    let temp = tempfile::tempdir().unwrap();
    let sweep = "lr-find --dataset glyphs(train=240,test=60) --batch-size 32 --model";
    for (more, why) in [
        // Few updates over all rates, with a loss that ends in NaN or not.
        (
            "small_cnn(width=8) --num-iter 3",
            "losses are too few to tell",
        ),
        (
            "small_cnn(width=8) --num-iter 12 --end-lr 1e6",
            "losses are too few to tell",
        ),
        // Rates at which nothing happens.
        (
            "lenet5 --num-iter 40 --start-lr 1e-9 --end-lr 1e-7",
            "never falls by more than its noise",
        ),
    ] {
        let ran = run(temp.path(), &format!("{sweep} {more}"));
        succeeds(&ran);
        assert!(
            ran.stdout.contains("no rate to advise") && ran.stdout.contains(why),
            "{}",
            ran.stdout
        );
        assert!(!ran.stdout.contains("next:"), "{}", ran.stdout);
        let json = run(temp.path(), &format!("{sweep} {more} --json")).json();
        for key in ["advised", "steepest", "valley", "minimum_over_10"] {
            assert!(json["suggestions"][key].is_null(), "{json}");
        }
        assert!(!json["suggestions"]["none_because"].is_null(), "{json}");
    }
}

#[test]
fn sweeps_that_make_no_sense_are_refused() {
    let temp = tempfile::tempdir().unwrap();
    for (arguments, needle) in [
        ("lr-find --start-lr -1", "start_lr = -1"),
        ("lr-find --start-lr 1 --end-lr 0.1", "above start_lr = 1"),
        ("lr-find --end-lr nan", "end_lr = NaN"),
        ("lr-find --num-iter 1", "num_iter = 1"),
        ("lr-find --mode cubic", "neither exp nor linear"),
        ("lr-find --optimizer adm", "`adam`"),
        (
            "lr-find --group nothing*:lr=2",
            "`nothing*` matches no parameter",
        ),
        (
            "lr-find --svg no/such/place.svg --num-iter 2 --dataset glyphs(train=240,test=60)",
            "no/such/place.svg",
        ),
    ] {
        let ran = run(temp.path(), arguments);
        assert_ne!(ran.status, 0, "{arguments}");
        assert!(ran.stderr.contains(needle), "{arguments}: {}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    }
}

#[test]
fn groups_limits_and_optimizers_by_path_are_in_the_recipe_and_resume() {
    let temp = tempfile::tempdir().unwrap();
    let flags = "train --dataset glyphs(train=240,test=60) --model lenet5 --batch-size 32 --epochs 2 \
                 --optimizer sgd(lr=0.1) --no-decay-bias-norm --layer-decay 0.75 --clip-agc 0.01 \
                 --clip-tensor-norm 1 --group fc*:optimizer=adamw(lr=1e-3,beta1=0.8),lr=0.5 --group conv1*:frozen";
    let whole = run(temp.path(), &format!("{flags} --out whole --quiet"));
    succeeds(&whole);
    let recipe = fs::read_to_string(temp.path().join("whole/recipe.toml")).unwrap();
    for line in [
        "no_decay_bias_norm = true",
        "layer_decay = 0.75",
        "clip_agc = 0.01",
        "clip_tensor_norm = 1.0",
        "optimizer = \"adamw(lr=0.001, beta1=0.8)\"",
        "lr = 0.0",
    ] {
        assert!(recipe.contains(line), "{line} is not in {recipe}");
    }
    let part = run(
        temp.path(),
        &format!("{flags} --out part --quiet --max-updates 5"),
    );
    succeeds(&part);
    let rest = run(temp.path(), "train --resume part --quiet");
    succeeds(&rest);
    let model = |run: &str| crate::support::model(temp.path(), run);
    assert!(
        model("part") == model("whole"),
        "the resumed run is another one"
    );
    let changed = run(temp.path(), "train --resume part --no-decay-bias-norm");
    assert!(
        changed
            .stderr
            .contains("--no-decay-bias-norm cannot be changed")
    );
    for (group, needle) in [
        ("fc*:optimizer=adm", "`adam`"),
        ("fc*:rate=1", "`rate=1` is not a setting"),
        ("fc*:optimizer=adam(beta1=2)", "beta1 = 2"),
    ] {
        let ran = run(temp.path(), &format!("train --epochs 1 --group {group}"));
        assert_ne!(ran.status, 0);
        assert!(ran.stderr.contains(needle), "{group}: {}", ran.stderr);
    }
}

#[test]
fn describe_shows_which_parameter_is_where() {
    let temp = tempfile::tempdir().unwrap();
    let flags = "optim describe sgd(lr=0.1,weight_decay=1e-4) --model lenet5 --layer-decay 0.5 \
                 --no-decay-bias-norm --group fc3*:optimizer=adamw(lr=0.02)";
    let json = run(temp.path(), &format!("{flags} --json")).json();
    let rows = json["groups"].as_array().unwrap();
    assert_eq!(rows.len(), 10, "{json}");
    let first = &rows[0];
    assert_eq!(first["path"], "conv1.weight");
    assert_eq!(first["lr_factor"], 0.0625);
    assert_eq!(first["weight_decay_factor"], 1.0);
    let last = &rows[9];
    assert_eq!(
        (&last["path"], &last["weight_decay_factor"]),
        (&"fc3.bias".into(), &0.0.into())
    );
    assert!((last["lr_factor"].as_f64().unwrap() - 0.2).abs() < 1e-12);
    assert!(last["optimizer"].as_str().unwrap().starts_with("adamw("));
    let ran = run(temp.path(), flags);
    assert!(
        ran.stdout.contains("conv2.bias") && ran.stdout.contains("× 0.125"),
        "{}",
        ran.stdout
    );
    let alone = run(temp.path(), "optim describe sgd --layer-decay 0.5");
    assert_eq!(alone.status, 2);
    assert!(alone.stderr.contains("--model"), "{}", alone.stderr);
}
