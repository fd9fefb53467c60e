//! State dicts: the tensors of a module under PyTorch's names and layouts, and their files.
//!
//! Two conventions differ between burn and PyTorch: norm layers call their parameters `gamma` and
//! `beta` (PyTorch `weight` and `bias`), and `Linear` keeps its weight as `[in, out]` (PyTorch
//! `[out, in]`). Everything else has the same name and layout.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{BoolStore, DType, Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::independent_copy;
use crate::listed::in_full;
use crate::parameters::Path;
pub use crate::weights_error::WeightsError;

/// Tensors by PyTorch key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateDict {
    /// The tensors, f32.
    pub tensors: BTreeMap<String, TensorData>,
    /// Text that travels with them (safetensors metadata).
    pub metadata: BTreeMap<String, String>,
}

/// How a burn field appears in a PyTorch state dict.
pub(crate) struct PytorchName {
    pub(crate) key: String,
    /// Whether the module's matrix is the transposed one.
    pub(crate) transposed: bool,
}

/// A matrix with rows and columns swapped.
fn transposed(data: &TensorData) -> TensorData {
    let shape = data.shape().to_vec();
    let (Ok(values), [rows, columns]) = (data.as_slice::<f32>(), shape.as_slice()) else {
        return data.clone();
    };
    let (rows, columns) = (*rows, *columns);
    let mut swapped = vec![0.0; values.len()];
    // In strips of rows, so that what is written lies together.
    const STRIP: usize = 64;
    for first in (0..rows).step_by(STRIP) {
        let strip = first..rows.min(first + STRIP);
        for column in 0..columns {
            for row in strip.clone() {
                swapped[column * rows + row] = values[row * columns + column];
            }
        }
    }
    TensorData::new(swapped, [columns, rows])
}

/// Whether some parameter of the module has no value yet. Cloning a module draws all of them, so such a module
/// has no clones.
fn is_undrawn<M: Module>(module: &M) -> bool {
    struct Undrawn(bool);
    impl ModuleVisitor for Undrawn {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0 |= !param.is_initialized();
        }
    }
    let mut undrawn = Undrawn(false);
    module.visit(&mut undrawn);
    undrawn.0
}

fn pytorch_name(path: &Path) -> PytorchName {
    let key = path.key();
    let is_weight = key == "weight" || key.ends_with(".weight");
    let is_linear = ["Struct:Linear", "Struct:BatchLinear"].contains(&path.container());
    PytorchName {
        transposed: is_linear && is_weight,
        key,
    }
}

/// Every float tensor of the module under the path of its field and in its layout, as Burn's own records have them, but without the
/// names of enum variants: a struct whose fields have the same names has the same paths.
pub fn burn_tensors<M: Module>(module: &M) -> Vec<(String, TensorData)> {
    struct Collect(Path, Vec<(String, TensorData)>);
    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.0.enter(name, container);
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.exit();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.1.push((self.0.join(), param.val().into_data()));
        }
    }
    let mut collect = Collect(Path::default(), Vec::new());
    module.visit(&mut collect);
    collect.1
}

impl StateDict {
    /// Copies every float tensor of the module, running statistics included.
    pub fn of<M: Module>(module: &M) -> Self {
        struct Collect(Path, BTreeMap<String, TensorData>);
        impl ModuleVisitor for Collect {
            fn enter_module(&mut self, name: &str, container: &str) {
                self.0.enter(name, container);
            }

            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.0.exit();
            }

            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let name = pytorch_name(&self.0);
                let tensor = param.val();
                let tensor = if name.transposed {
                    tensor.swap_dims(D - 2, D - 1)
                } else {
                    tensor
                };
                self.1.insert(name.key, tensor.into_data().convert::<f32>());
            }
        }
        let mut collect = Collect(Path::default(), BTreeMap::new());
        module.visit(&mut collect);
        Self {
            tensors: collect.1,
            metadata: BTreeMap::new(),
        }
    }

    /// Loads all tensors into the module: every key must be there with its shape, and no other. Each
    /// tensor moves into the module, so that no two copies of the weights are in memory. What
    /// comes back shares nothing with clones of the module.
    ///
    /// # Errors
    /// [`WeightsError::Mismatch`] listing what is missing, extra or of another shape; nothing is
    /// loaded then.
    pub fn load_into<M: Module>(mut self, module: M) -> Result<M, WeightsError> {
        self.check(&Self::shapes(&module))?;
        Self::fill(module, |name| {
            let data = self.tensors.remove(&name.key);
            Ok(data.map(|data| {
                if name.transposed {
                    transposed(&data)
                } else {
                    data
                }
            }))
        })
    }

    /// Puts what `read` gives for each name, in the module's layout, into the module, one tensor at a
    /// time. `None` leaves the module's own.
    ///
    /// # Errors
    /// The first that `read` returns; the module is lost then.
    pub(crate) fn fill<M: Module>(
        module: M,
        read: impl FnMut(&PytorchName) -> Result<Option<TensorData>, WeightsError>,
    ) -> Result<M, WeightsError> {
        struct Fill<R> {
            path: Path,
            read: R,
            failed: Option<WeightsError>,
        }
        impl<R> ModuleMapper for Fill<R>
        where
            R: FnMut(&PytorchName) -> Result<Option<TensorData>, WeightsError>,
        {
            fn enter_module(&mut self, name: &str, container: &str) {
                self.path.enter(name, container);
            }

            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.path.exit();
            }

            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                let name = pytorch_name(&self.path);
                if self.failed.is_some() {
                    return param;
                }
                match (self.read)(&name) {
                    // Not drawn to be thrown away.
                    Ok(Some(data)) if !param.is_initialized() => {
                        let tensor = Tensor::from_data(data, &param.lazy_device());
                        let id = param.id;
                        param.transform_for_load(tensor, id)
                    }
                    Ok(Some(data)) => {
                        let (tracked, device) = (param.is_require_grad(), param.val().device());
                        param.map(|_| Tensor::from_data(data, &device).set_require_grad(tracked))
                    }
                    Ok(None) => param,
                    Err(error) => {
                        self.failed = Some(error);
                        param
                    }
                }
            }
        }
        let mut fill = Fill {
            path: Path::default(),
            read,
            failed: None,
        };
        // Running statistics are written where they lie, and clones share them. A model that is not drawn has
        // no clones, and a copy would draw it.
        let module = if is_undrawn(&module) {
            module
        } else {
            // Moved in, so that nothing holds a tensor once another has taken its place.
            let shared = module;
            independent_copy(&shared)
        };
        let module = module.map(&mut fill);
        fill.failed.map_or(Ok(module), Err)
    }

    /// The module's keys and shapes in PyTorch's layout, in the module's order.
    pub fn shapes<M: Module>(module: &M) -> Vec<(String, Vec<usize>)> {
        struct Shapes(Path, Vec<(String, Vec<usize>)>);
        impl ModuleVisitor for Shapes {
            fn enter_module(&mut self, name: &str, container: &str) {
                self.0.enter(name, container);
            }

            fn exit_module(&mut self, _name: &str, _container: &str) {
                self.0.exit();
            }

            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                let name = pytorch_name(&self.0);
                let mut shape = param.lazy_shape().to_vec();
                if name.transposed {
                    shape.swap(D - 2, D - 1);
                }
                self.1.push((name.key, shape));
            }
        }
        let mut shapes = Shapes(Path::default(), Vec::new());
        module.visit(&mut shapes);
        shapes.1
    }

    fn check(&self, expected: &[(String, Vec<usize>)]) -> Result<(), WeightsError> {
        let mut problems = Vec::new();
        for (key, shape) in expected {
            match self.tensors.get(key) {
                // What counts batches begins anew where it is not known.
                None if key.ends_with("num_batches_tracked") => {}
                None => problems.push(format!("`{key}` {shape:?} is missing")),
                Some(data) if data.shape().to_vec() != *shape => {
                    problems.push(format!(
                        "`{key}` is {:?} in the file but {shape:?} in the model",
                        data.shape().to_vec()
                    ));
                }
                Some(_) => {}
            }
        }
        let extra = self
            .tensors
            .keys()
            .filter(|key| !expected.iter().any(|(name, _)| name == *key));
        problems.extend(extra.map(|key| format!("`{key}` is in the file but not in the model")));
        if problems.is_empty() {
            return Ok(());
        }
        Err(WeightsError::Mismatch(in_full(&problems)))
    }

    /// Reads safetensors bytes; half and double precision become f32.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let metadata = header
            .metadata()
            .clone()
            .unwrap_or_default()
            .into_iter()
            .collect();
        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let mut tensors = BTreeMap::new();
        for (key, view) in file.iter() {
            if view.dtype() == Dtype::I64 && key.ends_with("num_batches_tracked") {
                continue;
            }
            let float = [Dtype::F32, Dtype::F64, Dtype::F16, Dtype::BF16].contains(&view.dtype());
            if !float {
                let other = view.dtype();
                return Err(format!(
                    "tensor `{key}` is {other:?}; expected a float type"
                ));
            }
            tensors.insert(key.to_string(), read_tensor(key, &view)?.convert::<f32>());
        }
        Ok(Self { tensors, metadata })
    }

    /// The bytes of a safetensors file: equal dictionaries give equal bytes.
    ///
    /// # Errors
    /// What the format cannot hold.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, String> {
        self.to_safetensors_with(&self.metadata)
    }

    /// The bytes of a safetensors file with this text in place of its own.
    ///
    /// # Errors
    /// What the format cannot hold.
    pub fn to_safetensors_with(
        &self,
        metadata: &BTreeMap<String, String>,
    ) -> Result<Vec<u8>, String> {
        let other = |(_, data): &(&String, &TensorData)| data.dtype() != DType::F32;
        if let Some((key, _)) = self.tensors.iter().find(other) {
            return Err(format!("tensor `{key}`: only f32 tensors can be written"));
        }
        write_safetensors(&self.tensors, metadata)
    }
}

/// The types of tensors that a safetensors file keeps as they are, and what the format calls them.
const TYPES: [(DType, Dtype, &str); 13] = [
    (DType::F32, Dtype::F32, "F32"),
    (DType::F64, Dtype::F64, "F64"),
    (DType::F16, Dtype::F16, "F16"),
    (DType::BF16, Dtype::BF16, "BF16"),
    (DType::I64, Dtype::I64, "I64"),
    (DType::I32, Dtype::I32, "I32"),
    (DType::I16, Dtype::I16, "I16"),
    (DType::I8, Dtype::I8, "I8"),
    (DType::U64, Dtype::U64, "U64"),
    (DType::U32, Dtype::U32, "U32"),
    (DType::U16, Dtype::U16, "U16"),
    (DType::U8, Dtype::U8, "U8"),
    (DType::Bool(BoolStore::Native), Dtype::BOOL, "BOOL"),
];

/// The bytes of a safetensors file with tensors of any type, each kept as it is.
///
/// # Errors
/// What the format cannot hold: a quantized tensor, or one called `__metadata__`.
pub fn write_safetensors(
    tensors: &BTreeMap<String, TensorData>,
    metadata: &BTreeMap<String, String>,
) -> Result<Vec<u8>, String> {
    // Written here because the format's own crate orders metadata by a random hash.
    let mut header = serde_json::Map::new();
    if !metadata.is_empty() {
        header.insert("__metadata__".into(), serde_json::json!(metadata));
    }
    let mut end = 0;
    for (key, data) in tensors {
        let known = TYPES.iter().find(|(dtype, ..)| *dtype == data.dtype());
        let Some((_, _, name)) = known.filter(|_| key != "__metadata__") else {
            return Err(format!(
                "tensor `{key}` of type {:?} cannot be written",
                data.dtype()
            ));
        };
        let start = end;
        end += data.as_bytes().len();
        let entry = serde_json::json!({
            "dtype": name, "shape": data.shape().to_vec(), "data_offsets": [start, end],
        });
        header.insert(key.clone(), entry);
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    // The tensors start at a multiple of 8 bytes.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.extend(header);
    for data in tensors.values() {
        bytes.extend(data.as_bytes());
    }
    Ok(bytes)
}

/// The tensors of a safetensors file, each of the type that it has there.
///
/// # Errors
/// What is wrong with the bytes.
pub fn read_safetensors(bytes: &[u8]) -> Result<BTreeMap<String, TensorData>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let tensors = file.iter();
    tensors
        .map(|(key, view)| Ok((key.to_string(), read_tensor(key, &view)?)))
        .collect()
}

fn read_tensor(key: &str, view: &TensorView<'_>) -> Result<TensorData, String> {
    let known = TYPES.iter().find(|(_, dtype, _)| *dtype == view.dtype());
    let Some((dtype, ..)) = known else {
        return Err(format!("tensor `{key}` is {:?}", view.dtype()));
    };
    let (bytes, shape) = (view.data().to_vec(), view.shape().to_vec());
    TensorData::try_from_bytes_vec(bytes, shape, *dtype)
        .map_err(|error| format!("tensor `{key}`: {error}"))
}
