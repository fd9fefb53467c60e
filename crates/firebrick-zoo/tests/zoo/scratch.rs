use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use firebrick_core::Classifier;
use firebrick_core::data::{Targets};
use firebrick_core::loss::{CrossEntropy, Loss};
use firebrick_core::parameters::{Gradients, Parameters};
use rand::RngExt;
use super::*;

#[test]
fn orthogonal_time() {
    let t = std::time::Instant::now();
    let _ = model("resnet18(init=orthogonal)", 0);
    println!("resnet18 orthogonal {:?}; size {}", t.elapsed(), size_of::<Model>());
    println!("{} {} {} {}", size_of::<firebrick_zoo::LeNet5>(), size_of::<firebrick_zoo::SmallCnn>(), size_of::<firebrick_zoo::ResNetCifar>(), size_of::<firebrick_zoo::ResNet18>());
}

#[test]
fn full_cifar() {
    let t = std::time::Instant::now();
    let labels = std::fs::read("/work/shared/data/cifar10/test_labels.bin").unwrap();
    let said_ref = std::fs::read("/work/shared/data/weights/resnet20_cifar10_test_pred.bin").unwrap();
    let (m, _) = model("resnet20", 0);
    let m = firebrick_zoo::load(m, std::path::Path::new("/work/shared/data/weights/resnet20_cifar10.safetensors")).unwrap();
    let (mut errors, mut differ) = (0, 0);
    for strip in 0..20 {
        let images = pretrained::strip(strip);
        let said = pretrained::classes(&values(&m.forward(images)));
        for (i, s) in said.iter().enumerate() {
            errors += usize::from(*s != labels[strip * 500 + i]);
            differ += usize::from(*s != said_ref[strip * 500 + i]);
        }
    }
    println!("CIFAR errors {errors}, other than the reference {differ}, {:?}", t.elapsed());
}

fn train(name: &str, epochs: usize) {
    let t0 = std::time::Instant::now();
    let read = |f: &str, skip: usize| std::fs::read(format!("/tmp/mnist/{f}")).unwrap()[skip..].to_vec();
    let (x, y) = (read("train-images-idx3-ubyte", 16), read("train-labels-idx1-ubyte", 8));
    let (tx, ty) = (read("t10k-images-idx3-ubyte", 16), read("t10k-labels-idx1-ubyte", 8));
    let spec = name.parse().unwrap();
    let input = Input { channels: 1, height: 28, width: 28, classes: 10 };
    let mut model = build(&spec, &input, 0, &flex()).unwrap().train();
    println!("{name} {} parameters, {} multiply-adds", firebrick_zoo::parameters(&model), firebrick_zoo::describe(&model, &input).multiply_adds);
    let device = flex().autodiff();
    let batch = 64;
    let steps = epochs * (60000 / batch);
    let mut step = 0;
    let (mut ms, mut vs): (Vec<Option<Tensor<1>>>, Vec<Option<Tensor<1>>>) = (vec![None; 200], vec![None; 200]);
    for epoch in 0..epochs {
        let mut order: Vec<usize> = (0..60000).collect();
        let mut rng = firebrick_core::random::rng(0, "s", epoch as u64, 0);
        for i in (1..60000).rev() { order.swap(i, rng.random_range(0..=i)); }
        let mut total = 0.0;
        for chunk in order.chunks_exact(batch) {
            let mut data = vec![-0.1307f32 / 0.3081; batch * 784];
            for (b, i) in chunk.iter().enumerate() {
                let (dx, dy) = (rng.random_range(-2i32..=2), rng.random_range(-2i32..=2));
                for r in 0..28i32 { for c in 0..28i32 {
                    let (sr, sc) = (r + dy, c + dx);
                    if (0..28).contains(&sr) && (0..28).contains(&sc) {
                        data[b * 784 + (r * 28 + c) as usize] = (f32::from(x[i * 784 + (sr * 28 + sc) as usize]) / 255.0 - 0.1307) / 0.3081;
                    }
                }}
            }
            let images = Tensor::from_data(TensorData::new(data, [batch, 1, 28, 28]), &device);
            let targets = Targets::Classes(chunk.iter().map(|i| y[*i] as usize).collect());
            let loss = CrossEntropy::default().loss(model.forward(images), &targets);
            let loss = loss.sum / loss.weight;
            total += values(&loss.clone().inner())[0];
            let mut grads = loss.backward();
            let grads = Gradients::take(&model, &mut grads);
            let (empty, mut ps) = Parameters::take(model);
            step += 1;
            let warm = (step as f64 / 200.0).min(1.0);
            let lr = warm * 0.004 * 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / steps as f64).cos());
            for (at, (p, g)) in ps.0.iter_mut().zip(grads.0).enumerate() {
                let g = g.unwrap();
                let m = match ms[at].take() { Some(m) => m * 0.9 + g.clone() * 0.1, None => g.clone() * 0.1 };
                let v = match vs[at].take() { Some(v) => v * 0.999 + g.clone() * g * 0.001, None => g.clone() * g * 0.001 };
                let (b1, b2) = (1.0 - 0.9f64.powi(step), 1.0 - 0.999f64.powi(step));
                p.value = p.value.clone() - m.clone() / b1 / ((v.clone() / b2).sqrt() + 1e-8) * lr;
                ms[at] = Some(m); vs[at] = Some(v);
            }
            model = ps.put(empty);
        }
        let eval = model.valid();
        let mut right = 0;
        for s in 0..20 {
            let data: Vec<f32> = tx[s * 500 * 784..(s + 1) * 500 * 784].iter().map(|v| (f32::from(*v) / 255.0 - 0.1307) / 0.3081).collect();
            let out = values(&eval.forward(Tensor::from_data(TensorData::new(data, [500, 1, 28, 28]), &flex())));
            right += pretrained::classes(&out).iter().zip(&ty[s * 500..]).filter(|(a, b)| a == b).count();
        }
        println!("{name} epoch {epoch} loss {} test {} of 10000 {:?}", total / (60000 / batch) as f32, right, t0.elapsed());
    }
}

#[test]
fn mnist_small_cnn() { train("small_cnn", 6); }
