//! How a vector of source channels meets the lanes of a vector of result channels.

use crate::simd::Simd;

/// For each channel of a group: that channel of every lane's group.
pub(super) trait Spread<S: Simd>: Copy {
    /// What a channel of the groups needs.
    type Channel: Copy;

    /// Channels of a group.
    fn count(self) -> usize;

    /// For the vector that begins at channel `first` of a pixel.
    ///
    /// # Safety
    /// The processor has `S`; the channel is below `count`.
    unsafe fn channel(self, channel: usize, first: usize) -> Self::Channel;

    /// The vector at `from`, spread.
    ///
    /// # Safety
    /// It and the other channels of its groups can be read, and the processor has `S`.
    unsafe fn load(channel: Self::Channel, from: *const f32) -> S::V;
}

/// Groups of one channel: a vector as it is.
#[derive(Clone, Copy)]
pub(super) struct Single;

impl<S: Simd> Spread<S> for Single {
    type Channel = ();

    #[inline(always)]
    fn count(self) -> usize {
        1
    }
    #[inline(always)]
    unsafe fn channel(self, _: usize, _: usize) {}
    #[inline(always)]
    unsafe fn load((): (), from: *const f32) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::load(from) }
    }
}

/// For each channel of a group, the lane that each lane takes.
pub(super) struct Places {
    count: usize,
    /// As many lanes as the longest vectors have, and channels of such a group.
    lanes: [[f32; 16]; 16],
}

impl Places {
    /// For groups of `count` channels, several of which fill a vector.
    pub(super) fn new(count: usize) -> Self {
        let mut lanes = [[0.0; 16]; 16];
        for (channel, lanes) in lanes.iter_mut().enumerate().take(count) {
            for (lane, place) in lanes.iter_mut().enumerate() {
                *place = f32::from_bits((lane / count * count + channel) as u32);
            }
        }
        Self { count, lanes }
    }
}

/// A vector holds several groups.
#[derive(Clone, Copy)]
pub(super) struct Several<'a>(pub(super) &'a Places);

impl<S: Simd> Spread<S> for Several<'_> {
    type Channel = S::V;

    #[inline(always)]
    fn count(self) -> usize {
        self.0.count
    }
    #[inline(always)]
    unsafe fn channel(self, channel: usize, _: usize) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::load(self.0.lanes[channel].as_ptr()) }
    }
    #[inline(always)]
    unsafe fn load(channel: S::V, from: *const f32) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::permute(S::load(from), channel) }
    }
}

/// A group has one vector or several.
#[derive(Clone, Copy)]
pub(super) struct Whole(pub(super) usize);

impl<S: Simd> Spread<S> for Whole {
    /// Where the channel is, from the vector on.
    type Channel = isize;

    #[inline(always)]
    fn count(self) -> usize {
        self.0
    }
    #[inline(always)]
    unsafe fn channel(self, channel: usize, first: usize) -> isize {
        channel as isize - (first % self.0) as isize
    }
    #[inline(always)]
    unsafe fn load(channel: isize, from: *const f32) -> S::V {
        // SAFETY: as of the trait.
        unsafe { S::splat(*from.offset(channel)) }
    }
}
