//! Consistent commands: the same verbs for every family, one meaning for each flag, and messages that say what is
//! expected.

use std::fs;

use crate::support::{run, run_with, succeeds};

#[test]
fn every_family_lists_and_describes() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    for (family, one) in [
        ("optim", "adam"),
        ("schedule", "cosine"),
        ("augment", "pad_crop"),
        ("dropout", "dropblock"),
        ("loss", "cross_entropy"),
        ("sampling", "balanced"),
        ("models", "lenet5"),
        ("datasets", "cifar10"),
        ("recipes", "mnist-lenet5"),
    ] {
        let list = run(at, &format!("{family} list"));
        assert_eq!(list.status, 0, "{family}: {}", list.stderr);
        assert!(list.stdout.contains(one), "{family}: {}", list.stdout);
        let described = run(at, &format!("{family} describe {one}"));
        assert_eq!(described.status, 0, "{family}: {}", described.stderr);
        assert!(!described.stdout.is_empty(), "{family}");
        let unknown = run(at, &format!("{family} describe nonesuch"));
        assert_eq!(unknown.status, 2, "{family}: {}", unknown.stderr);
        assert!(unknown.stderr.contains("nonesuch"), "{}", unknown.stderr);
    }
    let json = run(at, "schedule describe cosine --json").json();
    let keys: Vec<_> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["name", "signature", "summary", "source", "fields"]);
    let fields = json["fields"].as_array().unwrap();
    let range = |fields: &[serde_json::Value], name: &str| {
        let field = fields.iter().find(|field| field["name"] == name);
        field.unwrap()["range"].as_str().unwrap().to_string()
    };
    assert_eq!(range(fields, "min_lr"), "in [0, lr]");
    let text = run(at, "augment describe pad_crop").stdout;
    for needle in [
        "a whole number in [0, 4096]",
        "one of constant, reflect, edge",
        "torchvision",
    ] {
        assert!(text.contains(needle), "{text}");
    }
    let model = run(at, "models describe small_cnn --json").json();
    let fields = model["fields"].as_array().unwrap();
    assert_eq!(range(fields, "width"), "a whole number in [1, 1024]");
    let text = run(at, "datasets describe glyphs").stdout;
    assert!(text.contains("in [0, 2]"), "{text}");
    let rows = run(at, "loss list --json").json();
    assert_eq!(rows[0]["name"], "cross_entropy");
    // The forms of before.
    for old in [
        "schedule --list",
        "datasets info cifar10",
        "recipes",
        "recipes mnist-lenet5",
    ] {
        assert_eq!(run(at, old).status, 0, "{old}");
    }
    let old = run(at, "schedule --list --json").json();
    assert_eq!(old, run(at, "schedule list --json").json());
    let race = |flag: &str| {
        run(
            at,
            &format!("optim race --steps 3 {flag} sgd(lr=0.1) --json"),
        )
        .json()
    };
    assert_eq!(race("--optim"), race("--optimizer"));
}

#[test]
fn numbers_that_are_none_name_the_flag_and_what_it_wants() {
    let temp = tempfile::tempdir().unwrap();
    let whole = "expected a whole number";
    let number = "expected a number";
    for (arguments, flag, expected) in [
        ("train --epochs ten", "--epochs", whole),
        ("train --epochs -3", "--epochs", whole),
        ("train --batch-size 1.5", "--batch-size", whole),
        ("train --lr fast", "--lr", number),
        ("train --clip-norm 1,5", "--clip-norm", number),
        ("train --group fc*:lr=half", "--group", number),
        ("lr-find --num-iter 1e2", "--num-iter", whole),
        (
            "search glyphs --space lr=log(1,2) --trials some",
            "--trials",
            whole,
        ),
        ("schedule cosine --steps many", "--steps", whole),
        ("models describe lenet5 --classes x", "--classes", whole),
        ("optim race --noise loud", "--noise", number),
        ("eval run --batch-size x", "--batch-size", whole),
        ("predict run image.png --top x", "--top", whole),
    ] {
        let ran = run(temp.path(), arguments);
        assert_eq!(ran.status, 2, "{arguments}: {}", ran.stderr);
        for needle in [flag, expected] {
            assert!(ran.stderr.contains(needle), "{arguments}: {}", ran.stderr);
        }
        assert!(!ran.stderr.contains("invalid digit"), "{}", ran.stderr);
    }
}

#[test]
fn what_stands_in_the_wrong_place_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    fs::create_dir_all(at.join("photos/ants")).unwrap();
    for (arguments, needles) in [
        (
            "predict nope.png",
            &[
                "nope.png",
                "the first argument must be a run directory",
                "firebrick predict RUN nope.png",
            ][..],
        ),
        (
            "predict a.JPG b.jpg",
            &["a.JPG", "first argument must be a run"],
        ),
        (
            "predict some-run",
            &["no images", "some-run, is the run directory or model file"],
        ),
        (
            "train --dataset photos",
            &["for the images of a folder or a pack write folder:photos"],
        ),
        ("train --dataset /data/x", &["folder:/data/x"]),
        ("train --dataset ./x", &["folder:./x"]),
        ("train --split 0.2", &["--valid-fraction"]),
        (
            "train --model small_cnn --group *.gamma:lr=2",
            &["`*.gamma` matches no parameter", "gamma is called `weight`"],
        ),
        (
            "optim describe sgd --model resnet20 --group bn1.beta:lr=2",
            &["beta is called `bias`, here for instance `bn1.bias`"],
        ),
    ] {
        let ran = run(at, arguments);
        assert_eq!(ran.status, 2, "{arguments}: {}", ran.stderr);
        for needle in needles {
            assert!(ran.stderr.contains(needle), "{arguments}: {}", ran.stderr);
        }
    }
    assert!(!at.join("runs").exists() || fs::read_dir(at.join("runs")).unwrap().count() == 0);
}

#[test]
fn parameters_bear_the_names_of_the_file() {
    let temp = tempfile::tempdir().unwrap();
    let rows = run(temp.path(), "optim describe sgd --model resnet20 --json").json();
    let paths = rows["groups"].as_array().unwrap();
    let has = |path: &str| paths.iter().any(|row| row["path"] == path);
    assert!(has("bn1.weight") && has("layer1.0.bn2.bias") && has("linear.weight"));
    assert!(
        !paths
            .iter()
            .any(|row| row["path"].as_str().unwrap().ends_with("gamma"))
    );
}

#[test]
fn a_rate_given_alone_wins_over_those_in_specs() {
    let temp = tempfile::tempdir().unwrap();
    let train = "train --dataset glyphs(train=60,test=10) --model lenet5 --max-updates 1 --epochs 1 --quiet --out run";
    for (flags, recipe) in [
        ("--optimizer adam(lr=1e-2) --lr 2e-3", "lr=0.002"),
        (
            "--schedule cosine(0.5) --optimizer sgd(0.3) --lr 0.25",
            "lr=0.25",
        ),
    ] {
        let ran = run(temp.path(), &format!("{train} {flags}"));
        succeeds(&ran);
        let text = fs::read_to_string(temp.path().join("run/recipe.toml")).unwrap();
        assert!(text.contains(recipe), "{text}");
        for other in ["0.01", "0.5", "0.3"] {
            assert!(!text.contains(&format!("lr={other}")), "{text}");
        }
        fs::remove_dir_all(temp.path().join("run")).unwrap();
    }
}

#[test]
fn plain_weights_of_a_known_set_predict_its_names() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let train = "train --dataset glyphs(train=60,test=10,domain=rgb) --model small_cnn --max-updates 1 --epochs 1 --quiet --out run";
    let ran = run(at, train);
    succeeds(&ran);
    fs::copy(
        at.join("run/model.safetensors"),
        at.join("cnn-glyphs.safetensors"),
    )
    .unwrap();
    fs::copy(at.join("run/model.safetensors"), at.join("cnn.safetensors")).unwrap();
    image::GrayImage::new(32, 32)
        .save(at.join("one.png"))
        .unwrap();
    let predict = |weights: &str, more: &[&str]| {
        let all = [
            &[
                "predict",
                "one.png",
                "--model",
                "small_cnn",
                "--normalize",
                "none",
                "--json",
                "--top",
                "27",
            ],
            &["--weights", weights][..],
            more,
        ];
        let json = run_with(at, &all.concat()).json();
        let top = json[0]["top"].as_array().unwrap().clone();
        let name = |index: usize| {
            let found = top.iter().find(|guess| guess["index"] == index);
            found.unwrap()["class"].as_str().unwrap().to_string()
        };
        name(10)
    };
    let names = run(at, "predict run one.png --json --top 27").json();
    let named = names[0]["top"].as_array().unwrap();
    let tenth = named.iter().find(|guess| guess["index"] == 10).unwrap();
    let tenth = tenth["class"].as_str().unwrap();
    assert_ne!(tenth, "10");
    assert_eq!(predict("cnn.safetensors", &["--classes", "glyphs"]), tenth);
    assert_eq!(
        predict("cnn-glyphs.safetensors", &["--classes", "27"]),
        "10"
    );
}

#[test]
fn a_run_that_diverges_is_warned_once_and_the_record_has_it() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let train = "train --dataset glyphs(train=240,test=20) --model lenet5 --batch-size 8 --optimizer adam --lr 3 --epochs 3";
    let ran = run(at, &format!("{train} --max-updates 60 --out run"));
    succeeds(&ran);
    let said = |text: &str| text.matches("warning: ").count();
    assert_eq!(said(&ran.stderr), 1, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("guessing among") && ran.stderr.contains("lr-find"),
        "{}",
        ran.stderr
    );
    let record = || fs::read_to_string(at.join("run/run.json")).unwrap();
    assert!(record().contains("\"warnings\":[\"") && record().contains("training diverges"));
    let events = fs::read_to_string(at.join("run/events.jsonl")).unwrap();
    assert_eq!(events.matches("\"warning\"").count(), 1, "{events}");
    let rest = run(at, "train --resume run");
    assert_eq!((rest.status, said(&rest.stderr)), (0, 0), "{}", rest.stderr);
    assert!(record().contains("training diverges"), "a resume forgot it");
    let good = run(
        at,
        "train --dataset glyphs(train=480,test=20) --model small_cnn(width=8) --batch-size 8 --epochs 2 --out good",
    );
    assert_eq!((good.status, said(&good.stderr)), (0, 0), "{}", good.stderr);
}
