//! Networks with members as operations of a graph. The members lie side by side, one's channels behind the other's, those that
//! share weights too.

use firebrick_core::ConfigError;
use firebrick_core::graph::{Graph, Operator, Value};

use super::Members;

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
