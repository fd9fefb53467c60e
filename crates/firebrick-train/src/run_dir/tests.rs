use super::*;

#[test]
fn a_run_directory_is_held_by_one() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    let held = RunDir::create(&path).unwrap();
    let error = RunDir::create(&path).unwrap_err().to_string();
    assert!(error.contains("another process"), "{error}");
    drop(held);
    let held = RunDir::create(&path).unwrap();
    drop(held);
    assert!(
        check_recipe(&path)
            .unwrap_err()
            .to_string()
            .contains("no recipe.toml")
    );
    assert!(in_use_while_held(&path));
    fs::create_dir(path.join("checkpoints/step-000000000")).unwrap();
    fs::write(path.join("recipe.toml"), "").unwrap();
    assert!(
        RunDir::create(&path)
            .unwrap_err()
            .to_string()
            .contains("--resume")
    );
}

fn in_use_while_held(path: &Path) -> bool {
    let held = RunDir::create(path).unwrap();
    let during = in_use(path);
    drop(held);
    during && !in_use(path) && !in_use(&path.join("nowhere"))
}

#[test]
fn directories_are_numbered_in_order_and_an_abandoned_one_leaves_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let parent = temp.path().join("runs");
    let first = RunDir::create_next(&parent, "photos-lenet5").unwrap();
    let second = RunDir::create_next(&parent, "photos-lenet5").unwrap();
    assert_eq!(second.path(), parent.join("photos-lenet5-2"));
    first.write("recipe.toml", b"").unwrap();
    first.event(&serde_json::json!({})).unwrap();
    first.abandon();
    assert!(!parent.join("photos-lenet5-1").exists());
    // One with a checkpoint stays.
    fs::create_dir(second.path().join("checkpoints/step-000000000")).unwrap();
    second.abandon();
    assert!(parent.join("photos-lenet5-2").is_dir());
    // So do a directory that was there before, and what someone else put into it.
    let own = temp.path().join("own");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("notes.txt"), b"mine").unwrap();
    let run = RunDir::create(&own).unwrap();
    for name in ["recipe.toml", "data.sha256", "something.new"] {
        run.write(name, b"").unwrap();
    }
    run.event(&serde_json::json!({})).unwrap();
    run.abandon();
    let left: Vec<_> = fs::read_dir(&own).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].file_name(), "notes.txt");
}

#[test]
fn events_have_the_time_that_the_clock_tells() {
    use std::time::{Duration, UNIX_EPOCH};
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    let at = |clock: Option<Clock>| RunDir::create(&path).unwrap().with_clock(clock);
    let start = serde_json::json!({ "event": "start", "from": null });
    // 2000-02-29 12:34:56.789 UTC: a leap day in a year that 100 divides.
    let leap: Clock = || UNIX_EPOCH + Duration::from_millis(951_827_696_789);
    let first = at(Some(leap));
    assert_eq!(first.now().as_deref(), Some("2000-02-29T12:34:56Z"));
    first.event(&start).unwrap();
    drop(first);
    let later: Clock = || UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    let second = at(Some(later));
    second
        .event(&serde_json::json!({ "event": "epoch" }))
        .unwrap();
    second.event(&start).unwrap();
    let events = path.join("events.jsonl");
    let text = fs::read_to_string(&events).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        r#"{"time":"2000-02-29T12:34:56.789Z","event":"start","from":null}"#
    );
    assert!(
        lines[1].starts_with(r#"{"time":"2100-01-01T00:00:00.000Z""#),
        "{text}"
    );
    let sessions = Sessions {
        count: 2,
        began: Some("2000-02-29T12:34:56Z".into()),
    };
    assert_eq!(second.sessions(), sessions);
    // A torn line and one without a time take nothing away.
    fs::write(&events, text + "{\"event\":\"st").unwrap();
    assert_eq!(second.sessions(), sessions);
    drop(second);
    fs::remove_file(&events).unwrap();
    let timeless = at(None);
    timeless.event(&start).unwrap();
    assert_eq!(fs::read_to_string(&events).unwrap(), format!("{start}\n"));
    assert_eq!(
        (timeless.now(), timeless.sessions()),
        (
            None,
            Sessions {
                count: 1,
                began: None
            }
        )
    );
}

#[test]
fn a_branch_cut_off_before_its_recipe_can_be_made_again() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    drop(RunDir::create(&path).unwrap());
    fs::create_dir(path.join("checkpoints/step-000000007")).unwrap();
    let error = check_recipe(&path).unwrap_err().to_string();
    assert!(error.contains("repeat that command"), "{error}");
    let run = RunDir::create(&path).unwrap();
    assert_eq!(run.checkpoints(), [] as [PathBuf; 0]);
    assert!(path.join("checkpoints/set-aside-step-000000007").is_dir());
    // Nothing is lost, however often.
    fs::create_dir(path.join("checkpoints/step-000000007")).unwrap();
    drop(run);
    RunDir::create(&path).unwrap();
    assert!(path.join("checkpoints/set-aside-step-000000007-2").is_dir());
}

#[test]
fn checkpoints_are_in_the_order_of_their_updates_and_only_they() {
    let temp = tempfile::tempdir().unwrap();
    let run = RunDir::create(&temp.path().join("run")).unwrap();
    for name in [
        "step-1000000000",
        "step-999999999",
        "step-000000007",
        "step-",
        "step-+5",
        "step-7x",
        ".tmp-1",
    ] {
        fs::create_dir(run.path().join("checkpoints").join(name)).unwrap();
    }
    let steps: Vec<_> = run
        .checkpoints()
        .iter()
        .filter_map(|path| step_of(path))
        .collect();
    assert_eq!(steps, [7, 999_999_999, 1_000_000_000]);
    assert_eq!(run.checkpoints().len(), 3);
}

#[test]
fn a_checkpoint_that_was_being_replaced_is_taken_back() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    drop(RunDir::create(&path).unwrap());
    fs::write(path.join("recipe.toml"), "").unwrap();
    let checkpoints = path.join("checkpoints");
    for name in [
        ".tmp-old-step-000000005",
        ".tmp-old-step-000000006",
        "step-000000006",
    ] {
        fs::create_dir(checkpoints.join(name)).unwrap();
    }
    let run = RunDir::open(&path).unwrap();
    let names: Vec<_> = run
        .checkpoints()
        .iter()
        .filter_map(|path| step_of(path))
        .collect();
    assert_eq!(names, [5, 6]);
    assert!(!checkpoints.join(".tmp-old-step-000000005").exists());
    assert!(checkpoints.join(".tmp-old-step-000000006").exists());
}

#[test]
fn what_crashes_left_behind_goes_and_nothing_else() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("run");
    drop(RunDir::create(&path).unwrap());
    let sets = path.join("checkpoints");
    fs::write(path.join("recipe.toml"), "").unwrap();
    for ours in [".tmp-aB3dE9", "checkpoints/.tmp-x1y2z3/model.safetensors"] {
        fs::create_dir_all(path.join(ours).parent().unwrap()).unwrap();
        fs::write(path.join(ours), "half").unwrap();
    }
    let theirs = [".tmp-notes.txt", ".tmp-", "tmp-aB3dE9", "notes.tmp"];
    theirs
        .iter()
        .for_each(|name| fs::write(path.join(name), "").unwrap());

    let _held = RunDir::open(&path).unwrap();
    let names = |path: &Path| {
        let entries = fs::read_dir(path).unwrap().flatten();
        let mut names: Vec<_> = entries
            .map(|e| e.file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let mut kept = theirs.to_vec();
    kept.extend([".lock", "checkpoints", "recipe.toml"]);
    kept.sort_unstable();
    assert_eq!(names(&path), kept);
    assert_eq!(names(&sets), [] as [String; 0]);
}

#[test]
fn files_are_replaced_whole() {
    let temp = tempfile::tempdir().unwrap();
    let run = RunDir::create(&temp.path().join("run")).unwrap();
    run.write("recipe.toml", b"a = 1").unwrap();
    run.write("recipe.toml", b"a = 2").unwrap();
    assert_eq!(fs::read(run.path().join("recipe.toml")).unwrap(), b"a = 2");
    let left = fs::read_dir(run.path())
        .unwrap()
        .flatten()
        .filter(|e| e.file_name().to_string_lossy().starts_with(".tmp"))
        .count();
    assert_eq!(left, 0);
}
