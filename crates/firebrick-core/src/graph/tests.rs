use burn::module::Module;
use burn::tensor::{Device, Tensor};

use super::*;
use crate::Classifier;
use crate::nn::{
    AdaptiveAvgPool2d, BatchNormConfig, Conv2d, Conv2dConfig, MaxPool2d, MaxPool2dConfig, fold,
};

fn device() -> Device {
    crate::device("flex").unwrap()
}

fn zeros([channels, height, width]: [usize; 3]) -> Tensor<4> {
    Tensor::zeros([1, channels, height, width], &device())
}

#[test]
fn shapes_are_those_that_the_layers_put_out() {
    let device = device();
    for (height, width) in [(11, 11), (12, 9), (7, 20)] {
        let image = [4, height, width];
        for (kernel, stride, padding, groups) in [(3, 1, 1, 1), (5, 2, 0, 2), (1, 3, 2, 4)] {
            let conv = Conv2dConfig::new([4, 8], kernel)
                .with_stride(stride)
                .with_padding(padding)
                .with_groups(groups)
                .init(&device);
            let mut graph = Graph::new(image);
            let value = graph.conv("conv", &conv, graph.images());
            let [_, shape @ ..] = conv.forward(zeros(image)).dims();
            assert_eq!(graph.shape(value), shape);
        }
        for (kernel_size, stride, padding, ceil_mode) in [
            (2, 2, 0, true),
            (3, 2, 0, true),
            (3, 2, 1, true),
            (2, 3, 1, true),
            (3, 2, 1, false),
        ] {
            let pool = MaxPool2d {
                kernel_size,
                stride,
                padding,
                ceil_mode,
            };
            let mut graph = Graph::new(image);
            let value = graph.max_pool("", &pool, graph.images());
            let [_, shape @ ..] = pool.forward(zeros(image)).dims();
            assert_eq!(graph.shape(value), shape, "{pool:?} of {image:?}");
        }
        for size in [[1, 1], [3, 4], [height, width], [height, 1]] {
            let mut graph = Graph::new(image);
            let value = graph.adaptive_avg_pool("", size, graph.images());
            let [_, shape @ ..] = AdaptiveAvgPool2d::new(size).forward(zeros(image)).dims();
            assert_eq!(graph.shape(value), shape);
        }
    }
}

fn convolved(graph: &mut Graph, conv: &Conv2d) -> Value {
    graph.conv("conv", conv, graph.images())
}

#[test]
fn a_batch_norm_is_folded_where_nothing_else_reads_the_convolution() {
    let device = device();
    let conv = Conv2dConfig::new([3, 4], 3).init(&device);
    let norm = BatchNormConfig::new(4).init(&device);
    let mut graph = Graph::new([3, 8, 8]);
    let planes = convolved(&mut graph, &conv);
    let normal = graph.batch_norm("bn", &norm, planes).unwrap();
    let end = graph.activation("", Activation::Relu, normal);
    graph.output = end;
    let folded = graph.folded();
    let (nodes, output) = folded.clone().into_nodes();
    assert_eq!((nodes.len(), output), (3, 2));
    let Operator::Conv { weight, bias, .. } = &nodes[1].operator else {
        panic!("{nodes:?}");
    };
    let expected = fold(&conv, &norm).unwrap();
    assert_eq!(*weight, expected.weight.val().into_data());
    let expected = expected.bias.unwrap().val().into_data();
    assert_eq!(bias.as_ref(), Some(&expected));
    assert_eq!(nodes[2].inputs[0].index(), 1);
    // A second reader sees the convolution itself.
    let mut graph = Graph::new([3, 8, 8]);
    let planes = convolved(&mut graph, &conv);
    let normal = graph.batch_norm("bn", &norm, planes).unwrap();
    graph.output = graph.add("", [normal, planes]);
    assert_eq!(graph.clone().folded().nodes().len(), graph.nodes().len());
}

#[test]
fn what_a_graph_cannot_hold_is_refused_with_the_reason() {
    let device = device();
    let norm = BatchNormConfig {
        tracked: false,
        ..BatchNormConfig::new(3)
    };
    let mut graph = Graph::new([3, 8, 8]);
    let images = graph.images();
    let error = graph.batch_norm("stem.bn", &norm.init(&device), images);
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("`stem.bn`") && error.contains("running statistics"),
        "{error}"
    );

    #[derive(Module, Debug)]
    struct Silent {
        pool: MaxPool2d,
    }
    impl Classifier for Silent {
        fn forward(&self, images: Tensor<4>) -> Tensor<2> {
            self.pool.forward(images).flatten(1, 3)
        }
    }
    let pool = MaxPool2dConfig::new(2).init();
    let error = Graph::of(&Silent { pool }, [3, 8, 8])
        .unwrap_err()
        .to_string();
    assert!(error.contains("Classifier::graph"), "{error}");
}
