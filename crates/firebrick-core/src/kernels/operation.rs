//! Runs an operation on Burn's backends and records it for automatic differentiation. All operations share this.

// burn-ndarray is deprecated upstream, and the dispatch that is generated here names it.
#![allow(deprecated)]

use std::fmt::Debug;

use burn::backend::TensorMetadata;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, Dispatch, DispatchTensor, ExtensionType, backend_extension,
};
use firebrick_kernels::elementwise;

use super::host::{Host, arranged, from_arranged, values};

/// A differentiable function of one to four f32 tensors. The gradient goes through its first
/// output; others are constants.
pub(crate) trait Operation: Debug + Send + 'static {
    /// What the backward pass needs.
    type Saved<B: Host>: Debug + Clone + Send + 'static;

    /// The outputs, and what the backward pass needs for the gradients that are `wanted`, one flag
    /// for each input.
    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Self::Saved<B>);

    /// The outputs when no gradient is wanted.
    fn infer<B: Host>(&self, inputs: Vec<FloatTensor<B>>) -> Vec<FloatTensor<B>> {
        let wanted = vec![false; inputs.len()];
        self.forward::<B>(inputs, &wanted).0
    }

    /// The gradients of the inputs, none where it is not `wanted`.
    fn backward<B: Host>(
        &self,
        saved: Self::Saved<B>,
        gradient: FloatTensor<B>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>>;
}

/// Runs an operation where its inputs lie, recording it where they are tracked.
///
/// The inputs are f32 tensors of one CPU device, at most four.
pub(crate) fn run(operation: impl Operation, inputs: Vec<DispatchTensor>) -> Vec<DispatchTensor> {
    <Dispatch as Run>::run(Inputs::from_vec(inputs), operation)
}

/// Runs an operation with a single output.
pub(crate) fn run_single(operation: impl Operation, inputs: Vec<DispatchTensor>) -> DispatchTensor {
    run(operation, inputs).swap_remove(0)
}

/// One to four tensors: the form that burn's dispatch takes several in.
#[derive(ExtensionType)]
pub(crate) enum Inputs<B: Backend> {
    One(FloatTensor<B>),
    Two(FloatTensor<B>, FloatTensor<B>),
    Three(FloatTensor<B>, FloatTensor<B>, FloatTensor<B>),
    Four(
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
        FloatTensor<B>,
    ),
}

impl<B: Backend> Inputs<B> {
    fn from_vec(tensors: Vec<FloatTensor<B>>) -> Self {
        let mut tensors = tensors.into_iter();
        let [a, b, c, d] = std::array::from_fn(|_| tensors.next());
        match (a, b, c, d) {
            (Some(a), None, ..) => Self::One(a),
            (Some(a), Some(b), None, _) => Self::Two(a, b),
            (Some(a), Some(b), Some(c), None) => Self::Three(a, b, c),
            (Some(a), Some(b), Some(c), Some(d)) => Self::Four(a, b, c, d),
            (None, ..) => panic!("an operation has an input"),
        }
    }

    fn into_vec(self) -> Vec<FloatTensor<B>> {
        match self {
            Self::One(a) => vec![a],
            Self::Two(a, b) => vec![a, b],
            Self::Three(a, b, c) => vec![a, b, c],
            Self::Four(a, b, c, d) => vec![a, b, c, d],
        }
    }
}

#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Autodiff,
)]
pub(crate) trait Run: Backend {
    fn run<O: Operation>(
        #[extension_type] inputs: Inputs<Self>,
        operation: O,
    ) -> Vec<FloatTensor<Self>>;
}

#[cfg(feature = "flex")]
impl Run for burn::backend::Flex {
    fn run<O: Operation>(inputs: Inputs<Self>, operation: O) -> Vec<FloatTensor<Self>> {
        operation.infer::<Self>(inputs.into_vec())
    }
}

#[cfg(feature = "ndarray")]
impl Run for burn::backend::NdArray {
    fn run<O: Operation>(inputs: Inputs<Self>, operation: O) -> Vec<FloatTensor<Self>> {
        operation.infer::<Self>(inputs.into_vec())
    }
}

impl<B: Host, C: CheckpointStrategy> Run for Autodiff<B, C> {
    fn run<O: Operation>(inputs: Inputs<Self>, operation: O) -> Vec<FloatTensor<Self>> {
        match inputs {
            Inputs::One(a) => record::<B, C, O, 1>([a], operation),
            Inputs::Two(a, b) => record::<B, C, O, 2>([a, b], operation),
            Inputs::Three(a, b, c) => record::<B, C, O, 3>([a, b, c], operation),
            Inputs::Four(a, b, c, d) => record::<B, C, O, 4>([a, b, c, d], operation),
        }
    }
}

// The methods of burn's tensor have no path here.
#[allow(clippy::redundant_closure_for_method_calls)]
fn record<B: Host, C: CheckpointStrategy, O: Operation, const N: usize>(
    inputs: [FloatTensor<Autodiff<B, C>>; N],
    operation: O,
) -> Vec<FloatTensor<Autodiff<B, C>>> {
    let wanted = inputs.each_ref().map(|input| input.is_tracked());
    let (inputs, nodes): (Vec<_>, Vec<NodeGuard>) =
        inputs.into_iter().map(|input| input.into_parts()).collect();
    let Ok(nodes) = <[NodeGuard; N]>::try_from(nodes) else {
        unreachable!("as many nodes as inputs")
    };
    let lift = <Autodiff<B, C> as AutodiffBackend>::from_inner;
    if !wanted.contains(&true) {
        let outputs = operation.infer::<B>(inputs);
        return outputs.into_iter().map(lift).collect();
    }
    let (outputs, saved) = operation.forward::<B>(inputs, &wanted);
    let mut outputs = outputs.into_iter();
    let first = outputs.next().expect("an operation has an output");
    let prepared = Recorded(operation)
        .prepare::<C>(nodes)
        .compute_bound()
        .stateful();
    let first = match prepared {
        OpsKind::Tracked(prepared) => prepared.finish(saved, first),
        OpsKind::UnTracked(prepared) => prepared.finish(first),
    };
    std::iter::once(first).chain(outputs.map(lift)).collect()
}

/// The step of the backward pass.
#[derive(Debug)]
struct Recorded<O>(O);

impl<B: Host, O: Operation, const N: usize> Backward<B, N> for Recorded<O> {
    type State = O::Saved<B>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<B>(&ops.node);
        registered::forget(ops.node.id);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let own = self.0.backward::<B>(ops.state, gradient, &wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(own) {
            let (Some(parent), Some(gradient)) = (parent, gradient) else {
                continue;
            };
            // Burn would add on one thread and lose the layout. A leaf's gradient cannot be taken
            // back out, so that is left to Burn.
            let inner = !parent.parents.is_empty();
            let sum = if inner && registered::contains(parent.id) {
                sum::<B>(gradient, gradients.consume::<B>(&parent))
            } else {
                gradient
            };
            if inner {
                registered::remember(parent.id);
            }
            gradients.register::<B>(parent.id, sum);
        }
    }
}

/// The nodes that were given a gradient here and have not run their own step since, so that their
/// gradient is there to be taken.
mod registered {
    use std::cell::RefCell;
    use std::collections::HashSet;

    use burn::backend::autodiff::NodeId;

    /// Steps of Burn's own do not report: what they leave behind is dropped at this size. Losing an
    /// entry costs speed alone.
    const MOST: usize = 4096;

    thread_local! {
        static NODES: RefCell<HashSet<u64>> = RefCell::default();
    }

    pub(super) fn contains(node: NodeId) -> bool {
        NODES.with_borrow(|nodes| nodes.contains(&node.value))
    }

    pub(super) fn remember(node: NodeId) {
        NODES.with_borrow_mut(|nodes| {
            if nodes.len() >= MOST {
                nodes.clear();
            }
            nodes.insert(node.value);
        });
    }

    pub(super) fn forget(node: NodeId) {
        NODES.with_borrow_mut(|nodes| nodes.remove(&node.value));
    }
}

/// a + b, in the memory of one of them where that can be.
fn sum<B: Host>(a: FloatTensor<B>, b: FloatTensor<B>) -> FloatTensor<B> {
    let (mut a, mut b) = (arranged::<B>(a), arranged::<B>(b));
    if let Some(into) = B::elements_mut(&mut a) {
        elementwise::add_into(into, values::<B>(&b));
        return a;
    }
    if let Some(into) = B::elements_mut(&mut b) {
        elementwise::add_into(into, values::<B>(&a));
        return b;
    }
    let shape = a.shape().to_vec();
    let total = elementwise::add(values::<B>(&a), values::<B>(&b));
    from_arranged::<B>(total, &shape)
}
