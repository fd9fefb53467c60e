//! Networks with members as operations of a graph. The members lie side by side, one's channels behind the other's, those that
//! share weights too.

use firebrick_core::ConfigError;
use firebrick_core::graph::{Graph, Operator, Value};
use firebrick_core::nn::{Activation, BatchNorm};

use super::{MemberConv, MemberHead, Members};

impl MemberConv {
    /// As [`Self::with_bn`], each of the two layers under its path.
    pub(crate) fn graph(
        &self,
        [path, norm_path]: [&str; 2],
        norm: &BatchNorm,
        graph: &mut Graph,
        input: Value,
    ) -> Result<Value, ConfigError> {
        let planes = match self {
            Self::Plain(conv) => graph.conv(path, conv, input),
            Self::Shared(conv) => graph.batch_conv(path, conv, input),
        };
        graph.batch_norm(norm_path, norm, planes)
    }
}

impl MemberHead {
    /// As [`Self::forward`], of all members side by side.
    pub(crate) fn graph(
        &self,
        path: &str,
        graph: &mut Graph,
        input: Value,
    ) -> Result<Value, ConfigError> {
        Ok(match self {
            Self::Plain(linear) => graph.linear(path, linear, input),
            Self::Shared(linear) => graph.batch_linear(path, linear, input),
            Self::Packed(linear) => graph.packed_linear(path, linear, input),
            Self::Layers(layers) => layers.graph(path, graph, input)?,
        })
    }
}

impl Members {
    /// As [`Self::forward`]: `scores` is the network.
    pub(crate) fn graph(
        self,
        graph: &mut Graph,
        images: Value,
        scores: impl FnOnce(&mut Graph, Value) -> Result<Value, ConfigError>,
    ) -> Result<Value, ConfigError> {
        let members = self.count();
        let inputs = match self {
            Self::Mimo(_) => graph.concat("", &vec![images; members]),
            _ => images,
        };
        let outputs = scores(graph, inputs)?;
        if members == 1 {
            return Ok(outputs);
        }
        Ok(graph.push("", Operator::LogMeanProbability(members), &[outputs]))
    }

    /// How many members lie side by side in a graph.
    pub(crate) fn apart(self) -> usize {
        match self {
            Self::BatchEnsemble(config) => config.members,
            other => other.side_by_side(),
        }
    }
}

/// The end of a residual block: `activation(branch + shortcut)`.
pub(crate) fn add(
    path: &str,
    activation: Activation,
    graph: &mut Graph,
    values: [Value; 2],
) -> Value {
    let sum = graph.add(path, values);
    graph.activation(path, activation, sum)
}
