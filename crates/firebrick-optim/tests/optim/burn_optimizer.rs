//! Rules as burn's own optimizers, in burn's own loop.

use burn::module::{Module, ParamGroup};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor, TensorData};
use firebrick_core::parameters::{Gradients, Parameters};
use firebrick_core::update::{Step, Update};
use firebrick_optim::burn_optimizer::to_burn;
use firebrick_optim::optimizer::adam::Adam;
use firebrick_optim::optimizer::schedule_free::ScheduleFreeSgd;
use firebrick_optim::optimizer::sgd::Sgd;
use firebrick_optim::{Optimize, Rule};

#[derive(Module, Debug)]
struct Net {
    first: Linear,
    second: Linear,
}

fn flex() -> Device {
    firebrick_core::device("flex").unwrap().autodiff()
}

impl Net {
    fn new() -> Self {
        let set = |linear: Linear, start: f64| {
            let value = |param: &Tensor<2>| {
                let [rows, columns] = param.dims();
                let numbers = (0..rows * columns).map(|at| (1.7 * at as f64 + start).sin() * 0.5);
                TensorData::new(numbers.collect::<Vec<_>>(), [rows, columns])
            };
            let data = value(&linear.weight.val());
            Linear {
                weight: linear
                    .weight
                    .map(|_| Tensor::from_data(data, &flex()).require_grad()),
                bias: linear
                    .bias
                    .map(|bias| bias.map(|bias| bias.zeros_like().require_grad())),
            }
        };
        Self {
            first: set(LinearConfig::new(3, 4).init(&flex()), 0.0),
            second: set(LinearConfig::new(4, 2).init(&flex()), 1.0),
        }
    }

    fn loss(&self, step: usize) -> Tensor<1> {
        let numbers = (0..15).map(|at| ((at * 7 + step) as f64).cos()).collect();
        let x = Tensor::<2>::from_data(TensorData::new::<f64, _>(numbers, [5, 3]), &flex());
        let there = self.second.forward(self.first.forward(x).tanh());
        (there - 0.5).powi_scalar(2).mean()
    }

    fn numbers(&self) -> Vec<f32> {
        let params = [
            self.first.weight.val().flatten::<1>(0, 1),
            self.first.bias.as_ref().unwrap().val(),
            self.second.weight.val().flatten::<1>(0, 1),
            self.second.bias.as_ref().unwrap().val(),
        ];
        Tensor::cat(params.to_vec(), 0)
            .into_data()
            .iter::<f32>()
            .collect()
    }
}

/// By burn's loop.
fn by_burn(optimizer: &mut ModuleOptimizer, mut net: Net, steps: std::ops::Range<usize>) -> Net {
    for step in steps {
        let gradients = GradientsParams::from_grads(net.loss(step).backward(), &net);
        net = optimizer.step(0.05, net, gradients);
    }
    net
}

/// By ours.
fn by_update(update: &mut dyn Update, mut net: Net, steps: std::ops::Range<usize>) -> Net {
    for step in steps {
        let mut gradients = net.loss(step).backward();
        let gradients = Gradients::take(&net, &mut gradients);
        let (empty, parameters) = Parameters::take(net);
        let moment = Step::new(step as u64, 0.05);
        let mut again = |_: &Parameters| panic!("no rule here evaluates again");
        let stepped = update.step(&moment, parameters, gradients, &mut again);
        net = stepped.unwrap().put(empty);
    }
    net
}

fn both_loops_agree<R: Rule + Clone + Sync + 'static>(rule: R) {
    let mut ours = rule.build().unwrap();
    let expected = by_update(&mut *ours, Net::new(), 0..20).numbers();
    assert_ne!(expected, Net::new().numbers());
    let mut optimizer = ModuleOptimizer::from(to_burn(rule).unwrap());
    assert_eq!(
        by_burn(&mut optimizer, Net::new(), 0..20).numbers(),
        expected
    );
}

#[test]
fn twenty_steps_of_burns_loop_are_ours_bit_for_bit() {
    both_loops_agree(Adam::default());
    both_loops_agree(Sgd {
        momentum: 0.9,
        weight_decay: 0.1,
        nesterov: true,
        ..Sgd::default()
    });
    both_loops_agree(ScheduleFreeSgd::default());
}

#[test]
fn a_record_resumes_exactly() {
    let fresh = || ModuleOptimizer::from(to_burn(ScheduleFreeSgd::default()).unwrap());
    let mut whole = fresh();
    let middle = by_burn(&mut whole, Net::new(), 0..7);
    let bytes = whole.into_bytes().unwrap();
    // The state on its way from bytes to bytes, before any step, is the same.
    let again = fresh().from_bytes(bytes).unwrap().into_bytes().unwrap();
    let expected = by_burn(&mut whole, middle.clone(), 7..15).numbers();
    let mut resumed = fresh().from_bytes(again).unwrap();
    assert_eq!(
        by_burn(&mut resumed, middle.clone(), 7..15).numbers(),
        expected
    );
    assert_ne!(by_burn(&mut fresh(), middle, 7..15).numbers(), expected);
}

#[test]
fn burns_groups_take_rules() {
    let still = to_burn(Sgd::default()).unwrap();
    let adam = to_burn(Adam::default()).unwrap();
    let group = ParamGroup::from_predicate("second");
    let mut optimizer = ModuleOptimizer::from(adam).with_group(group, still, None);
    let net = by_burn(&mut optimizer, Net::new(), 0..1);
    let (found, start) = (net.numbers(), Net::new().numbers());
    // Adam's first step is the rate; SGD's is far smaller.
    let moved = |at: usize| (found[at] - start[at]).abs();
    assert!(
        (moved(0) - 0.05).abs() < 1e-5 && moved(16) < 0.045,
        "{found:?}"
    );
}

#[test]
fn fields_out_of_range_are_named() {
    let error = to_burn(Adam {
        beta1: 1.0,
        ..Adam::default()
    });
    let error = error.err().unwrap().to_string();
    assert!(error.contains("adam: beta1 = 1"), "{error}");
}
