//! The geometry of a convolution.

use crate::Image;

/// The geometry of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv2d {
    /// The images that it reads.
    pub input: Image,
    /// Channels that it makes.
    pub output_channels: usize,
    /// `[height, width]`.
    pub kernel: [usize; 2],
    /// `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// `[(top, bottom), (left, right)]` rows and columns of zeros.
    pub padding: [(usize, usize); 2],
    /// `[vertical, horizontal]`.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Conv2d {
    /// The images that it makes.
    ///
    /// # Panics
    /// When the geometry is impossible: see [`Self::checked_output`].
    #[must_use]
    pub fn output(&self) -> Image {
        match self.checked_output() {
            Ok(output) => output,
            Err(why) => panic!("convolution: {why}"),
        }
    }

    /// The images that it makes, or what is wrong with the geometry.
    ///
    /// # Errors
    /// When there are no channels, or they cannot be divided into the groups; when kernel, stride or
    /// dilation is 0; when the dilated kernel is larger than the padded image; when no memory can hold
    /// the images, padded or made.
    pub fn checked_output(&self) -> Result<Image, String> {
        let (n, c, outputs, groups) = (
            self.input.n,
            self.input.c,
            self.output_channels,
            self.groups,
        );
        if c == 0 || outputs == 0 {
            return Err(format!(
                "{c} input channels and {outputs} output channels: at least 1 of each is needed"
            ));
        }
        if groups == 0 || !c.is_multiple_of(groups) || !outputs.is_multiple_of(groups) {
            return Err(format!(
                "{c} input channels and {outputs} output channels cannot be divided into {groups} groups"
            ));
        }
        let [(padded_h, h), (padded_w, w)] = [
            self.checked_side(self.input.h, 0)?,
            self.checked_side(self.input.w, 1)?,
        ];
        let padded = Image {
            n,
            h: padded_h,
            w: padded_w,
            c,
        };
        let output = Image {
            n,
            h,
            w,
            c: outputs,
        };
        // Every offset into an image lies within the padded one, so none of them overflows.
        for image in [padded, output] {
            if image.checked_len().is_none() {
                let Image { n, h, w, c } = image;
                return Err(format!(
                    "no memory holds {n} images of {h} x {w} pixels with {c} channels"
                ));
            }
        }
        Ok(output)
    }

    /// The padded side and that of the output, along an axis.
    fn checked_side(&self, size: usize, axis: usize) -> Result<(usize, usize), String> {
        let (before, after) = self.padding[axis];
        let (kernel, stride, dilation) =
            (self.kernel[axis], self.stride[axis], self.dilation[axis]);
        for (name, value) in [
            ("kernel", kernel),
            ("stride", stride),
            ("dilation", dilation),
        ] {
            if value == 0 || isize::try_from(value).is_err() {
                return Err(format!("{name} = {value} where 1 or more is needed"));
            }
        }
        let padded = size
            .checked_add(before)
            .and_then(|padded| padded.checked_add(after))
            .filter(|padded| isize::try_from(*padded).is_ok())
            .ok_or_else(|| format!("padding of {before} and {after} around {size} pixels"))?;
        dilation
            .checked_mul(kernel - 1)
            .and_then(|far| padded.checked_sub(far)?.checked_sub(1))
            .map(|room| (padded, room / stride + 1))
            .ok_or_else(|| {
                format!(
                    "a kernel of {kernel} with dilation {dilation} is larger than the image: \
                     {padded} pixels with its padding"
                )
            })
    }

    /// Elements of the weight `[output_channels, input channels / groups, height, width]`.
    ///
    /// # Panics
    /// When no memory can hold so many, or there are no groups.
    #[must_use]
    pub fn weight_len(&self) -> usize {
        let sides = [
            self.output_channels,
            self.group_inputs(),
            self.kernel[0],
            self.kernel[1],
        ];
        let len = sides
            .iter()
            .try_fold(1, |len: usize, side| len.checked_mul(*side));
        len.unwrap_or_else(|| panic!("convolution: no memory holds a weight of {sides:?}"))
    }

    pub(super) fn check_weight(&self, weight: &[f32]) {
        let (len, outputs, inputs) = (weight.len(), self.output_channels, self.group_inputs());
        assert!(
            len == self.weight_len(),
            "convolution: a weight of {len} elements where [{outputs}, {inputs}, {}, {}] is needed",
            self.kernel[0],
            self.kernel[1]
        );
    }

    pub(super) fn check_input(&self, x: &[f32]) {
        assert_eq!(
            x.len(),
            self.input.len(),
            "convolution: input of {:?}",
            self.input
        );
    }

    /// The images that it makes, whose gradient this has to be.
    pub(super) fn check_gradient(&self, dy: &[f32]) -> Image {
        let output = self.output();
        assert_eq!(
            dy.len(),
            output.len(),
            "convolution: gradient of {output:?}"
        );
        output
    }

    pub(super) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    pub(super) fn group_inputs(&self) -> usize {
        self.input.c / self.groups
    }

    pub(super) fn group_outputs(&self) -> usize {
        self.output_channels / self.groups
    }

    pub(super) fn is_depthwise(&self) -> bool {
        self.groups > 1 && self.group_inputs() == 1 && self.group_outputs() == 1
    }
}
