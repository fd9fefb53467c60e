//! Freezing parts of a model.
//!
//! A frozen parameter has no gradient: it is not part of an update, its norm counts in no limit, and neither
//! momentum nor weight decay moves it. A batch norm whose parameters are all frozen uses its running
//! statistics and keeps them. A layer without parameters, such as dropout, is off while it is frozen.
//!
//! Checkpoints and weight files do not say what is frozen; whoever freezes a model does so again after a
//! resume, as a hook can in its `begin`.

use std::collections::BTreeMap;

use burn::module::{Flag, Module, ModuleMapper, Param};
use burn::tensor::Tensor;
use firebrick_types::groups::module_of;

use crate::parameters::Path;

/// Freezes the parameters whose path `which` selects, for instance `|path| !path.starts_with("fc.")`.
///
/// Paths are those of weight files. A batch norm is frozen with the last of its parameters. A layer without
/// parameters goes by the path of its flag, such as `dropout.training`.
pub fn freeze<M: Module>(model: M, which: impl Fn(&str) -> bool) -> M {
    set_trainable(model, &which, false)
}

/// Trains the parameters again whose path `which` selects, and the layers that hold them, see [`freeze`].
pub fn unfreeze<M: Module>(model: M, which: impl Fn(&str) -> bool) -> M {
    set_trainable(model, &which, true)
}

/// Trains scale and shift of the batch norms whose path `which` selects, such as `layer1.0.bn1`, but normalizes by the running statistics,
/// which stay as they are: for small batches on a pretrained model.
///
/// [`unfreeze`] with one of their parameters makes them take statistics again.
pub fn freeze_statistics<M: Module>(model: M, which: impl Fn(&str) -> bool) -> M {
    model.map(&mut OfBatchNorms {
        path: Path::default(),
        which: &which,
        statistics: true,
    })
}

/// Keeps scale and shift of the batch norms whose path `which` selects as they are, but goes on normalizing by the batch and moving the
/// running statistics.
///
/// [`freeze`] keeps both, and [`unfreeze`] trains them again.
pub fn freeze_affine<M: Module>(model: M, which: impl Fn(&str) -> bool) -> M {
    model.map(&mut OfBatchNorms {
        path: Path::default(),
        which: &which,
        statistics: false,
    })
}

/// Freezes either the statistics of batch norms, or their parameters.
struct OfBatchNorms<'a> {
    path: Path,
    which: &'a dyn Fn(&str) -> bool,
    statistics: bool,
}

impl OfBatchNorms<'_> {
    fn is_here(&self) -> bool {
        self.path.container() == "Struct:BatchNorm" && (self.which)(module_of(&self.path.join()))
    }
}

impl ModuleMapper for OfBatchNorms<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.statistics || self.path.is_statistic() || !self.is_here() {
            return param;
        }
        param.set_require_grad(false)
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        if self.statistics && self.is_here() {
            return flag.with_value(false);
        }
        flag
    }
}

fn set_trainable<M: Module>(model: M, which: &dyn Fn(&str) -> bool, trainable: bool) -> M {
    let mut parameters = SetParameters {
        path: Path::default(),
        which,
        trainable,
        holders: BTreeMap::new(),
    };
    let model = model.map(&mut parameters);
    model.map(&mut SetFlags {
        path: Path::default(),
        which,
        trainable,
        holders: parameters.holders,
    })
}

/// What is known of a module that holds parameters.
#[derive(Default)]
struct Holder {
    /// Whether one of them was selected.
    selected: bool,
    /// Whether one of them is trained.
    trains: bool,
}

struct SetParameters<'a> {
    path: Path,
    which: &'a dyn Fn(&str) -> bool,
    trainable: bool,
    holders: BTreeMap<String, Holder>,
}

impl ModuleMapper for SetParameters<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.path.is_statistic() {
            return param;
        }
        let key = self.path.key();
        let selected = (self.which)(&key);
        let param = if selected {
            param.set_require_grad(self.trainable)
        } else {
            param
        };
        let holder = self.holders.entry(module_of(&key).into()).or_default();
        holder.selected |= selected;
        holder.trains |= param.is_require_grad();
        param
    }
}

struct SetFlags<'a> {
    path: Path,
    which: &'a dyn Fn(&str) -> bool,
    trainable: bool,
    holders: BTreeMap<String, Holder>,
}

impl ModuleMapper for SetFlags<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        let path = self.path.join();
        let changes = match self.holders.get(module_of(&path)) {
            // Frozen with the last of the parameters, trained with the first.
            Some(holder) => holder.selected && holder.trains == self.trainable,
            None => (self.which)(&path),
        };
        if changes {
            flag.with_value(self.trainable)
        } else {
            flag
        }
    }
}
