//! Model soups: the mean of the weights of models that were fine-tuned from one start, or are moments of one run.
//!
//! Source: Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy without
//! increasing inference time", ICML 2022; the greedy recipe is its algorithm 1.

use burn::tensor::{DType, TensorData};
use firebrick_core::state_dict::{StateDict, WeightsError};

/// The mean of the weights of models, in f64. What is no floating-point number, such as a counter, is that of the first.
///
/// # Errors
/// [`WeightsError::Mismatch`] for no models, and naming the tensor that is not the same in all.
pub fn mean(models: &[&StateDict]) -> Result<StateDict, WeightsError> {
    joined(models, average)
}

/// The weights at a place of the straight line between those of two models, in f64: the first at 0, the second at 1. What
/// is no floating-point number is that of the first.
///
/// # Errors
/// As [`mean`].
pub fn between(first: &StateDict, second: &StateDict, t: f64) -> Result<StateDict, WeightsError> {
    joined(&[first, second], |pair| {
        let values = pair[0].iter::<f64>().zip(pair[1].iter::<f64>());
        let values: Vec<f64> = values.map(|(a, b)| (1.0 - t) * a + t * b).collect();
        TensorData::new(values, pair[0].shape()).convert_dtype(pair[0].dtype())
    })
}

/// Weights of which each tensor is made of those in all models. What is no floating-point number is that of the first.
fn joined(
    models: &[&StateDict],
    join: impl Fn(&[&TensorData]) -> TensorData,
) -> Result<StateDict, WeightsError> {
    let Some((first, others)) = models.split_first() else {
        return Err(WeightsError::Mismatch(
            "there are no models to average".into(),
        ));
    };
    if let Some(more) = others
        .iter()
        .find(|other| other.tensors.len() != first.tensors.len())
    {
        return Err(WeightsError::Mismatch(format!(
            "one model has {} tensors, another {}: only models of one kind can be averaged",
            first.tensors.len(),
            more.tensors.len()
        )));
    }
    let mut whole = StateDict {
        tensors: Default::default(),
        metadata: first.metadata.clone(),
    };
    for (name, data) in &first.tensors {
        let mut all = vec![data];
        for other in others {
            let same = |other: &&TensorData| {
                other.shape() == data.shape() && other.dtype() == data.dtype()
            };
            let Some(other) = other.tensors.get(name).filter(same) else {
                let problem = format!(
                    "`{name}` is not the same in all models: only models of one kind can be averaged"
                );
                return Err(WeightsError::Mismatch(problem));
            };
            all.push(other);
        }
        let averaged = if matches!(
            data.dtype(),
            DType::F32 | DType::F64 | DType::F16 | DType::BF16
        ) {
            join(&all)
        } else {
            data.clone()
        };
        whole.tensors.insert(name.clone(), averaged);
    }
    Ok(whole)
}

fn average(all: &[&TensorData]) -> TensorData {
    let mut sum = vec![0.0_f64; all[0].num_elements()];
    for data in all {
        sum.iter_mut()
            .zip(data.iter::<f64>())
            .for_each(|(sum, value)| *sum += value);
    }
    let count = all.len() as f64;
    sum.iter_mut().for_each(|sum| *sum /= count);
    TensorData::new(sum, all[0].shape()).convert_dtype(all[0].dtype())
}

/// The places of the ingredients of a greedy soup, the best first: each of these accuracies is tried in turn, and is kept
/// where the soup did not get worse. `accuracy` is that of the soup of so many places.
///
/// # Errors
/// Those of `accuracy`.
pub fn greedy<E>(
    accuracies: &[f64],
    mut accuracy: impl FnMut(&[usize]) -> Result<f64, E>,
) -> Result<Vec<usize>, E> {
    let mut order: Vec<usize> = (0..accuracies.len()).collect();
    order.sort_by(|a, b| accuracies[*b].total_cmp(&accuracies[*a]));
    let mut kept: Vec<usize> = Vec::new();
    let mut best = f64::NEG_INFINITY;
    for place in order {
        kept.push(place);
        let found = if kept.len() == 1 {
            accuracies[place]
        } else {
            accuracy(&kept)?
        };
        if found >= best {
            best = found;
        } else {
            kept.pop();
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(values: [f32; 2], counter: i64) -> StateDict {
        let tensors = [
            ("w".to_string(), TensorData::new(values.to_vec(), [2])),
            ("n".to_string(), TensorData::new(vec![counter], [1])),
        ];
        StateDict {
            tensors: tensors.into(),
            metadata: Default::default(),
        }
    }

    #[test]
    fn the_mean_is_that_of_each_value_and_equal_models_stay() {
        let models = [
            model([1.0, 0.1], 3),
            model([2.0, 0.1], 5),
            model([6.0, 0.1], 7),
        ];
        let soup = mean(&models.iter().collect::<Vec<_>>()).unwrap();
        let values: Vec<f32> = soup.tensors["w"].iter::<f32>().collect();
        assert_eq!(values, [3.0, 0.1]);
        assert_eq!(soup.tensors["n"], models[0].tensors["n"]);
    }

    #[test]
    fn a_line_ends_at_its_models_and_is_straight() {
        let (a, b) = (model([1.0, 0.5], 3), model([2.0, -0.5], 5));
        assert_eq!(between(&a, &b, 0.0).unwrap(), a);
        assert_eq!(between(&a, &b, 1.0).unwrap().tensors["w"], b.tensors["w"]);
        let quarter = between(&a, &b, 0.25).unwrap();
        let values: Vec<f32> = quarter.tensors["w"].iter::<f32>().collect();
        assert_eq!(values, [1.25, 0.25]);
        assert_eq!(quarter.tensors["n"], a.tensors["n"]);
    }

    #[test]
    fn models_of_two_kinds_are_refused() {
        let mut other = model([1.0, 2.0], 0);
        other
            .tensors
            .insert("w".into(), TensorData::new(vec![1.0_f32; 3], [3]));
        let one = model([1.0, 2.0], 0);
        assert!(
            mean(&[&one, &other])
                .unwrap_err()
                .to_string()
                .contains("`w`")
        );
        let mut more = one.clone();
        more.tensors
            .insert("z".into(), TensorData::new(vec![1.0_f32], [1]));
        assert!(mean(&[&one, &more]).is_err() && mean(&[&more, &one]).is_err());
        assert!(mean(&[]).is_err());
    }

    #[test]
    fn a_greedy_soup_keeps_what_does_not_make_it_worse() {
        let mut asked = Vec::new();
        let soup = greedy(&[0.7, 0.9, 0.8, 0.6], |places| {
            asked.push(places.to_vec());
            // The third ingredient spoils it.
            Ok::<_, ()>(if places.contains(&2) { 0.85 } else { 0.9 })
        });
        assert_eq!(soup.unwrap(), [1, 0, 3]);
        assert_eq!(asked, [vec![1, 2], vec![1, 0], vec![1, 0, 3]]);
    }
}
