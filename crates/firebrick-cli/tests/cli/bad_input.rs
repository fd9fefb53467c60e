//! Invalid input: one clear message, the right exit status, no files lost, never a panic.

use std::fs;

use crate::support::{PHOTOS, Ran, SMALL, firebrick, images, run, succeeds};

fn assert_refused(ran: &Ran, status: i32, needles: &[&str], what: &str) {
    assert_eq!(ran.status, status, "{what}: {}", ran.stderr);
    for needle in needles {
        assert!(
            ran.stderr.contains(needle),
            "{what}: `{needle}` is not in: {}",
            ran.stderr
        );
    }
    for ugly in [
        "panicked",
        "RUST_BACKTRACE",
        "this is a bug in firebrick",
        "Some(",
        "Error {",
    ] {
        assert!(!ran.stderr.contains(ugly), "{what}: {}", ran.stderr);
    }
}

#[test]
fn the_kernels_switch_is_on_or_off() {
    let temp = tempfile::tempdir().unwrap();
    let devices = |value: &str| -> Ran {
        let mut command = firebrick(temp.path());
        command.arg("devices").env("FIREBRICK_KERNELS", value);
        command.output().unwrap().into()
    };
    for (value, shown) in [
        ("", "kernels on, "),
        ("on", "kernels on, "),
        ("1", "kernels on, "),
        ("off", "kernels off"),
        ("0", "kernels off"),
    ] {
        let ran = devices(value);
        succeeds(&ran);
        assert!(ran.stdout.contains(shown), "{value}: {}", ran.stdout);
    }
    let needles = ["FIREBRICK_KERNELS is `no`", "`on` or `off`"];
    assert_refused(&devices("no"), 2, &needles, "the switch");
}

#[test]
fn wrong_names_and_numbers() {
    let temp = tempfile::tempdir().unwrap();
    for (arguments, needles) in [
        ("--dataset glyph", &["glyph", "did you mean `glyphs`?"][..]),
        (
            "--model resnet21",
            &["unknown model `resnet21`", "did you mean"],
        ),
        ("--model resnet20(depth=3)", &["depth"]),
        (
            "--device flx",
            &["unknown device `flx`", "did you mean `flex`?"],
        ),
        ("--device cuda", &["--features cuda"]),
        (
            "--optimizer adm",
            &["unknown optimizer `adm`", "did you mean `adam`?"],
        ),
        ("--optimizer adam(beta=0.9)", &["adam has no key `beta`"]),
        ("--optimizer sgd(momentum=2)", &["momentum = 2"]),
        (
            "--optimizer sgd(lr=0.1) --schedule cosine(0.2)",
            &["two learning rates", "--lr, which overrides"],
        ),
        ("--schedule cosin", &["unknown schedule `cosin`"]),
        ("--schedule cosine(steps=0)", &["steps = 0"]),
        ("--augment hflp", &["hflp", "did you mean `hflip`?"]),
        ("--augment hflip|", &["expected a name"]),
        (
            "--loss cross_entropy(label_smoothing=2)",
            &["label_smoothing = 2", "[0, 1]"],
        ),
        (
            "--loss cross_entropy(class_weights=[1,2])",
            &["2 class_weights are given"],
        ),
        (
            "--loss cross_entropy(class_weights=[0,0.0])",
            &["class_weights = all 0", "at least one class"],
        ),
        ("--lr nan", &["lr = NaN"]),
        ("--lr -1", &["lr = -1"]),
        ("--batch-size 0", &["batch_size = 0"]),
        ("--epochs 0", &["epochs = 0"]),
        ("--workers 100000", &["workers = 100000"]),
        ("--valid-fraction 1.5", &["valid_fraction = 1.5"]),
        ("--channels 2", &["channels = 2", "in greyscale"]),
        ("--limit-train 0", &["0"]),
        ("--monitor top1", &["unknown metric `top1`"]),
        ("--normalize imagnet", &["imagnet"]),
        ("--on-non-finite ignore", &["ignore"]),
        ("--sampling weighted([1])", &["weights"]),
        ("--recipe no-such", &["unknown recipe `no-such`"]),
        (
            "--recipe no-such.toml",
            &["cannot read the recipe no-such.toml"],
        ),
    ] {
        let ran = run(temp.path(), &format!("train {arguments} --out run"));
        assert_refused(&ran, 2, needles, arguments);
        assert!(
            !temp.path().join("run").exists(),
            "{arguments} left a run directory"
        );
    }
}

#[test]
fn wrong_recipes() {
    let temp = tempfile::tempdir().unwrap();
    for (text, needles) in [
        (
            "epoch = 3",
            &["r.toml has no key `epoch` (did you mean `epochs`?)"][..],
        ),
        (
            "epochs = \"x\"",
            &["epochs = \"x\"", "expected a whole number"],
        ),
        ("[optimizer]\nlr = 0.1", &["needs a key `name`"]),
    ] {
        fs::write(temp.path().join("r.toml"), text).unwrap();
        assert_refused(
            &run(temp.path(), "train --recipe r.toml --out run"),
            2,
            needles,
            text,
        );
    }
}

#[test]
fn wrong_files() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    fs::create_dir_all(at.join("folder/cat")).unwrap();
    fs::create_dir_all(at.join("folder/dog")).unwrap();
    fs::write(at.join("folder/cat/a.jpg"), b"").unwrap();
    fs::write(at.join("plain.txt"), b"x").unwrap();
    fs::write(at.join("bad.safetensors"), b"12345678901234567890").unwrap();
    for (arguments, needles) in [
        (
            "train --dataset mnist",
            &["datasets fetch mnist", "--data-dir"][..],
        ),
        ("train --dataset mnist --data-dir nowhere", &["nowhere"]),
        ("train --dataset folder:nowhere", &["nowhere"]),
        ("train --dataset folder:folder", &["dog"]),
        (
            "train --resume nowhere",
            &["nowhere: there is no such run directory"],
        ),
        ("train --out plain.txt", &["plain.txt"]),
        (
            "train --weights bad.safetensors --out w",
            &["bad.safetensors"],
        ),
        (
            "eval nowhere",
            &["nowhere: there is no such run directory or model file"],
        ),
        ("eval plain.txt", &["plain.txt"]),
        ("predict plain.txt plain.txt", &["plain.txt"]),
        (
            "report nowhere",
            &["nowhere: there is no such run directory"],
        ),
    ] {
        assert_refused(&run(at, arguments), 1, needles, arguments);
    }
    assert_refused(
        &run(
            at,
            "eval --model resnet20 --weights bad.safetensors --normalize cifar10 --dataset cifar10",
        ),
        1,
        &["bad.safetensors"],
        "bad weights",
    );
}

#[test]
fn a_folder_with_bad_images_fails_or_skips() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    images(&at.join("folder"), &["dark", "light"], 12);
    fs::write(at.join("folder/dark/zero.jpg"), b"").unwrap();
    fs::write(at.join("folder/light/text.png"), b"not an image").unwrap();
    let train = format!("train --dataset folder:folder {PHOTOS}");
    let fail = run(at, &format!("{train} --out a"));
    assert_eq!(fail.status, 1, "{}", fail.stderr);
    assert!(
        fail.stderr.contains("zero.jpg") || fail.stderr.contains("text.png"),
        "{}",
        fail.stderr
    );
    assert!(
        fail.stderr.contains("--on-bad-image skip"),
        "the way out: {}",
        fail.stderr
    );
    let skip = run(at, &format!("{train} --out b --on-bad-image skip"));
    succeeds(&skip);
    assert!(
        skip.stderr.contains("zero.jpg") && skip.stderr.contains("text.png"),
        "the list of what was left out: {}",
        skip.stderr
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_read_only_place_and_a_full_disk_lose_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    // /proc takes no directories, whoever asks.
    let ran = run(at, &format!("{SMALL} --out /proc/run"));
    assert_refused(&ran, 1, &["/proc/run"], "a place that cannot be written");
    // A small disk of its own, where the test may mount one.
    let disk = at.join("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=900k", "tmpfs"])
        .arg(&disk)
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: a full disk: this machine does not let tests mount one");
        return;
    }
    let ran = run(at, &format!("{SMALL} --out disk/run"));
    let kept = fs::read_dir(disk.join("run/checkpoints")).map(|entries| {
        entries
            .flatten()
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect::<Vec<_>>()
    });
    let _ = std::process::Command::new("umount").arg(&disk).status();
    assert_refused(&ran, 1, &["disk/run", "cannot write"], "a full disk");
    let whole = kept.unwrap_or_default();
    assert!(
        whole
            .iter()
            .all(|name| name.starts_with("step-") || name.starts_with(".tmp-")),
        "{whole:?}"
    );
}
