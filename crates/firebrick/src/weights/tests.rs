use super::*;

fn place(at: &Path) -> WeightsPlace {
    WeightsPlace {
        offline: true,
        ..WeightsPlace::at(at)
    }
}

fn refused(place: &WeightsPlace, text: &str, model: &str) -> String {
    let error = place.find(text, &Spec::new(model)).unwrap_err();
    error.to_string()
}

#[test]
fn texts_name_files_addresses_and_models_of_the_hub() {
    let remote = |text: &str, model: &str| {
        let source = Source::of(text, &Spec::new(model), "https://hub.example/").unwrap();
        let Source::Remote(remote) = source else {
            panic!("{text} is a file")
        };
        remote
    };
    let published = remote("pretrained", "resnet18");
    assert_eq!(published.file, Path::new("resnet18-f37072fd.pth"));
    assert_eq!(published.sha256.as_deref(), Some("f37072fd"));
    assert_eq!(published.name, "resnet18.IMAGENET1K_V1");
    assert_eq!(remote(&published.url, "resnet18"), published);
    // A mirror of the hub is asked for what lies only there.
    let hub = remote("pretrained", "repvgg_a0");
    assert_eq!(
        hub.url,
        "https://hub.example/timm/repvgg_a0.rvgg_in1k/resolve/main/model.safetensors"
    );
    let same = remote("hf-hub:timm/repvgg_a0.rvgg_in1k", "repvgg_a0");
    assert_eq!(
        (&same.url, &same.file, same.published),
        (&hub.url, &hub.file, hub.published)
    );
    let revision = remote("hf_hub:me/net@v2", "resnet18");
    assert_eq!(revision.file, Path::new("me/net/v2/model.safetensors"));
    assert!(
        revision
            .url
            .ends_with("/me/net/resolve/v2/model.safetensors")
    );
    let asked = remote("https://a.example/x/../net-20231205.pth?v=1", "resnet18");
    assert_eq!(
        asked.by_hand.as_deref(),
        Some(Path::new("net-20231205.pth"))
    );
    // The digits are a date.
    assert_eq!(asked.sha256, None);
    assert!(asked.file.starts_with("a.example/x") && !asked.file.to_string_lossy().contains(".."));
    assert_ne!(
        asked.file,
        remote("https://a.example/x/net-20231205.pth?v=2", "resnet18").file
    );
    let torch = remote(
        "https://download.pytorch.org/models/some-0123abcd.pth",
        "resnet18",
    );
    assert_eq!(torch.sha256.as_deref(), Some("0123abcd"));
    let file = |text: &str| Source::of(text, &Spec::new("resnet18"), "").unwrap();
    for text in ["no.pth", "./pretrained", "a/b", "x.safetensors"] {
        assert_eq!(file(text), Source::File(text.into()));
    }
}

#[test]
fn texts_that_name_nothing_say_what_there_is() {
    let temp = tempfile::tempdir().unwrap();
    let place = place(temp.path());
    for (text, model, needle) in [
        (
            "IMAGENET1K_V9",
            "resnet50",
            "pretrained, IMAGENET1K_V2, IMAGENET1K_V1",
        ),
        ("weights", "small_cnn", "there are none for small_cnn"),
        ("hf-hub:timm", "resnet18", "hf-hub:OWNER/NAME"),
        ("hf-hub:../x", "resnet18", "hf-hub:OWNER/NAME"),
        ("hf-hub:a/b/c", "resnet18", "hf-hub:OWNER/NAME"),
        ("https://example.com", "resnet18", "names no file"),
        ("pretrained", "resnet18", "resnet18-f37072fd.pth"),
    ] {
        let error = refused(&place, text, model);
        assert!(error.contains(needle), "{text}: {error}");
    }
}

#[test]
fn a_file_that_is_there_is_verified_by_what_is_known_of_it() {
    let temp = tempfile::tempdir().unwrap();
    let place = place(temp.path());
    let put = |name: &str, text: &str| {
        let path = temp.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    put("resnet18-f37072fd.pth", "not these");
    let error = refused(&place, "pretrained", "resnet18");
    assert!(error.contains("begin with f37072fd"), "{error}");
    // Of this file nothing is known, until its checksum is noted.
    let path = put("me/net/model.safetensors", "anything");
    let found = place.find("hf-hub:me/net", &Spec::new("resnet18")).unwrap();
    assert_eq!((&found.path, found.published), (&path, None));
    note_checksum(&path).unwrap();
    place.find("hf-hub:me/net", &Spec::new("resnet18")).unwrap();
    fs::write(&path, "something else").unwrap();
    let error = refused(&place, "hf-hub:me/net", "resnet18");
    assert!(
        error.contains("was changed") && error.contains("must be "),
        "{error}"
    );
    // Under its own name, as people put it there.
    let by_hand = put("net.pth", "anything");
    let found = place.find("https://a.example/b/net.pth", &Spec::new("resnet18"));
    assert_eq!(found.unwrap().path, by_hand);
}

#[test]
fn how_images_are_read_comes_from_the_weights_or_their_model() {
    let temp = tempfile::tempdir().unwrap();
    let place = place(temp.path());
    let native = |spec: &str| firebrick_zoo::default_input(&spec.parse().unwrap()).unwrap();
    let expected = |name: &str, spec: &str| {
        let path = temp.path().join(name);
        let empty = firebrick_core::state_dict::StateDict::default();
        fs::write(&path, empty.to_safetensors().unwrap()).unwrap();
        let spec: Spec = spec.parse().unwrap();
        let found = place.find(&path.display().to_string(), &spec).unwrap();
        let file = WeightsFile::open(&path).unwrap();
        found.expected(&file, &spec, &native(&spec.to_string()))
    };
    let crop = |found: Option<Expected>| found.map(|found| (found.of, found.preprocessing.crop));
    assert_eq!(
        crop(expected("resnet50-0676ba61.pth", "resnet50")),
        Some(("resnet50.IMAGENET1K_V1".into(), 0.875))
    );
    assert_eq!(
        crop(expected("mine.pth", "resnet50")),
        Some(("resnet50.IMAGENET1K_V2".into(), 224.0 / 232.0))
    );
    assert_eq!(
        crop(expected("mine.pth", "mobilenet_v1(width=0.25)")),
        Some(("mobilenet_v1.google".into(), 0.875))
    );
    assert_eq!(crop(expected("mine.pth", "resnet50(stem=cifar)")), None);
    assert_eq!(crop(expected("mine.pth", "lenet5")), None);
    let grey = expected("mine.pth", "resnet20").unwrap().for_channels(1);
    let mean = (0.485 + 0.456 + 0.406) / 3.0;
    assert!((grey.preprocessing.mean[0] - mean).abs() < 1e-6);
    assert_eq!(
        (grey.preprocessing.mean.len(), grey.preprocessing.std.len()),
        (1, 1)
    );
    let sentence = grey.sentence(false);
    assert!(
        sentence.starts_with("reading images as for resnet20.cifar10: mean 0.449"),
        "{sentence}"
    );
}
