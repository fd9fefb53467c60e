//! Weights by name, address and file: where they come from, how they are verified, and how images are read for them. The server is this
//! process; nothing reaches the network.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use crate::support::{Ran, fails, firebrick, images, run, succeeds, zeros};

/// Answers requests by their path, whatever is asked; gives its address. A path that is not listed is not found.
fn serve(answers: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let path = head[0].split(' ').nth(1).unwrap().to_string();
            let found = answers.iter().find(|(known, _)| *known == path);
            let answer = found.map_or_else(
                || answer("404 Not Found", 0, b""),
                |(_, answer)| answer.clone(),
            );
            stream.write_all(&answer).unwrap();
        }
    });
    address
}

fn answer(status: &str, length: usize, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn whole(body: &[u8]) -> Vec<u8> {
    answer("200 OK", body.len(), body)
}

/// Runs a command whose hub is at `hub`, without the proxy that the environment may name.
fn at_hub(directory: &Path, hub: &str, arguments: &str) -> Ran {
    let mut command: Command = firebrick(directory);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    command
        .env("HF_ENDPOINT", hub)
        .args(arguments.split_whitespace())
        .output()
        .unwrap()
        .into()
}

fn one_image(at: &Path) {
    image::RgbImage::from_fn(40, 36, |x, y| image::Rgb([x as u8, y as u8, 9]))
        .save(at.join("one.png"))
        .unwrap();
}

#[test]
fn weights_of_the_hub_come_once_and_are_verified() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    one_image(at);
    let file = at.join("resnet20.safetensors");
    zeros(&file, "resnet20", 10, &BTreeMap::new());
    let bytes = fs::read(&file).unwrap();
    let hub = serve(vec![(
        "/me/net/resolve/main/model.safetensors",
        whole(&bytes),
    )]);
    let predict = "predict one.png --model resnet20 --weights hf-hub:me/net --weights-dir cache";
    let offline = at_hub(at, &hub, &format!("{predict} --offline"));
    fails(
        &offline,
        1,
        &[
            "hf-hub:me/net",
            "offline",
            "--weights-dir",
            "model.safetensors",
        ],
    );
    let first = at_hub(at, &hub, predict);
    succeeds(&first);
    let said = "reading images as for resnet20.cifar10: 32×32 pixels, crop share 1.000, bilinear, mean 0.485, 0.456, 0.406";
    assert!(first.stderr.contains(said), "{}", first.stderr);
    assert!(
        first.stderr.contains("downloading hf-hub:me/net"),
        "{}",
        first.stderr
    );
    assert!(
        first.stderr.contains("class names of cifar10"),
        "{}",
        first.stderr
    );
    // The server may be gone.
    let again = at_hub(at, "http://127.0.0.1:1", &format!("{predict} --offline"));
    succeeds(&again);
    assert_eq!(again.stdout, first.stdout);
    assert!(!again.stderr.contains("downloading"), "{}", again.stderr);

    let cached = at.join("cache/me/net/model.safetensors");
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(&cached, changed).unwrap();
    let refused = at_hub(at, &hub, predict);
    fails(
        &refused,
        1,
        &["model.safetensors", "was changed", "Delete it"],
    );
    fs::remove_file(&cached).unwrap();
    succeeds(&at_hub(at, &hub, predict));

    let absent = predict.replace("me/net", "me/nothing");
    let absent = at_hub(at, &hub, &absent);
    fails(&absent, 1, &["404", "no model `me/nothing`", "me/nothing"]);
    let unreachable = predict.replace("me/net", "me/other");
    let unreachable = at_hub(at, "http://127.0.0.1:1", &unreachable);
    fails(
        &unreachable,
        1,
        &["cannot download", "by hand", "--weights-dir"],
    );
    let wrong = predict.replace("me/net", "net");
    fails(&at_hub(at, &hub, &wrong), 2, &["hf-hub:OWNER/NAME"]);
}

#[test]
fn what_an_address_sends_is_looked_at() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    one_image(at);
    let file = at.join("resnet20.safetensors");
    zeros(&file, "resnet20", 10, &BTreeMap::new());
    let bytes = fs::read(&file).unwrap();
    let cut = bytes.len() / 2;
    let server = serve(vec![
        ("/a/net.safetensors", whole(&bytes)),
        ("/a/page.pth", whole(b"<!DOCTYPE html><html>Sign in</html>")),
        (
            "/a/cut.safetensors",
            answer("200 OK", bytes.len(), &bytes[..cut]),
        ),
        ("/a/short.safetensors", whole(&bytes[..cut])),
    ]);
    let predict = |file: &str| {
        at_hub(
            at,
            &server,
            &format!(
                "predict one.png --model resnet20 --weights {server}/a/{file} --weights-dir cache"
            ),
        )
    };
    succeeds(&predict("net.safetensors"));
    for (file, needles) in [
        ("page.pth", ["HTML", "check the address"]),
        (
            "cut.safetensors",
            ["broke after", "run the same command again"],
        ),
        (
            "short.safetensors",
            ["its tensors need", "check the address"],
        ),
        ("none.pth", ["404", "check the address"]),
    ] {
        fails(&predict(file), 1, &needles);
    }
    let left = |name: &str| {
        crate::support::files(&at.join("cache"))
            .iter()
            .any(|file| file.ends_with(name))
    };
    assert!(left("net.safetensors") && left("net.safetensors.sha256"));
    assert!(!left("page.pth") && !left("cut.safetensors") && !left("short.safetensors"));
}

#[test]
fn published_weights_are_used_from_the_directory_when_they_are_what_they_must_be() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    one_image(at);
    let predict = "predict one.png --model resnet20 --weights-dir cache --offline";
    let absent = run(at, &format!("{predict} --weights pretrained"));
    fails(
        &absent,
        1,
        &["resnet20.cifar10", "resnet20-12fca82f.th", "offline"],
    );
    fs::create_dir(at.join("cache")).unwrap();
    fs::write(at.join("cache/resnet20-12fca82f.th"), b"another file").unwrap();
    let changed = run(at, &format!("{predict} --weights cifar10"));
    fails(
        &changed,
        1,
        &["resnet20-12fca82f.th", "was changed", "12fca82f0bebc4135b"],
    );
    let unknown = run(at, &format!("{predict} --weights IMAGENET1K_V7"));
    fails(&unknown, 2, &["IMAGENET1K_V7", "pretrained, cifar10"]);
    let other = run(at, &format!("{predict} --weights resnet18.IMAGENET1K_V1"));
    fails(&other, 2, &["weights of resnet18", "the model is resnet20"]);
    let none = "predict one.png --model lenet5 --weights pretrained";
    fails(&run(at, none), 2, &["no published weights for lenet5"]);
    let unpublished = "predict one.png --model mobilenet_v1 --weights pretrained";
    fails(&run(at, unpublished), 2, &["no file that can be loaded"]);

    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/weights");
    let real = real.join("resnet20-12fca82f.th");
    if !real.is_file() {
        println!("SKIPPED: the published weights of resnet20 are not beside the repository");
        return;
    }
    fs::copy(real, at.join("cache/resnet20-12fca82f.th")).unwrap();
    for name in ["pretrained", "cifar10", "resnet20.cifar10"] {
        let ran = run(at, &format!("{predict} --weights {name} --json"));
        assert_eq!(ran.json()[0]["top"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn how_images_are_read_is_known_or_must_be_said() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    one_image(at);
    zeros(
        &at.join("lenet5.safetensors"),
        "lenet5",
        10,
        &BTreeMap::new(),
    );
    let unknown = run(
        at,
        "predict one.png --model lenet5 --weights lenet5.safetensors",
    );
    fails(
        &unknown,
        2,
        &["how the images were normalized", "--normalize"],
    );
    // A version of a network that is not the published one.
    zeros(
        &at.join("small.safetensors"),
        "resnet18(stem=cifar)",
        10,
        &BTreeMap::new(),
    );
    let small = "predict one.png --model resnet18(stem=cifar) --weights small.safetensors";
    fails(&run(at, small), 2, &["--normalize"]);
    succeeds(&run(at, &format!("{small} --normalize none")));
    // A flag in place of what is published.
    zeros(
        &at.join("net.safetensors"),
        "resnet20",
        10,
        &BTreeMap::new(),
    );
    let nearest =
        "predict one.png --model resnet20 --weights net.safetensors --interpolation nearest";
    let nearest = run(at, nearest);
    assert!(
        nearest
            .stderr
            .contains("crop share 1.000, nearest, mean 0.485"),
        "{}",
        nearest.stderr
    );
    // Firebrick's own files say it themselves.
    let own = serde_json::json!({
        "channels": 3, "height": 24, "width": 24, "fit": "crop", "mean": [0.25, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
    });
    let metadata = BTreeMap::from([("firebrick.preprocessing", own.to_string())]);
    zeros(&at.join("own.safetensors"), "resnet20", 10, &metadata);
    let said = run(
        at,
        "predict one.png --model resnet20 --weights own.safetensors",
    );
    succeeds(&said);
    assert!(
        said.stderr.contains("24×24 pixels") && said.stderr.contains("mean 0.25"),
        "{}",
        said.stderr
    );
}

#[test]
fn training_begins_with_published_weights_in_one_flag() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    images(&at.join("photos"), &["cat", "dog"], 8);
    zeros(
        &at.join("net.safetensors"),
        "resnet20",
        10,
        &BTreeMap::new(),
    );
    let train = "train --dataset folder:photos --model resnet20 --weights net.safetensors --epochs 1 --batch-size 4 --max-updates 1";
    let ran = run(at, &format!("{train} --out rgb"));
    succeeds(&ran);
    for said in [
        "reading images as for resnet20.cifar10: 32×32 pixels, crop share 1.000, bilinear, mean 0.485, 0.456, 0.406",
        "net.safetensors: the head is reinitialized",
    ] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    let recipe = fs::read_to_string(at.join("rgb/recipe.toml")).unwrap();
    for line in [
        "mean=0.485, 0.456, 0.406",
        "image_size = 32",
        "crop_pct = 1.0",
        "interpolation = \"bilinear\"",
    ] {
        assert!(recipe.contains(line), "{line}: {recipe}");
    }
    // Grey images, other layers left out, and a normalization of one's own.
    let grey = run(
        at,
        &format!("{train} --channels 1 --weights-except layer3.*,layer2.0.* --out grey"),
    );
    succeeds(&grey);
    for said in [
        "`conv1.weight` reads RGB in the file and 1 channel here: its weights are summed",
        "not loaded, because of the exceptions: `layer2.0.conv1.weight`",
        "mean 0.449",
    ] {
        assert!(grey.stderr.contains(said), "{said}: {}", grey.stderr);
    }
    let own = run(at, &format!("{train} --normalize none --out own"));
    assert!(!own.stderr.contains("reading images as"), "{}", own.stderr);
    let wrong = run(at, &format!("{train} --weights-except head.* --out wrong"));
    fails(&wrong, 1, &["no key matches the exception `head.*`"]);
    assert!(!at.join("wrong").exists());
    let other = train.replace("resnet20 ", "resnet32 ");
    fails(
        &run(at, &format!("{other} --out other")),
        1,
        &["layer1.3.conv1.weight` [16, 16, 3, 3] is missing"],
    );
}

#[test]
fn published_weights_are_listed() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let all = run(at, "models weights --json").json();
    assert!(all.as_array().unwrap().len() > 90);
    let own = run(at, "models weights resnet50 --json").json();
    let first = &own[0];
    assert_eq!(first["tag"], "IMAGENET1K_V2");
    assert_eq!(first["sha256"], "11ad3fa6");
    assert_eq!(first["licence"], "BSD-3-Clause");
    assert_eq!(first["preprocessing"]["filter"], "bilinear");
    assert_eq!(first["top1"], 80.858);
    let described = run(at, "models describe resnet20 --json").json();
    assert_eq!(
        described["weights"],
        run(at, "models weights resnet20 --json").json()
    );
    let table = run(at, "models weights resnet50");
    for said in [
        "resnet50.IMAGENET1K_V1",
        "76.13",
        "97.8",
        "224, crop 0.966, bilinear",
        "sha256 begins with 0676ba61",
    ] {
        assert!(table.stdout.contains(said), "{said}: {}", table.stdout);
    }
    let none = run(at, "models weights lenet5");
    assert!(
        none.stdout.contains("no published weights for lenet5"),
        "{}",
        none.stdout
    );
    fails(
        &run(at, "models weights resnt50"),
        2,
        &["did you mean `resnet50`"],
    );
}

#[test]
fn the_classes_of_imagenet_have_their_names() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    one_image(at);
    let spec = "mobilenet_v1(width=0.25)";
    let file = at.join("net.safetensors");
    zeros(&file, spec, 1000, &BTreeMap::new());
    let plain = format!("--model {spec} --weights net.safetensors");
    let predicted = run(at, &format!("predict one.png {plain}"));
    succeeds(&predicted);
    let said = "using the class names of imagenet, because the published weights are for it; --classes 1000 takes numbers";
    assert!(predicted.stderr.contains(said), "{}", predicted.stderr);
    let first = |flags: &str| {
        let told = run(at, &format!("predict one.png {plain} --json {flags}")).json();
        told[0]["top"][0]["class"].clone()
    };
    // All are equally likely.
    assert_eq!(first(""), "tench");
    assert_eq!(first("--classes imagenet"), "tench");
    assert_eq!(first("--classes 1000"), "0");
    succeeds(&run(
        at,
        &format!("export {plain} --format safetensors --out own.safetensors"),
    ));
    let own = fs::read(at.join("own.safetensors")).unwrap();
    let names = br#"great white shark\",\"tiger shark"#;
    assert!(own.windows(names.len()).any(|window| window == names));

    // The folders of the data set are named by WordNet's ids; other data may be named by the classes or by their numbers.
    let scores = |model: &str, folder: &str| {
        run(
            at,
            &format!("eval {model} --dataset folder:{folder} --json"),
        )
    };
    images(&at.join("ids"), &["n01443537", "n01440764"], 1);
    images(&at.join("named"), &["goldfish", "tench"], 1);
    images(&at.join("numbered"), &["1", "0"], 1);
    let right = |ran: Ran| {
        let told = ran.json();
        let classes = told["per_class"].as_array().unwrap();
        let counted = classes.iter().filter(|class| class["count"] == 1);
        let counted: Vec<_> = counted.map(|class| class["class"].clone()).collect();
        assert_eq!(counted, ["tench", "goldfish"], "{told}");
        told["top1"].clone()
    };
    for folder in ["ids", "named", "numbered"] {
        assert_eq!(right(scores(&plain, folder)), 0.5, "{folder}");
    }
    assert_eq!(right(scores("own.safetensors", "ids")), 0.5);
    images(&at.join("others"), &["ants", "bees"], 1);
    fails(
        &scores(&plain, "others"),
        2,
        &["`ants` is not a class of the model"],
    );
}

#[test]
fn a_network_for_colours_takes_grey_photos() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    let shade = |x: u32, y: u32| (x * 5 + y) as u8;
    image::GrayImage::from_fn(40, 36, |x, y| image::Luma([shade(x, y)]))
        .save(at.join("grey.png"))
        .unwrap();
    image::RgbImage::from_fn(40, 36, |x, y| image::Rgb([shade(x, y); 3]))
        .save(at.join("rgb.png"))
        .unwrap();
    // Weights of a run: zeros would answer the same to every photo.
    images(&at.join("photos"), &["cat", "dog"], 4);
    let train = "train --dataset folder:photos --model resnet20 --epochs 1 --batch-size 4 --max-updates 1 --channels 3 --image-size 32 --out run";
    succeeds(&run(at, train));
    let told = run(at, "predict run grey.png rgb.png --json --logits").json();
    assert_eq!(told[0]["logits"], told[1]["logits"]);
}
