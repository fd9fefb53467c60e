//! Fine-tuning by stages, and the models between a linear-probed and a fine-tuned one.

use crate::support::{fails, run, succeeds};

const IMAGES: &str =
    "--dataset glyphs(train=270,test=54) --model lenet5 --batch-size 32 --workers 1";

#[test]
fn a_model_is_probed_fine_tuned_and_the_best_between_is_found() {
    let temp = tempfile::tempdir().unwrap();
    let at = temp.path();
    succeeds(&run(
        at,
        &format!("train {IMAGES} --lr 0.003 --epochs 2 --out base --quiet"),
    ));
    let probed = run(
        at,
        &format!(
            "train {IMAGES} --weights base/model.safetensors --fine-tune lp_ft(head=0.5) --epochs 2 --out probed"
        ),
    );
    succeeds(&probed);
    // 8 updates in an epoch.
    for line in [
        "trained  from update 1: fc3",
        "from update 9: everything, at 0.1 × the rate",
        "at first frozen: conv1, conv2, fc1, fc2",
    ] {
        assert!(probed.stderr.contains(line), "{line}: {}", probed.stderr);
    }
    succeeds(&run(
        at,
        &format!(
            "train {IMAGES} --weights probed/model.safetensors --fine-tune all(discriminative=2) --penalize l2_sp(0.1) --lr 0.003 --epochs 1 --out tuned --quiet"
        ),
    ));
    let found = run(
        at,
        "transfer wise-ft probed tuned --points 3 --out between/best.safetensors --json",
    )
    .json();
    let places = found["places"].as_array().unwrap();
    let alphas: Vec<f64> = places
        .iter()
        .map(|place| place["alpha"].as_f64().unwrap())
        .collect();
    assert_eq!(alphas, [0.0, 0.5, 1.0]);
    let of = |run_dir: &str| {
        let arguments = format!("eval {run_dir} --split valid --json");
        run(at, &arguments).json()["top1"].as_f64().unwrap()
    };
    let top1 = |at: usize| places[at]["valid"]["top1"].as_f64().unwrap();
    assert_eq!((top1(0), top1(2)), (of("probed"), of("tuned")));
    let best = (0..3).map(top1).fold(0.0, f64::max);
    assert_eq!(found["valid"]["top1"].as_f64().unwrap(), best);
    let scored = run(
        at,
        "eval between/best.safetensors --dataset glyphs(train=270,test=54) --split test --json",
    );
    assert!(scored.json()["top1"].is_number());

    let table = run(
        at,
        "transfer wise-ft probed tuned --points 2 --alpha 0.25 --out quarter.safetensors",
    );
    succeeds(&table);
    for text in [
        "the probed model",
        "the fine-tuned model",
        "taken: alpha 0.250",
    ] {
        assert!(table.stdout.contains(text), "{text}: {}", table.stdout);
    }
    assert!(at.join("quarter.safetensors").is_file());

    for (arguments, status, needle) in [
        ("probed tuned --points 1", 2, "points = 1"),
        ("probed tuned --alpha 1.5", 2, "alpha = 1.5"),
        (
            "between/best.safetensors tuned",
            1,
            "lies in no run directory",
        ),
        ("probed nowhere", 1, "nowhere"),
    ] {
        let arguments = format!("transfer wise-ft {arguments} --out x.safetensors");
        fails(&run(at, &arguments), status, &[needle]);
    }
    let listed = run(at, "transfer list");
    assert!(
        listed.stdout.contains("gradual unfreezing"),
        "{}",
        listed.stdout
    );
}
