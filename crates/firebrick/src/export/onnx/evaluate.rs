//! Computes what an ONNX file says, in f64 and in plain loops: what its operators mean, without an engine.

use std::collections::BTreeMap;

use super::proto::{self, data_type};
use super::wire::Message;

/// Values in row-major order.
#[derive(Debug, Clone)]
pub(super) struct Array {
    pub(super) dims: Vec<usize>,
    pub(super) values: Vec<f64>,
}

impl Array {
    pub(super) fn new(dims: impl Into<Vec<usize>>, values: Vec<f64>) -> Self {
        let dims = dims.into();
        assert_eq!(dims.iter().product::<usize>(), values.len(), "{dims:?}");
        Self { dims, values }
    }

    fn map(mut self, function: impl Fn(f64) -> f64) -> Self {
        for value in &mut self.values {
            *value = function(*value);
        }
        self
    }

    fn ints(&self) -> Vec<i64> {
        self.values.iter().map(|value| *value as i64).collect()
    }

    /// `[N, C, H, W]`.
    fn image(&self) -> [usize; 4] {
        self.dims.clone().try_into().unwrap()
    }

    fn at(&self, [n, c, y, x]: [usize; 4]) -> f64 {
        let [_, channels, height, width] = self.image();
        self.values[((n * channels + c) * height + y) * width + x]
    }
}

/// Every place of an array, in order.
fn places(dims: &[usize]) -> impl Iterator<Item = Vec<usize>> + use<'_> {
    (0..dims.iter().product::<usize>()).map(move |mut at| {
        let mut place = vec![0; dims.len()];
        for (axis, size) in dims.iter().enumerate().rev() {
            place[axis] = at % size;
            at /= size;
        }
        place
    })
}

/// The number of a place, where axes of one entry repeat and leading axes are left out.
fn index(dims: &[usize], place: &[usize]) -> usize {
    let behind = &place[place.len() - dims.len()..];
    let places = dims.iter().zip(behind);
    places.fold(0, |at, (size, place)| at * size + place.min(&(size - 1)))
}

/// The model in a file.
pub(super) fn decode(bytes: &[u8]) -> proto::Model {
    proto::Model::read_fields(bytes)
}

/// The output for these images.
pub(super) fn run(model: &proto::Model, images: Array) -> Array {
    let graph = &model.graph.0;
    let mut values: BTreeMap<&str, Array> = BTreeMap::new();
    for tensor in graph.initializer.0.iter().map(|tensor| &tensor.0) {
        let dims: Vec<usize> = tensor.dims.0.iter().map(|size| *size as usize).collect();
        let entries = match tensor.data_type {
            data_type::INT64 => {
                let (entries, _) = tensor.raw_data.as_chunks::<8>();
                let entries = entries.iter();
                entries
                    .map(|bytes| i64::from_le_bytes(*bytes) as f64)
                    .collect()
            }
            _ => {
                let (entries, _) = tensor.raw_data.as_chunks::<4>();
                let entries = entries.iter();
                entries
                    .map(|bytes| f32::from_le_bytes(*bytes).into())
                    .collect()
            }
        };
        values.insert(&tensor.name, Array::new(dims, entries));
    }
    values.insert(&graph.input.0[0].0.name, images);
    for node in graph.node.0.iter().map(|node| &node.0) {
        let inputs: Vec<Array> = node
            .input
            .0
            .iter()
            .map(|name| {
                let there = values.get(name.as_str());
                there
                    .unwrap_or_else(|| panic!("{}: no {name}", node.name))
                    .clone()
            })
            .collect();
        let output = compute(node, &inputs);
        values.insert(&node.output.0[0], output);
    }
    values.remove(graph.output.0[0].0.name.as_str()).unwrap()
}

/// The attributes of a node.
struct Attributes<'a>(&'a proto::Node);

impl Attributes<'_> {
    fn find(&self, name: &str) -> Option<&proto::Attribute> {
        let mut attributes = self.0.attribute.0.iter().map(|found| &found.0);
        attributes.find(|found| found.name == name)
    }

    fn float(&self, name: &str) -> f64 {
        self.find(name).unwrap().f.unwrap().into()
    }

    fn int(&self, name: &str) -> i64 {
        self.find(name).unwrap().i.unwrap()
    }

    fn sizes<const N: usize>(&self, name: &str) -> [usize; N] {
        let ints = self.find(name).unwrap().ints.0.iter();
        let sizes: Vec<usize> = ints.map(|size| *size as usize).collect();
        sizes.try_into().unwrap()
    }
}

fn compute(node: &proto::Node, inputs: &[Array]) -> Array {
    let of = Attributes(node);
    let x = inputs[0].clone();
    match node.op_type.as_str() {
        "Identity" => x,
        "Relu" => x.map(|x| x.max(0.0)),
        "LeakyRelu" => x.map(|x| if x < 0.0 { x * of.float("alpha") } else { x }),
        "Elu" => x.map(|x| {
            if x < 0.0 {
                of.float("alpha") * x.exp_m1()
            } else {
                x
            }
        }),
        "Erf" => x.map(erf),
        "Sigmoid" => x.map(|x| 1.0 / (1.0 + (-x).exp())),
        "Tanh" => x.map(f64::tanh),
        "Clip" => {
            let [least, most] = [1, 2].map(|number: usize| inputs[number].values[0]);
            x.map(|x| x.clamp(least, most))
        }
        "HardSigmoid" => {
            let [alpha, beta] = ["alpha", "beta"].map(|name| of.float(name));
            x.map(|x| (alpha * x + beta).clamp(0.0, 1.0))
        }
        "HardSwish" => x.map(|x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0)),
        "Add" => broadcast(inputs, |a, b| a + b),
        "Sub" => broadcast(inputs, |a, b| a - b),
        "Mul" => broadcast(inputs, |a, b| a * b),
        "Div" => broadcast(inputs, |a, b| a / b),
        "Flatten" => {
            let first = x.dims[0];
            Array::new([first, x.values.len() / first], x.values)
        }
        "Reshape" => reshape(x, &inputs[1].ints()),
        "Transpose" => transpose(&x, &of.find("perm").unwrap().ints.0),
        "Concat" => concat(inputs),
        "Slice" => slice(inputs),
        "Pad" => pad(&x, &inputs[1].ints()),
        "Conv" => conv(&of, inputs),
        "Gemm" => {
            assert_eq!(of.int("transB"), 1);
            let [images, features] = [x.dims[0], x.dims[1]];
            let classes = inputs[1].dims[0];
            assert_eq!(inputs[1].dims, [classes, features]);
            let score = |place: Vec<usize>| {
                let row = &x.values[place[0] * features..][..features];
                let weights = &inputs[1].values[place[1] * features..][..features];
                let bias = inputs.get(2).map_or(0.0, |bias| bias.values[place[1]]);
                bias + row.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>()
            };
            let dims = [images, classes];
            Array::new(dims, places(&dims).map(score).collect())
        }
        "MatMul" => matmul(&inputs[0], &inputs[1]),
        "BatchNormalization" => {
            let epsilon = of.float("epsilon");
            let dims = x.dims.clone();
            let normal = places(&dims).zip(&x.values).map(|(place, x)| {
                let [scale, shift, mean, variance] =
                    [1, 2, 3, 4].map(|number: usize| inputs[number].values[place[1]]);
                (x - mean) / (variance + epsilon).sqrt() * scale + shift
            });
            let normal = normal.collect();
            Array::new(dims, normal)
        }
        "LayerNormalization" => {
            assert_eq!(of.int("axis"), -1);
            let epsilon = of.float("epsilon");
            let count = *x.dims.last().unwrap();
            let rows = x.values.chunks(count).flat_map(|row| {
                let mean = row.iter().sum::<f64>() / count as f64;
                let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count as f64;
                let entry = |(at, x): (usize, &f64)| {
                    (x - mean) / (variance + epsilon).sqrt() * inputs[1].values[at]
                        + inputs[2].values[at]
                };
                row.iter().enumerate().map(entry).collect::<Vec<_>>()
            });
            let rows = rows.collect();
            Array::new(x.dims, rows)
        }
        "MaxPool" => pool(&of, &x, |window, _| {
            window.fold(f64::NEG_INFINITY, f64::max)
        }),
        "AveragePool" => {
            let all = of.int("count_include_pad") == 1;
            pool(&of, &x, |window, size| {
                let (sum, count) = window.fold((0.0, 0), |(sum, count), x| (sum + x, count + 1));
                sum / if all { size } else { count } as f64
            })
        }
        "GlobalAveragePool" => {
            let [images, channels, height, width] = x.image();
            let means = x.values.chunks(height * width);
            let means = means.map(|plane| plane.iter().sum::<f64>() / plane.len() as f64);
            let means = means.collect();
            Array::new([images, channels, 1, 1], means)
        }
        "LRN" => {
            let size = of.int("size") as usize;
            let [alpha, beta, k] = ["alpha", "beta", "bias"].map(|name| of.float(name));
            let channels = x.dims[1];
            let entry = |place: Vec<usize>| {
                let [n, c, row, column] = place.try_into().unwrap();
                let near = c.saturating_sub((size - 1) / 2)..channels.min(c + size / 2 + 1);
                let squares = near.map(|c| x.at([n, c, row, column]).powi(2)).sum::<f64>();
                x.at([n, c, row, column]) / (k + alpha / size as f64 * squares).powf(beta)
            };
            let entries = places(&x.dims).map(entry).collect();
            Array::new(x.dims.clone(), entries)
        }
        "LogSoftmax" => {
            assert_eq!(of.int("axis") as usize, x.dims.len() - 1);
            let count = *x.dims.last().unwrap();
            let rows = x.values.chunks(count).flat_map(|row| {
                let total = log_sum_exp(row.iter().copied());
                row.iter().map(move |x| x - total)
            });
            let rows = rows.collect();
            Array::new(x.dims, rows)
        }
        "ReduceLogSumExp" => {
            assert_eq!((of.sizes("axes"), of.int("keepdims")), ([1], 0));
            let [images, members, classes]: [usize; 3] = x.dims.try_into().unwrap();
            let dims = [images, classes];
            let sums = places(&dims).map(|place| {
                let scores = (0..members)
                    .map(|member| x.values[(place[0] * members + member) * classes + place[1]]);
                log_sum_exp(scores)
            });
            let sums = sums.collect();
            Array::new(dims, sums)
        }
        other => panic!("no operator {other}"),
    }
}

fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    largest + values.map(|x| (x - largest).exp()).sum::<f64>().ln()
}

/// By its series, whose terms stay small enough below 5; from there on it is 1 to the last digits.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut power, mut sum) = (x, x);
    for n in 1..200 {
        power *= -x * x / f64::from(n);
        sum += power / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

fn broadcast(inputs: &[Array], function: impl Fn(f64, f64) -> f64) -> Array {
    let [a, b] = inputs else {
        panic!("two inputs");
    };
    let rank = a.dims.len().max(b.dims.len());
    let size = |array: &Array, axis: usize| {
        let missing = rank - array.dims.len();
        if axis < missing {
            1
        } else {
            array.dims[axis - missing]
        }
    };
    let dims: Vec<usize> = (0..rank)
        .map(|axis| {
            let [a, b] = [size(a, axis), size(b, axis)];
            assert!(a == b || a == 1 || b == 1, "{a} and {b}");
            a.max(b)
        })
        .collect();
    let entries = places(&dims).map(|place| {
        function(
            a.values[index(&a.dims, &place)],
            b.values[index(&b.dims, &place)],
        )
    });
    let entries = entries.collect();
    Array::new(dims, entries)
}

fn reshape(x: Array, sizes: &[i64]) -> Array {
    let known = sizes.iter().enumerate().map(|(axis, size)| match size {
        0 => x.dims[axis],
        -1 => 1,
        size => *size as usize,
    });
    let mut dims: Vec<usize> = known.collect();
    if let Some(axis) = sizes.iter().position(|size| *size == -1) {
        dims[axis] = x.values.len() / dims.iter().product::<usize>();
    }
    Array::new(dims, x.values)
}

fn transpose(x: &Array, order: &[i64]) -> Array {
    let dims: Vec<usize> = order.iter().map(|axis| x.dims[*axis as usize]).collect();
    let entries = places(&dims).map(|place| {
        let mut from = vec![0; place.len()];
        for (axis, at) in order.iter().zip(&place) {
            from[*axis as usize] = *at;
        }
        x.values[index(&x.dims, &from)]
    });
    let entries = entries.collect();
    Array::new(dims, entries)
}

/// Along axis 1.
fn concat(inputs: &[Array]) -> Array {
    let images = inputs[0].dims[0];
    let mut dims = inputs[0].dims.clone();
    dims[1] = inputs.iter().map(|input| input.dims[1]).sum();
    let entries = (0..images).flat_map(|image| {
        inputs.iter().flat_map(move |input| {
            let each = input.values.len() / images;
            input.values[image * each..][..each].iter().copied()
        })
    });
    let entries = entries.collect();
    Array::new(dims, entries)
}

fn slice(inputs: &[Array]) -> Array {
    let x = &inputs[0];
    let [starts, ends, axes] = [1, 2, 3].map(|number: usize| inputs[number].ints());
    let steps = inputs.get(4).map(Array::ints);
    let mut ranges: Vec<Vec<usize>> = x.dims.iter().map(|size| (0..*size).collect()).collect();
    for (number, axis) in axes.iter().enumerate() {
        let range = &mut ranges[*axis as usize];
        let step = steps.as_ref().map_or(1, |steps| steps[number] as usize);
        let end = ends[number].min(range.len() as i64) as usize;
        *range = (starts[number] as usize..end).step_by(step).collect();
    }
    let dims: Vec<usize> = ranges.iter().map(Vec::len).collect();
    let entries = places(&dims).map(|place| {
        let from = place.iter().zip(&ranges).map(|(at, range)| range[*at]);
        x.values[index(&x.dims, &from.collect::<Vec<_>>())]
    });
    let entries = entries.collect();
    Array::new(dims, entries)
}

fn pad(x: &Array, sizes: &[i64]) -> Array {
    let rank = x.dims.len();
    let before: Vec<usize> = sizes[..rank].iter().map(|size| *size as usize).collect();
    let dims: Vec<usize> = (0..rank)
        .map(|axis| before[axis] + x.dims[axis] + sizes[rank + axis] as usize)
        .collect();
    let entries = places(&dims).map(|place| {
        let from = place.iter().zip(&before);
        let from: Option<Vec<usize>> = from.map(|(at, before)| at.checked_sub(*before)).collect();
        let from = from.filter(|from| from.iter().zip(&x.dims).all(|(at, size)| at < size));
        from.map_or(0.0, |from| x.values[index(&x.dims, &from)])
    });
    let entries = entries.collect();
    Array::new(dims, entries)
}

/// The last two axes; a matrix goes with every one of the other.
fn matmul(a: &Array, b: &Array) -> Array {
    let [(&[rows, inner], front_a), (&[again, columns], front_b)] = [a, b].map(|array| {
        let (front, last) = array.dims.split_last_chunk::<2>().unwrap();
        (last, front)
    });
    assert_eq!(inner, again);
    let front = if front_a.is_empty() { front_b } else { front_a };
    let dims: Vec<usize> = front.iter().copied().chain([rows, columns]).collect();
    let entries = places(&dims).map(|place| {
        let (front, &[row, column]) = place.split_last_chunk::<2>().unwrap();
        let one = |array: &Array, row: usize, column: usize| {
            let place = [front, &[row, column]].concat();
            array.values[index(&array.dims, &place)]
        };
        (0..inner).map(|k| one(a, row, k) * one(b, k, column)).sum()
    });
    let entries = entries.collect();
    Array::new(dims, entries)
}

fn conv(of: &Attributes<'_>, inputs: &[Array]) -> Array {
    let (x, weight) = (&inputs[0], &inputs[1]);
    let [images, channels, height, width] = x.image();
    let [outputs, each, rows, columns] = weight.image();
    let [down, across] = of.sizes("strides");
    let [top, left, bottom, right] = of.sizes("pads");
    let [spread_y, spread_x] = of.sizes("dilations");
    let groups = of.int("group") as usize;
    assert_eq!(of.sizes("kernel_shape"), [rows, columns]);
    assert_eq!(channels, each * groups);
    let dims = [
        images,
        outputs,
        (height + top + bottom - spread_y * (rows - 1) - 1) / down + 1,
        (width + left + right - spread_x * (columns - 1) - 1) / across + 1,
    ];
    let mut entries = Vec::with_capacity(dims.iter().product());
    for image in 0..images {
        for output in 0..outputs {
            let first = image * channels + output / (outputs / groups) * each;
            let planes = &x.values[first * height * width..][..each * height * width];
            let kernel = &weight.values[output * each * rows * columns..][..each * rows * columns];
            let bias = inputs.get(2).map_or(0.0, |bias| bias.values[output]);
            for row in 0..dims[2] {
                for column in 0..dims[3] {
                    let mut sum = bias;
                    for (c, window) in kernel.chunks(rows * columns).enumerate() {
                        for (ky, weights) in window.chunks(columns).enumerate() {
                            let y = (row * down + ky * spread_y).wrapping_sub(top);
                            if y >= height {
                                continue;
                            }
                            let line = &planes[(c * height + y) * width..][..width];
                            for (kx, weight) in weights.iter().enumerate() {
                                let at = (column * across + kx * spread_x).wrapping_sub(left);
                                sum += line.get(at).map_or(0.0, |x| x * weight);
                            }
                        }
                    }
                    entries.push(sum);
                }
            }
        }
    }
    Array::new(dims, entries)
}

/// What `of_window` makes of the pixels of each window that lie in the image, and of the window's size.
fn pool(
    of: &Attributes<'_>,
    x: &Array,
    of_window: impl Fn(&mut dyn Iterator<Item = f64>, usize) -> f64,
) -> Array {
    let [images, channels, height, width] = x.image();
    let [rows, columns] = of.sizes("kernel_shape");
    let [down, across] = of.sizes("strides");
    let [top, left, bottom, right] = of.sizes("pads");
    // What ONNX Runtime insists on.
    assert!(top.max(bottom) < rows && left.max(right) < columns);
    let dims = [
        images,
        channels,
        (height + top + bottom - rows) / down + 1,
        (width + left + right - columns) / across + 1,
    ];
    let entries = places(&dims).map(|place| {
        let [n, c, row, column] = place.try_into().unwrap();
        let inside =
            |at: usize, border: usize, side: usize| at.checked_sub(border).filter(|at| *at < side);
        let window = (0..rows).flat_map(|ky| {
            (0..columns).filter_map(move |kx| {
                let y = inside(row * down + ky, top, height)?;
                Some([y, inside(column * across + kx, left, width)?])
            })
        });
        let mut pixels = window.map(|[y, column]| x.at([n, c, y, column]));
        of_window(&mut pixels, rows * columns)
    });
    let entries = entries.collect();
    Array::new(dims, entries)
}
