//! The table of `optim describe --model`: learning rate, weight decay and optimizer of each parameter.

use clap::Args;
use firebrick::core::spec::Spec;
use firebrick::core::{GroupRule, Groups};
use firebrick::optim::grouped::optimizer_of;
use firebrick::optim::plan;
use serde::Serialize;

use crate::failure::Failure;
use crate::number::real;
use crate::terminal;

/// What makes the parameters of a model differ.
#[derive(Args, Debug, Clone, Default)]
pub(crate) struct GroupFlags {
    /// Also print the learning rate, weight decay and optimizer of each parameter of this model, such as
    /// resnet20
    #[arg(long, value_name = "SPEC")]
    pub(crate) model: Option<Spec>,
    /// Parameter group, as for `train`, such as 'layer1.*:lr=0.1'; may be repeated
    #[arg(long, value_name = "GROUP", requires = "model")]
    group: Vec<GroupRule>,
    /// Layer-wise learning-rate decay: multiply the rate by FACTOR for each layer between a parameter and
    /// the output
    #[arg(long, value_name = "FACTOR", requires = "model", value_parser = real)]
    layer_decay: Option<f64>,
    /// Apply no weight decay to biases and to the parameters of normalization layers
    #[arg(long, requires = "model")]
    no_decay_bias_norm: bool,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) path: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) optimizer: String,
    /// The rate of the schedule is multiplied by it.
    pub(crate) lr_factor: f64,
    /// The optimizer's weight decay is multiplied by it.
    pub(crate) weight_decay_factor: f64,
}

/// The parameters of `model` in its order, as `optimizer` and the flags group them.
pub(crate) fn table(
    model: &Spec,
    optimizer: &Spec,
    flags: &GroupFlags,
) -> Result<Vec<Row>, Failure> {
    let groups = Groups {
        rules: flags.group.clone(),
        no_decay_bias_norm: flags.no_decay_bias_norm,
        layer_decay: flags.layer_decay,
        ..Groups::default()
    };
    groups.check()?;
    let input = firebrick::zoo::default_input(model)?;
    let device = firebrick::core::device("flex")?.autodiff();
    let built = firebrick::zoo::build(model, &input, 0, &device)?;
    let parameters = firebrick::core::parameters::Parameters::list(&built);
    let paths: Vec<_> = parameters
        .iter()
        .map(|(path, shape)| (path.as_str(), shape.as_slice()))
        .collect();
    let factors = groups.factors(&paths)?;
    // Any run will do: only the base rate is asked for.
    let run = firebrick::core::length::RunLength::new(1, 1, 1, 1);
    let planned = plan(optimizer, &Spec::new("constant"), None, run)?;
    let rows = parameters.iter().enumerate().map(|(index, (path, shape))| {
        let (optimizer, factor) =
            optimizer_of(path, &planned.optimizer, planned.lr, &groups.rules)?;
        let own = factors.get(index).copied().unwrap_or_default();
        Ok(Row {
            path: path.clone(),
            shape: shape.clone(),
            optimizer: optimizer.to_string(),
            lr_factor: factor * own.lr,
            weight_decay_factor: own.weight_decay,
        })
    });
    rows.collect()
}

/// Prints the rows as a table.
pub(crate) fn say(rows: &[Row]) {
    let mut lines = vec![
        ["path", "shape", "lr", "decay", "optimizer"]
            .map(String::from)
            .to_vec(),
    ];
    lines.extend(rows.iter().map(|row| {
        let number = |value: f64| format!("× {}", (value * 1e6).round() / 1e6);
        vec![
            row.path.clone(),
            format!("{:?}", row.shape),
            if row.lr_factor == 0.0 {
                "frozen".into()
            } else {
                number(row.lr_factor)
            },
            number(row.weight_decay_factor),
            row.optimizer.clone(),
        ]
    }));
    terminal::table(&lines);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_parameter_is_there_with_its_factors() {
        let flags = GroupFlags {
            group: vec![
                "linear*:optimizer=adamw(lr=0.01, beta1=0.8),lr=0.5"
                    .parse()
                    .unwrap(),
                "conv1*:frozen".parse().unwrap(),
            ],
            layer_decay: Some(0.5),
            no_decay_bias_norm: true,
            ..GroupFlags::default()
        };
        let model = Spec::new("resnet20");
        let rows = table(&model, &"sgd(lr=0.1)".parse().unwrap(), &flags)
            .ok()
            .unwrap();
        let row = |path: &str| rows.iter().find(|row| row.path == path).unwrap();
        let head = row("linear.weight");
        assert!(head.optimizer.starts_with("adamw(") && head.optimizer.contains("beta1=0.8"));
        // 0.01 / 0.1 · 0.5, in the last layer.
        assert!((head.lr_factor - 0.05).abs() < 1e-12);
        assert_eq!(head.weight_decay_factor, 1.0);
        assert_eq!(row("linear.bias").weight_decay_factor, 0.0);
        assert_eq!(row("conv1.weight").lr_factor, 0.0);
        // A norm has the rate of the convolution before it; the layer before the head half the rate.
        let last: Vec<_> = rows.iter().filter(|row| row.shape.len() == 4).collect();
        assert_eq!(last.last().unwrap().lr_factor, 0.5);
        let norm = rows
            .iter()
            .rfind(|row| row.path.ends_with("bn2.weight"))
            .unwrap();
        assert_eq!((norm.lr_factor, norm.weight_decay_factor), (0.5, 0.0));
        assert!(row("linear.weight").shape == [64, 10]);
        let error = "fc:what=1".parse::<GroupRule>().unwrap_err().to_string();
        assert!(error.contains("what=1"), "{error}");
    }
}
