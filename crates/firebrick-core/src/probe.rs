//! Observes a forward pass: the output of each layer, without changing the model.

use std::cell::RefCell;
use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use crate::parameters::Path;
use crate::run::Observation;

struct Seen {
    layer: Option<ParamId>,
    observation: Observation,
}

thread_local! {
    static SEEN: RefCell<Option<Vec<Seen>>> = const { RefCell::new(None) };
}

/// Whether someone is observing on this thread.
#[must_use]
pub fn observing() -> bool {
    SEEN.with_borrow(Option::is_some)
}

/// Called by layers: notes the output if someone is observing on this thread.
pub fn record<const D: usize>(
    kind: &str,
    layer: Option<ParamId>,
    output: &Tensor<D>,
    multiply_adds: usize,
) {
    if !observing() {
        return;
    }
    let values: Vec<f64> = output.to_data().iter::<f64>().collect();
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let observation = Observation {
        path: String::new(),
        kind: kind.into(),
        shape: output.dims().to_vec(),
        parameters: 0,
        multiply_adds: multiply_adds as u64,
        mean,
        std: (values
            .iter()
            .map(|value| (value - mean).powi(2))
            .sum::<f64>()
            / count)
            .sqrt(),
        zeros: values.iter().filter(|value| **value == 0.0).count() as f64 / count,
    };
    SEEN.with_borrow_mut(|seen| {
        if let Some(seen) = seen {
            seen.push(Seen { layer, observation });
        }
    });
}

/// Runs `forward` on the model and returns what every layer put out, in order.
pub fn observe<M: Module, T>(model: &M, forward: impl FnOnce(&M) -> T) -> (T, Vec<Observation>) {
    let before = SEEN.replace(Some(Vec::new()));
    let result = forward(model);
    let seen = SEEN.replace(before).unwrap_or_default();
    let layers = Layers::of(model);
    let mut path = String::new();
    let named = seen.into_iter().map(
        |Seen {
             layer,
             mut observation,
         }| {
            if let Some((name, parameters)) = layer.and_then(|id| layers.by_parameter.get(&id)) {
                path.clone_from(name);
                observation.parameters = *parameters;
            }
            observation.path.clone_from(&path);
            observation
        },
    );
    (result, named.collect())
}

/// For each parameter, the path of its layer and the number of trainable values of that layer.
#[derive(Default)]
struct Layers {
    path: Path,
    found: Vec<(ParamId, String, usize)>,
    by_parameter: HashMap<ParamId, (String, usize)>,
}

impl Layers {
    fn of<M: Module>(model: &M) -> Self {
        let mut layers = Self::default();
        model.visit(&mut layers);
        let mut totals = HashMap::<&str, usize>::new();
        for (_, layer, count) in &layers.found {
            *totals.entry(layer).or_default() += count;
        }
        let named = layers
            .found
            .iter()
            .map(|(id, layer, _)| (*id, (layer.clone(), totals[layer.as_str()])));
        layers.by_parameter = named.collect();
        layers
    }
}

impl ModuleVisitor for Layers {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join();
        let (layer, _) = path.rsplit_once('.').unwrap_or(("", &path));
        let count = if self.path.is_statistic() {
            0
        } else {
            param.val().shape().num_elements()
        };
        self.found.push((param.id, layer.to_string(), count));
    }
}
