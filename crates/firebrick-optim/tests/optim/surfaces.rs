//! The test surfaces: formulas, gradients, minima and descriptions.

use burn::tensor::{DType, Device, Tensor, TensorData};
use firebrick_core::contour::Window;
use firebrick_core::gradcheck::GradCheck;
use firebrick_core::random::rng;
use firebrick_core::spec::Spec;
use firebrick_optim::race::heights as heights_on;
use firebrick_optim::surface::{Facts, REGISTRY, Surface, build};
use rand::RngExt;

fn all() -> Vec<(&'static str, Box<dyn Surface>)> {
    let build = |name: &'static str| (name, build(&Spec::new(name)).unwrap());
    REGISTRY.names().into_iter().map(build).collect()
}

fn flex() -> Device {
    firebrick_core::device("flex").unwrap()
}

fn heights(surface: &dyn Surface, points: &[[f64; 2]]) -> Vec<f64> {
    heights_on(surface, points, &flex())
}

/// Points all over the domain, the same in every run.
fn somewhere(window: Window, count: usize) -> Vec<[f64; 2]> {
    let mut rng = rng(7, "surface", 0, 0);
    let mut within = |[low, high]: [f64; 2]| low + (high - low) * rng.random::<f64>();
    (0..count)
        .map(|_| [within(window.x), within(window.y)])
        .collect()
}

#[test]
fn heights_are_those_of_the_formulas_in_double_precision() {
    use std::f64::consts::{E, TAU};
    let formula = |name: &str, [x, y]: [f64; 2]| match name {
        "quadratic" => 0.5 * (x * x + 10.0 * y * y),
        "ravine" => 0.25 * ((x + y).powi(2) + 50.0 * (y - x).powi(2)),
        "saddle" => x * x - y * y,
        "beale" => [(1.5, y), (2.25, y * y), (2.625, y * y * y)]
            .iter()
            .map(|(c, p)| (c - x + x * p).powi(2))
            .sum(),
        "rosenbrock" => (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2),
        "himmelblau" => (x * x + y - 11.0).powi(2) + (x + y * y - 7.0).powi(2),
        "rastrigin" => 20.0 + x * x + y * y - 10.0 * (TAU * x).cos() - 10.0 * (TAU * y).cos(),
        "ackley" => {
            20.0 + E
                - 20.0 * (-0.2 * (0.5 * (x * x + y * y)).sqrt()).exp()
                - (0.5 * ((TAU * x).cos() + (TAU * y).cos())).exp()
        }
        "long_valley" => x * x / (x * x + 10.0) + 5.0 * y * y,
        other => panic!("no formula for {other}"),
    };
    for (name, surface) in all() {
        let points = somewhere(surface.facts().domain, 50);
        for (found, point) in heights(&*surface, &points).iter().zip(&points) {
            let expected = formula(name, *point);
            assert!(
                (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
                "{name} at {point:?}: {found} is not {expected}"
            );
        }
    }
}

#[test]
fn gradients_are_those_of_central_differences() {
    for (name, surface) in all() {
        for point in somewhere(surface.facts().view, 10) {
            let point = Tensor::<1>::from_data(TensorData::from(point), (&flex(), DType::F64));
            let height =
                |point: Tensor<1>| surface.height(point.clone().slice(0..1), point.slice(1..2));
            let report = GradCheck::default().tensor(name, &point, height);
            assert_eq!(report.dtype, DType::F64);
            report.assert_within(1e-6);
        }
    }
}

#[test]
fn nothing_lies_below_a_minimum() {
    for (name, surface) in all() {
        let facts = surface.facts();
        let at_minima = heights(&*surface, &facts.minima);
        assert!(
            at_minima
                .iter()
                .all(|height| (height - facts.lowest).abs() < 1e-12),
            "{name}: {at_minima:?}"
        );
        let lowest = heights(&*surface, &somewhere(facts.domain, 2000))
            .into_iter()
            .fold(f64::INFINITY, f64::min);
        assert_eq!(facts.minima.is_empty(), lowest < facts.lowest, "{name}");
        // Around a minimum everything is higher.
        for [x, y] in facts.minima {
            let ring: Vec<_> = (0..16)
                .map(|i| (f64::from(i) * std::f64::consts::TAU / 16.0).sin_cos())
                .map(|(sin, cos)| [x + 1e-3 * cos, y + 1e-3 * sin])
                .collect();
            let around = heights(&*surface, &ring);
            assert!(around.iter().all(|height| *height > facts.lowest), "{name}");
        }
    }
}

#[test]
fn views_lie_in_domains_and_hold_the_start_and_the_minima() {
    for (name, surface) in all() {
        let Facts {
            view,
            domain,
            start,
            minima,
            ..
        } = surface.facts();
        let corners = [[view.x[0], view.y[0]], [view.x[1], view.y[1]]];
        assert!(
            corners.iter().all(|corner| domain.contains(*corner)),
            "{name}"
        );
        assert!(view.contains(start), "{name}");
        assert!(
            minima.iter().all(|minimum| view.contains(*minimum)),
            "{name}"
        );
    }
}

#[test]
fn the_middle_of_ackley_has_a_gradient() {
    let device = flex().autodiff();
    let zero = Tensor::<1>::from_data(TensorData::from([0.0]), (&device, DType::F64));
    let x = zero.clone().require_grad();
    let gradients = build(&Spec::new("ackley"))
        .unwrap()
        .height(x.clone(), zero)
        .backward();
    assert_eq!(x.grad(&gradients).unwrap().into_scalar::<f64>(), 0.0);
}

#[test]
fn mistakes_are_named() {
    for (text, needle) in [
        (
            "rosenbrok",
            "unknown surface `rosenbrok` (did you mean `rosenbrock`?)",
        ),
        ("beale(a=1)", "beale has no key `a`"),
        ("quadratic(condition=0.5)", "quadratic: condition = 0.5"),
        ("quadratic(condition=nan)", "quadratic: condition = NaN"),
        ("quadratic(cond=3)", "did you mean `condition`?"),
    ] {
        let error = build(&text.parse().unwrap()).err().unwrap().to_string();
        assert!(error.contains(needle), "{text}: {error}");
    }
}
