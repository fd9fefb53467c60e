//! Freezing parts of a model.
//!
//! A frozen parameter has no gradient: it is not updated, it does not count in gradient clipping, and neither
//! momentum nor weight decay changes it. A batch norm whose parameters are all frozen uses its running
//! statistics and does not update them. A layer without parameters, such as dropout, is off while it is frozen.
//!
//! Checkpoints and weights files do not record what is frozen. After a resume, freeze the model again, for
//! instance in the `begin` of a hook.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use firebrick_types::groups::module_of;

use crate::parameters::Path;

/// Freezes the parameters whose path `which` selects, for instance `|path| !path.starts_with("fc.")`.
///
/// Paths are the names in weights files. A batch norm is frozen once all of its parameters are. A layer without
/// parameters, such as dropout, is selected by the path of its flag, as in `dropout.training`.
pub fn freeze<M: Module>(model: M, which: impl Fn(&str) -> bool) -> M {
    set_trainable(model, &which, false)
}

/// Undoes [`freeze`] for the parameters whose path `which` selects, and for the layers that hold them.
pub fn unfreeze<M: Module>(model: M, which: impl Fn(&str) -> bool) -> M {
    set_trainable(model, &which, true)
}

/// Freezes the running statistics of the batch norms whose path `which` selects, such as `layer1.0.bn1`: they
/// normalize by these statistics and do not update them, while scale and shift are still trained. Use it to fine-tune a
/// pretrained model with small batches.
///
/// [`unfreeze`] with the path of one of their parameters undoes it.
pub fn freeze_statistics<M: Module>(model: M, which: impl Fn(&str) -> bool) -> M {
    model.map(&mut OfBatchNorms {
        path: Path::default(),
        which: &which,
        statistics: true,
    })
}

/// Freezes scale and shift of the batch norms whose path `which` selects. They still normalize by the batch and
/// update their running statistics.
///
/// [`freeze`] freezes both, and [`unfreeze`] undoes either.
pub fn freeze_affine<M: Module>(model: M, which: impl Fn(&str) -> bool) -> M {
    model.map(&mut OfBatchNorms {
        path: Path::default(),
        which: &which,
        statistics: false,
    })
}

/// A path that [`freeze`] asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freezable {
    /// That of a parameter, as in weights files, or of the flag of a layer without parameters, such as `dropout.training`.
    pub path: String,
    /// Whether it is a parameter.
    pub is_parameter: bool,
}

/// Every path that [`freeze`] asks for, in the module's order.
pub fn freezable<M: Module>(module: &M) -> Vec<Freezable> {
    struct List {
        path: Path,
        all: Vec<Freezable>,
    }
    impl ModuleVisitor for List {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.exit();
        }

        fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
            if !self.path.is_statistic() {
                self.all.push(Freezable {
                    path: self.path.key(),
                    is_parameter: true,
                });
            }
        }

        fn visit_flag(&mut self, _flag: &Param<Flag>) {
            self.all.push(Freezable {
                path: self.path.join(),
                is_parameter: false,
            });
        }
    }
    let mut list = List {
        path: Path::default(),
        all: Vec::new(),
    };
    module.visit(&mut list);
    let mut all = list.all;
    let parameters = all.iter().filter(|one| one.is_parameter);
    let holders: BTreeSet<String> = parameters
        .map(|one| module_of(&one.path).to_string())
        .collect();
    all.retain(|one| one.is_parameter || !holders.contains(module_of(&one.path)));
    all
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
