//! Ensembles: trained by several processes that are killed, evaluated, averaged and pruned.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Ran, fails, firebrick, run, succeeds};

/// Two epochs of 8 updates for each member.
const MEMBERS: &str = "ensemble train small.toml --members 4 --out four --quiet";
const RECIPE: &str = r#"
dataset = "glyphs(train=270, test=54)"
model = "small_cnn(width=2)"
optimizer = "sgd(lr=0.1, momentum=0.9)"
epochs = 2
batch_size = 32
checkpoint_every = 1
workers = 1
"#;

fn place() -> tempfile::TempDir {
    let temp = tempfile::tempdir().unwrap();
    fs::write(temp.path().join("small.toml"), RECIPE).unwrap();
    temp
}

/// The model files of an ensemble's members.
fn members(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for number in 1..=4 {
        let name = format!("member-{number}/model.safetensors");
        files.insert(name.clone(), fs::read(directory.join(name)).unwrap());
    }
    files
}

#[cfg(unix)]
#[test]
fn processes_that_are_killed_at_random_leave_the_same_members() {
    let temp = place();
    let at = temp.path();
    succeeds(&run(at, MEMBERS));
    let expected = members(&at.join("four"));
    let distinct: std::collections::BTreeSet<_> = expected.values().collect();
    assert_eq!(distinct.len(), 4, "each member has a seed of its own");

    // Two at a time, as `xargs -P2` starts them; each is killed after so many milliseconds, until all are done.
    let binary = env!("CARGO_BIN_EXE_firebrick");
    let script = format!(
        "for k in 1 2 3 4; do echo $k; done | xargs -P2 -I{{}} sh -c 'timeout -s KILL \"$0\" \"{binary}\" ensemble train small.toml --members 4 --member {{}}/4 --out cut --quiet || true' \"$KILL_AFTER\""
    );
    let mut kills = 0;
    for round in 0..12 {
        let after = format!("0.{}", 12 + 7 * (round * 5 % 11));
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", &script]).current_dir(at);
        assert!(shell.env("KILL_AFTER", after).status().unwrap().success());
        if !at.join("cut/ensemble.json").exists() {
            // A slow machine: all were killed before they had begun.
            kills += 1;
            continue;
        }
        let status = run(at, "ensemble status cut --json").json();
        kills += usize::from(status["done"] != 4);
        if status["done"] == 4 {
            break;
        }
    }
    assert!(kills >= 1, "no process was alive to be killed");
    let rest = MEMBERS.replace("four", "cut");
    succeeds(&run(at, &rest));
    assert!(members(&at.join("cut")) == expected);
    // Once more: nothing is left to do, and nothing changes.
    succeeds(&run(at, &rest));
    assert!(members(&at.join("cut")) == expected);
    let status = run(at, "ensemble status cut");
    assert!(
        status.stdout.contains("4 of 4 members are done"),
        "{}",
        status.stdout
    );
}

#[test]
fn an_ensemble_is_evaluated_predicts_and_is_pruned_and_averaged() {
    let temp = place();
    let at = temp.path();
    // A job array chooses the member.
    let mut array = firebrick(at);
    let ran: Ran = array
        .args(MEMBERS.split(' '))
        .env("SLURM_ARRAY_TASK_ID", "2")
        .output()
        .unwrap()
        .into();
    succeeds(&ran);
    let status = run(at, "ensemble status four --json").json();
    assert_eq!(status["done"], 1);
    assert_eq!(status["members"][1]["done"], true);
    fails(&run(at, "ensemble eval four"), 1, &["--allow-missing"]);
    let one = run(at, "ensemble eval four --allow-missing --json").json();
    assert_eq!(one["members"].as_array().unwrap().len(), 1);
    succeeds(&run(at, MEMBERS));

    let report = run(at, "ensemble eval four --report four.html --json").json();
    assert_eq!(report["members"].as_array().unwrap().len(), 4);
    let page = fs::read_to_string(at.join("four.html")).unwrap();
    assert!(page.contains("How it grows") && page.contains("training images"));
    assert_eq!(report["growth"].as_array().unwrap().len(), 4);
    for key in [
        "top1",
        "top5",
        "nll",
        "brier",
        "ece",
        "ece_adaptive",
        "aurc",
        "temperature",
        "nll_at_temperature",
        "ece_at_temperature",
    ] {
        assert!(report["ensemble"][key].is_number(), "{key}");
    }
    // Each member alone is what `eval` says of its run, and the whole is what `eval` says of the directory.
    let second = run(at, "eval four/member-2 --json").json();
    for key in ["top1", "nll", "brier", "ece"] {
        assert_eq!(report["members"][1][key], second[key], "{key}");
    }
    let whole = run(at, "eval four --json").json();
    assert_eq!(whole["top1"], report["ensemble"]["top1"]);
    let apart = whole["nll"].as_f64().unwrap() - report["ensemble"]["nll"].as_f64().unwrap();
    assert!(apart.abs() < 1e-6, "{apart}");
    let views = run(at, "ensemble eval four --tta flip --json").json();
    assert_ne!(views["ensemble"]["nll"], report["ensemble"]["nll"]);
    for rule in ["logits", "vote", "weighted", "stacking", "rank"] {
        let other = run(at, &format!("ensemble eval four --combine {rule} --json")).json();
        assert_ne!(
            other["ensemble"]["nll"], report["ensemble"]["nll"],
            "{rule}"
        );
    }

    let picture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/corpus/image/palette.png"
    );
    let predict = |more: &str| {
        run(
            at,
            &format!("predict four {picture} no.png {picture} --on-bad-image skip --json {more}"),
        )
    };
    let alone = predict("").json();
    assert_eq!(alone.as_array().unwrap().len(), 2);
    assert_eq!(alone, predict("--members-in-memory 3").json());
    let of_one = run(at, &format!("predict four/member-1 {picture} --json")).json();
    assert_ne!(
        of_one[0]["top"][0]["probability"],
        alone[0]["top"][0]["probability"]
    );

    let wide = run(at, &format!("predict four {picture} --coverage 0.9 --json")).json();
    let narrow = run(at, &format!("predict four {picture} --coverage 0.2 --json")).json();
    let size = |found: &serde_json::Value| found[0]["set"].as_array().unwrap().len();
    assert!(size(&wide) >= size(&narrow) && size(&narrow) >= 1);
    let single = run(
        at,
        &format!("predict four/member-1 {picture} --coverage 0.5 --conformal aps"),
    );
    assert!(single.stdout.contains('['), "{}", single.stdout);

    let picks = run(at, "ensemble prune four --members 2 --out two --json").json();
    assert_eq!(picks.as_array().unwrap().len(), 2);
    let two = run(at, "ensemble eval two --split valid --json").json();
    let (pruned, pick) = (&two["ensemble"]["nll"], &picks[1]["nll"]);
    let apart = pruned.as_f64().unwrap() - pick.as_f64().unwrap();
    assert!(apart.abs() < 1e-9, "{apart}");

    let soup = run(
        at,
        "ensemble soup four --how greedy --out soup/m.safetensors --json",
    )
    .json();
    let best = soup["ingredients"].as_array().unwrap().iter();
    let best = best
        .map(|one| one[1]["top1"].as_f64().unwrap())
        .fold(0.0, f64::max);
    assert!(soup["valid"]["top1"].as_f64().unwrap() >= best);
    let all = run(
        at,
        "ensemble soup four --how uniform --out all.safetensors --json",
    )
    .json();
    assert_eq!(all["kept"].as_array().unwrap().len(), 4);
    let scored = run(
        at,
        "eval all.safetensors --dataset glyphs(train=270,test=54) --split test --json",
    );
    assert!(scored.json()["top1"].is_number());
}

#[test]
fn an_ensemble_is_calibrated_in_other_ways() {
    let temp = place();
    let at = temp.path();
    succeeds(&run(
        at,
        "ensemble train small.toml --members 2 --out two --quiet",
    ));
    let plain = run(at, "ensemble eval two --json").json();
    assert!(plain.get("calibrated").is_none());
    let default = run(at, "ensemble eval two --calibrate temperature --json").json();
    assert_eq!(plain, default);
    let mut found = run(at, "ensemble eval two --calibrate per_member --json").json();
    let calibrated = found.as_object_mut().unwrap().remove("calibrated").unwrap();
    assert_eq!(found, plain, "the other figures stay");
    assert_eq!(calibrated["by"], "per_member");
    assert_eq!(calibrated["parameters"].as_array().unwrap().len(), 2);
    for key in ["top1", "nll", "brier", "ece", "ece_adaptive"] {
        assert!(calibrated[key].is_number(), "{key}");
    }
    assert_ne!(calibrated["nll"], plain["ensemble"]["nll"]);
    let said = run(
        at,
        "ensemble eval two --calibrate per_member --report two.html --line 3",
    );
    assert!(
        said.stdout.contains("with a temperature for each member ("),
        "{}",
        said.stdout
    );
    let page = fs::read_to_string(at.join("two.html")).unwrap();
    assert!(page.contains("Between two members") && page.contains("With a temperature for each"));
    // 27 classes and 27 validation images, some of them of one class: there is no best vector.
    let vector = run(at, "ensemble eval two --calibrate vector --json");
    succeeds(&vector);
    let fitted = vector.json().get("calibrated").is_some();
    assert!(
        fitted || vector.stderr.contains("`vector` cannot be fitted"),
        "{}",
        vector.stderr
    );
    for (arguments, needle) in [
        ("ensemble eval two --calibrate tempered", "per_member"),
        ("ensemble eval two --line 3", "--report"),
        (
            "ensemble eval two --report short.html --line 1",
            "points = 1",
        ),
    ] {
        fails(&run(at, arguments), 2, &[needle]);
    }
    assert!(!at.join("short.html").exists());
}

#[test]
fn an_ensemble_is_distilled_into_a_run() {
    let temp = place();
    let at = temp.path();
    succeeds(&run(
        at,
        "ensemble train small.toml --members 2 --out two --quiet",
    ));
    let command =
        "ensemble distill two --model small_cnn(width=3) --temperature 2 --out student --quiet";
    let found = run(at, &format!("{command} --json")).json();
    assert_eq!(found["images"], 27);
    assert!((0.0..=1.0).contains(&found["agreement"].as_f64().unwrap()));
    // The student is a run like any other, and so are its scores.
    let of_run = run(at, "eval student --split valid --json").json();
    let of_teacher = run(at, "eval two --split valid --json").json();
    for key in ["top1", "nll"] {
        for (side, expected) in [("student", &of_run), ("teacher", &of_teacher)] {
            let apart = found[side][key].as_f64().unwrap() - expected[key].as_f64().unwrap();
            assert!(apart.abs() < 1e-6, "{side} {key}: {apart}");
        }
    }
    let members = ["two/member-1", "two/member-2"]
        .map(|member| run(at, &format!("eval {member} --split valid --json")).json());
    let best = members.iter().map(|one| one["top1"].as_f64().unwrap());
    assert_eq!(found["best_member"]["top1"], best.fold(0.0, f64::max));
    assert!(at.join("student/report.html").is_file());
    let recipe = fs::read_to_string(at.join("student/recipe.toml")).unwrap();
    assert!(
        recipe.contains("temperature=2") && recipe.contains("alpha=0.9"),
        "{recipe}"
    );
    // Once more: nothing is trained.
    let model = fs::read(at.join("student/model.safetensors")).unwrap();
    let again = run(at, command);
    succeeds(&again);
    assert!(
        again.stdout.contains("best member (member-"),
        "{}",
        again.stdout
    );
    assert!(fs::read(at.join("student/model.safetensors")).unwrap() == model);
    // Interrupted and repeated, or resumed as a run, it comes to the same.
    for (out, resume) in [("a", None), ("b", Some("train --resume b --quiet"))] {
        let whole = command.replace("--out student", &format!("--out {out}"));
        succeeds(&run(at, &format!("{whole} --max-updates 3")));
        succeeds(&run(at, resume.unwrap_or(&whole)));
        let other = fs::read(at.join(out).join("model.safetensors")).unwrap();
        assert!(other == model, "{out}");
    }
    // A run is a teacher too, and sees what is augmented.
    let of_one = "ensemble distill two/member-1 --epochs 1 --out one --quiet --augment hflip";
    succeeds(&run(at, of_one));
    for (arguments, status, needle) in [
        (
            "ensemble distill two --teacher x --out no",
            2,
            "the teacher is two",
        ),
        ("ensemble distill nothing --out no", 1, "nothing"),
        (
            "ensemble distill two --alpha 1.5 --out no",
            2,
            "alpha = 1.5",
        ),
        (
            "ensemble distill two --teacher-views plain --mix mixup --out no",
            2,
            "mixed images",
        ),
        (
            "ensemble distill two --batch-size 8 --out student2 --max-updates 1 --quiet --teacher-combine stacking",
            2,
            "fitted to validation images",
        ),
        (
            "train --teacher two --out no",
            2,
            "learns from labels alone",
        ),
    ] {
        fails(&run(at, arguments), status, &[needle]);
    }
    assert!(!at.join("no").exists());
    // With other settings it is another student.
    let begun = command.replace("--out student", "--out c");
    succeeds(&run(at, &format!("{begun} --max-updates 3")));
    fails(
        &run(at, &begun.replace("--temperature 2", "--temperature 3")),
        1,
        &["temperature"],
    );
}

#[test]
fn what_is_wrong_with_an_ensemble_is_named() {
    let temp = place();
    let at = temp.path();
    let two = "ensemble train small.toml --members 2 --out two --quiet --epochs 1";
    succeeds(&run(at, two));
    for (arguments, status, needle) in [
        ("ensemble eval nothing", 1, "nothing"),
        ("ensemble eval .", 1, "no ensemble"),
        (
            "ensemble train small.toml --members 0 --out x",
            2,
            "members = 0",
        ),
        (
            "ensemble train small.toml --members 2 --member 3/2 --out x",
            2,
            "from 1 to 2",
        ),
        (
            "ensemble train small.toml --members 2 --member 1/3 --out x",
            2,
            "from 1 to 2",
        ),
        (
            "ensemble train small.toml --members 2 --member first --out x",
            2,
            "`first`",
        ),
        (
            "ensemble train small.toml --members 3 --out two",
            1,
            "another number of members",
        ),
        (
            "ensemble train small.toml --members 2 --lr 0.5 --out two",
            1,
            "other recipes",
        ),
        (
            "ensemble train small.toml --bagging --sampling balanced --members 2 --out x",
            2,
            "bagging",
        ),
        (
            "ensemble eval two --fit-on train",
            2,
            "fit on the validation split",
        ),
        ("predict two x.png --coverage 1.2", 2, "coverage = 1.2"),
        (
            "predict two x.png --coverage 0.999",
            2,
            "images to calibrate",
        ),
        (
            "predict two x.png --combine stacking",
            1,
            "fitted to validation data",
        ),
        ("ensemble eval two --combine meen", 2, "did you mean `mean`"),
        ("ensemble prune two --members 3 --out three", 2, "picks = 3"),
        ("ensemble prune two --members 1 --out two", 2, "not empty"),
        (
            "ensemble soup two/member-1 --out s.safetensors",
            2,
            "at least 2 models",
        ),
    ] {
        fails(&run(at, arguments), status, &[needle]);
    }
    assert!(!at.join("x").exists());
    // A damaged member is named, and left out if asked.
    let damaged = at.join("two/member-2/model.safetensors");
    let mut bytes = fs::read(&damaged).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&damaged, bytes).unwrap();
    fails(&run(at, "ensemble eval two"), 1, &["member-2"]);
    let ran = run(at, "ensemble eval two --allow-missing");
    succeeds(&ran);
    assert!(
        ran.stderr.contains("going on without member-2"),
        "{}",
        ran.stderr
    );
    // A manifest that was edited.
    let manifest = at.join("two/ensemble.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("member-2", "member-9")).unwrap();
    fails(
        &run(at, "ensemble eval two"),
        1,
        &["was changed after it was written"],
    );
}

#[test]
fn a_table_of_probabilities_is_calibrated() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    fs::write(
        at.join("p.csv"),
        "label,cat,dog\n0,0.9,0.1\n1,0.6,0.4\n0,0.8,0.2\n1,0.1,0.9\n",
    )
    .unwrap();
    let found = run(at, "ensemble calibrate p.csv --json").json();
    assert_eq!(found["top1"], 0.75);
    let nll = -(0.9_f64.ln() + 0.4_f64.ln() + 0.8_f64.ln() + 0.9_f64.ln()) / 4.0;
    assert!((found["nll"].as_f64().unwrap() - nll).abs() < 1e-12);
    assert!(found["nll_at_temperature"].as_f64().unwrap() <= nll);
    fs::write(at.join("bad.csv"), "0,0.9,0.2\n").unwrap();
    fails(
        &run(at, "ensemble calibrate bad.csv"),
        1,
        &["bad.csv: line 1"],
    );
}

/// What another process that trains a member holds, for as long as this lives.
fn held(run: &Path) -> fs::File {
    fs::create_dir_all(run).unwrap();
    let lock = fs::File::create(run.join(".lock")).unwrap();
    lock.try_lock().unwrap();
    lock
}

#[test]
fn a_member_that_another_process_trains_is_passed_over() {
    let temp = place();
    let at = temp.path();
    let arguments = "ensemble train small.toml --members 2 --out two --epochs 1";
    let lock = held(&at.join("two/member-1"));
    let second = run(at, arguments);
    succeeds(&second);
    assert!(
        second
            .stderr
            .contains("member 1 of 2: another process is training it"),
        "{}",
        second.stderr
    );
    let done = |number: usize| {
        let status = run(at, "ensemble status two --json").json();
        status["members"][number - 1]["done"] == true
    };
    assert!(!done(1) && done(2));
    // Whoever asks for that member alone is told.
    let asked = run(at, &format!("{arguments} --member 1/2"));
    fails(
        &asked,
        1,
        &[
            "member-1",
            "another process is training in this run directory",
        ],
    );
    drop(lock);
    succeeds(&run(at, arguments));
    assert!(done(1) && done(2));
}

#[test]
fn a_member_that_was_stopped_by_a_limit_goes_on_to_the_end() {
    let temp = place();
    let at = temp.path();
    let whole = "ensemble train small.toml --members 1 --out whole --quiet";
    succeeds(&run(at, whole));
    let part = whole.replace("whole", "part");
    succeeds(&run(at, &format!("{part} --max-updates 5")));
    let stopped = || {
        let status = run(at, "ensemble status part --json").json();
        assert_eq!(status["done"], 0);
        assert_eq!(status["members"][0]["run"]["state"], "resumable");
    };
    stopped();
    // Each session has the limit that it was started with.
    succeeds(&run(at, &format!("{part} --max-updates 9")));
    stopped();
    succeeds(&run(at, &part));
    let model = |out: &str| fs::read(at.join(out).join("member-1/model.safetensors")).unwrap();
    assert!(model("part") == model("whole"));
}

#[test]
fn the_flag_names_the_member_rather_than_the_job_array() {
    let temp = place();
    let at = temp.path();
    let mut array = firebrick(at);
    let arguments = "ensemble train small.toml --members 3 --out three --quiet --epochs 1";
    let ran: Ran = array
        .args(arguments.split(' '))
        .args(["--member", "3"])
        .env("SLURM_ARRAY_TASK_ID", "2")
        .output()
        .unwrap()
        .into();
    succeeds(&ran);
    let status = run(at, "ensemble status three --json").json();
    let done: Vec<_> = (0..3).map(|at| &status["members"][at]["done"]).collect();
    assert_eq!(done, [false, false, true]);
}

#[test]
fn each_member_reads_images_with_its_own_preprocessing() {
    let temp = place();
    let at = temp.path();
    let other = RECIPE.replace("batch_size", "image_size = 20\nbatch_size");
    fs::write(at.join("other.toml"), other).unwrap();
    let arguments = "ensemble train small.toml other.toml --members 2 --out two --quiet --epochs 1";
    succeeds(&run(at, arguments));
    let both = run(at, "ensemble eval two --json").json();
    let picture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/corpus/image/palette.png"
    );
    let mut means = std::collections::BTreeMap::<String, f64>::new();
    for number in [1, 2] {
        let alone = run(at, &format!("eval two/member-{number} --json")).json();
        for key in ["top1", "nll"] {
            assert_eq!(
                both["members"][number - 1][key],
                alone[key],
                "{number} {key}"
            );
        }
        let alone = run(
            at,
            &format!("predict two/member-{number} {picture} --top 27 --json"),
        )
        .json();
        for guess in alone[0]["top"].as_array().unwrap() {
            let class = guess["class"].as_str().unwrap().to_string();
            *means.entry(class).or_default() += guess["probability"].as_f64().unwrap() / 2.0;
        }
    }
    let pooled = run(at, &format!("predict two {picture} --top 27 --json")).json();
    for guess in pooled[0]["top"].as_array().unwrap() {
        let mean = means[guess["class"].as_str().unwrap()];
        let found = guess["probability"].as_f64().unwrap();
        assert!((found - mean).abs() < 1e-6, "{guess}: {mean}");
    }
}
