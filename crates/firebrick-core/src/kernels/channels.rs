//! Moves channels: side by side, a part of them, dealt out in turn.

use burn::backend::tensor::FloatTensor;
use burn::tensor::Tensor;
use firebrick_kernels::Image;
use firebrick_kernels::channels::{self as kernel, Channels};

use super::host::{Host, Images, Pixels};
use super::operation::{Operation, run_single};
use super::take;

/// The most inputs of an operation.
const MOST: usize = 4;

/// The channels of all of them, one after another.
///
/// # Shapes
/// Each `[N, C, H, W]` with channels of its own, to `[N, Σ C, H, W]`.
///
/// # Panics
/// When there are none, or they differ in another side.
#[must_use]
pub fn concat(mut parts: Vec<Tensor<4>>) -> Tensor<4> {
    if parts.len() == 1 {
        return parts.swap_remove(0);
    }
    let sides = |tensor: &Tensor<4>| {
        let [images, _, height, width] = tensor.dims();
        [images, height, width]
    };
    let fit = parts
        .iter()
        .all(|part| take(part) && sides(part) == sides(&parts[0]));
    if !fit || parts.is_empty() {
        return Tensor::cat(parts, 1);
    }
    while parts.len() > MOST {
        let rest = parts.split_off(MOST);
        parts = std::iter::once(joined(parts)).chain(rest).collect();
    }
    joined(parts)
}

fn joined(parts: Vec<Tensor<4>>) -> Tensor<4> {
    let inputs = parts.into_iter().map(Tensor::into_dispatch).collect();
    Tensor::from_dispatch(run_single(Concat, inputs))
}

/// Channels `first..first + count`.
///
/// # Shapes
/// `[N, C, H, W]` to `[N, count, H, W]`.
///
/// # Panics
/// When there are no such channels.
#[must_use]
pub fn channel_part(x: Tensor<4>, first: usize, count: usize) -> Tensor<4> {
    let channels = x.dims()[1];
    if !take(&x) || count == 0 || first.saturating_add(count) > channels {
        return x.narrow(1, first, count);
    }
    Tensor::from_dispatch(run_single(Part { first, count }, vec![x.into_dispatch()]))
}

/// Deals the channels of each group out in turn: of channels `0 1 2 3 4 5` in two groups it makes `0 3 1 4 2 5`.
///
/// # Shapes
/// `[N, C, H, W]` to the same.
///
/// # Panics
/// When `groups` does not divide the channels.
#[must_use]
pub fn channel_shuffle(x: Tensor<4>, groups: usize) -> Tensor<4> {
    let [images, channels, height, width] = x.dims();
    assert!(
        groups > 0 && channels.is_multiple_of(groups),
        "channel shuffle: {channels} channels are not {groups} equal groups"
    );
    if !take(&x) {
        return x
            .reshape([images, groups, channels / groups, height, width])
            .swap_dims(1, 2)
            .reshape([images, channels, height, width]);
    }
    Tensor::from_dispatch(run_single(Shuffle(groups), vec![x.into_dispatch()]))
}

/// The first channels of `a`, as many as `b` has, and those of `b` in turn: `a₀ b₀ a₁ b₁ …`. That is what [`concat()`] and
/// [`channel_shuffle`] with two groups make of them, in one pass.
///
/// # Shapes
/// `[N, C or more, H, W]` and `[N, C, H, W]`, to `[N, 2 · C, H, W]`.
///
/// # Panics
/// When the shapes do not fit.
#[must_use]
pub fn interleave(a: Tensor<4>, b: Tensor<4>) -> Tensor<4> {
    let ([images, all, height, width], [_, channels, ..]) = (a.dims(), b.dims());
    let fit = all >= channels && b.dims() == [images, channels, height, width];
    if !(fit && take(&a) && take(&b)) {
        return channel_shuffle(concat(vec![channel_part(a, 0, channels), b]), 2);
    }
    let inputs = vec![a.into_dispatch(), b.into_dispatch()];
    Tensor::from_dispatch(run_single(Interleave, inputs))
}

/// All channels of these images.
fn all<B: Host>(images: &Images<B>) -> Channels<'_> {
    Channels::all(images.values(), images.image.c)
}

fn pixels(image: Image) -> usize {
    image.n * image.h * image.w
}

/// These channels among zeros.
fn among_zeros<B: Host>(
    own: Channels<'_>,
    image: Image,
    before: usize,
    after: usize,
) -> FloatTensor<B> {
    let zeros = vec![0.0; before.max(after)];
    let row = |count: usize| Channels {
        values: &zeros,
        count,
        stride: 0,
    };
    let c = before + own.count + after;
    let values = kernel::concat(&[row(before), own, row(after)], pixels(image));
    Images::<B>::from_values(values, Image { c, ..image }).into_tensor()
}

#[derive(Debug)]
struct Concat;

impl Operation for Concat {
    /// The channels of each.
    type Saved<B: Host> = Vec<usize>;

    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, Vec<usize>) {
        let parts: Vec<_> = inputs.into_iter().map(Pixels::<B>::new).collect();
        let sources: Vec<_> = parts.iter().map(Pixels::channels).collect();
        let counts: Vec<usize> = sources.iter().map(|source| source.count).collect();
        let image = parts[0].image;
        let y = kernel::concat(&sources, pixels(image));
        let c = counts.iter().sum();
        let y = Images::<B>::from_values(y, Image { c, ..image });
        (vec![y.into_tensor()], counts)
    }

    fn backward<B: Host>(
        &self,
        counts: Vec<usize>,
        gradient: FloatTensor<B>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = Images::<B>::new(gradient);
        let mut first = 0;
        let parts = counts.into_iter().zip(wanted).map(|(count, wanted)| {
            let begin = first;
            first += count;
            wanted.then(|| {
                let part = kernel::part(dy.values(), dy.image.c, begin, count);
                let image = Image {
                    c: count,
                    ..dy.image
                };
                Images::<B>::from_values(part, image).into_tensor()
            })
        });
        parts.collect()
    }
}

#[derive(Debug)]
struct Part {
    first: usize,
    count: usize,
}

impl Operation for Part {
    /// The channels behind it.
    type Saved<B: Host> = usize;

    fn forward<B: Host>(
        &self,
        mut inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, usize) {
        let x = Pixels::<B>::new(inputs.swap_remove(0));
        let all = x.channels();
        let own = Channels {
            values: &all.values[self.first..],
            count: self.count,
            ..all
        };
        let image = Image {
            c: self.count,
            ..x.image
        };
        let y = Images::<B>::from_values(kernel::concat(&[own], pixels(image)), image);
        (vec![y.into_tensor()], all.count - self.first - self.count)
    }

    fn backward<B: Host>(
        &self,
        behind: usize,
        gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = Images::<B>::new(gradient);
        vec![Some(among_zeros::<B>(
            all(&dy),
            dy.image,
            self.first,
            behind,
        ))]
    }
}

/// Its groups.
#[derive(Debug)]
struct Shuffle(usize);

impl Operation for Shuffle {
    type Saved<B: Host> = ();

    fn forward<B: Host>(
        &self,
        mut inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, ()) {
        let x = Images::<B>::new(inputs.swap_remove(0));
        let y = kernel::shuffle(x.values(), x.image.c, self.0);
        (vec![Images::<B>::from_values(y, x.image).into_tensor()], ())
    }

    fn backward<B: Host>(
        &self,
        (): (),
        gradient: FloatTensor<B>,
        _wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = Images::<B>::new(gradient);
        let dx = kernel::shuffle(dy.values(), dy.image.c, dy.image.c / self.0);
        vec![Some(Images::<B>::from_values(dx, dy.image).into_tensor())]
    }
}

#[derive(Debug)]
struct Interleave;

impl Operation for Interleave {
    /// The channels of the first that are left out.
    type Saved<B: Host> = usize;

    fn forward<B: Host>(
        &self,
        inputs: Vec<FloatTensor<B>>,
        _wanted: &[bool],
    ) -> (Vec<FloatTensor<B>>, usize) {
        let parts: Vec<_> = inputs.into_iter().map(Pixels::<B>::new).collect();
        let (a, b) = (parts[0].channels(), parts[1].channels());
        let behind = a.count - b.count;
        let own = Channels {
            count: b.count,
            ..a
        };
        let image = parts[1].image;
        let y = kernel::interleave([own, b], pixels(image));
        let image = Image {
            c: 2 * image.c,
            ..image
        };
        let y = Images::<B>::from_values(y, image);
        (vec![y.into_tensor()], behind)
    }

    fn backward<B: Host>(
        &self,
        behind: usize,
        gradient: FloatTensor<B>,
        wanted: &[bool],
    ) -> Vec<Option<FloatTensor<B>>> {
        let dy = Images::<B>::new(gradient);
        let [a, b] = kernel::deinterleave(dy.values(), dy.image.c);
        let image = Image {
            c: dy.image.c / 2,
            ..dy.image
        };
        let a = wanted[0].then(|| match behind {
            0 => Images::<B>::from_values(a, image).into_tensor(),
            behind => among_zeros::<B>(Channels::all(&a, image.c), image, 0, behind),
        });
        let b = wanted[1].then(|| Images::<B>::from_values(b, image).into_tensor());
        vec![a, b]
    }
}
