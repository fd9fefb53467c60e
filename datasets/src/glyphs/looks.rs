//! The appearance of an image: paper, ink, dirt and noise.

use firebrick_types::random::HostRng;
use rand::{Rng, RngExt};

use super::domain::Domain;
use super::pose::{SIZE, sin_cos, within};
use super::raster::{Coverage, centre, draw};

/// Red, green and blue in [0, 1]; grey images use the first.
type Colour = [f32; 3];

/// A plane wave over the paper: a faint weave.
struct Wave {
    /// Turns for each pixel, horizontally and vertically.
    frequency: (f32, f32),
    /// In turns.
    phase: f32,
    amplitude: Colour,
}

/// Something that lies on the drawing.
struct Occluder {
    from: (f32, f32),
    to: (f32, f32),
    /// Half its width in pixels.
    radius: f32,
    colour: Colour,
}

/// The draws behind the appearance of one image.
pub(super) struct Looks {
    channels: usize,
    paper: Colour,
    ink: Colour,
    /// Change of the paper from the centre to the right and to the lower edge.
    gradient: [Colour; 2],
    waves: [Wave; 2],
    /// Short strokes of ink beside the character.
    dirt: Vec<[(f32, f32); 2]>,
    occluder: Option<Occluder>,
    /// Standard deviation of the noise on each value.
    noise: f32,
}

impl Looks {
    /// Draws an appearance; `difficulty` scales everything that is in the way of reading.
    pub(super) fn sample(domain: Domain, difficulty: f32, rng: &mut HostRng) -> Self {
        let colours = domain.channels() == 3;
        let (paper, ink) = match domain {
            Domain::Grey => grey_pair(difficulty, rng),
            Domain::Rgb => colour_pair(rng),
        };
        let mut tint = |limit: f32| {
            let shared = within(rng, -limit, limit) * difficulty;
            let mut colour = [shared; 3];
            if colours {
                for value in &mut colour {
                    *value += within(rng, -limit, limit) * 0.6 * difficulty;
                }
            }
            colour
        };
        let gradient = [tint(0.14), tint(0.14)];
        let amplitudes = [tint(0.07), tint(0.07)];
        let waves = amplitudes.map(|amplitude| {
            let (sin, cos) = sin_cos(rng.random());
            let frequency = 1.0 / within(rng, 4.0, 18.0);
            Wave {
                frequency: (cos * frequency, sin * frequency),
                phase: rng.random(),
                amplitude,
            }
        });
        let dirt = (0..3)
            .filter_map(|_| {
                let mark = speck(rng);
                (rng.random::<f32>() < 0.4 * difficulty).then_some(mark)
            })
            .collect();
        let occluder = occluder(paper, ink, rng);
        Self {
            channels: domain.channels(),
            paper,
            ink,
            gradient,
            waves,
            dirt,
            occluder: (rng.random::<f32>() < 0.25 * difficulty).then_some(occluder),
            noise: within(rng, 0.02, 0.09) * difficulty,
        }
    }

    /// The 8-bit image of strokes with this coverage.
    pub(super) fn render(&self, mut coverage: Coverage, rng: &mut HostRng, out: &mut Vec<u8>) {
        for mark in &self.dirt {
            draw(mark, 0.9, &mut coverage);
        }
        let mut hidden = [0.0; SIZE * SIZE];
        if let Some(bar) = &self.occluder {
            draw(&[bar.from, bar.to], bar.radius, &mut hidden);
        }
        for row in 0..SIZE {
            for column in 0..SIZE {
                let (x, y) = (centre(column), centre(row));
                let waves = self.waves.each_ref().map(|wave| {
                    sin_cos(wave.frequency.0 * x + wave.frequency.1 * y + wave.phase).0
                });
                // From -1 at one edge to 1 at the other.
                let (across, down) = (x / 16.0 - 1.0, y / 16.0 - 1.0);
                let (ink, over) = (coverage[row * SIZE + column], hidden[row * SIZE + column]);
                for channel in 0..self.channels {
                    let paper = self.paper[channel]
                        + self.gradient[0][channel] * across
                        + self.gradient[1][channel] * down
                        + self.waves[0].amplitude[channel] * waves[0]
                        + self.waves[1].amplitude[channel] * waves[1];
                    let drawn = paper + ink * (self.ink[channel] - paper);
                    let top = self
                        .occluder
                        .as_ref()
                        .map_or(0.0, |bar| bar.colour[channel]);
                    let value = drawn + over * (top - drawn) + self.noise * bell(rng);
                    out.push((value * 255.0).round() as u8);
                }
            }
        }
    }
}

/// Nearly normal noise of variance 1: four uniform bytes of one draw added up.
fn bell(rng: &mut HostRng) -> f32 {
    let sum: u16 = rng
        .next_u32()
        .to_le_bytes()
        .into_iter()
        .map(u16::from)
        .sum();
    (f32::from(sum) - 510.0) / 147.8
}

/// Chalk on a board, and at times a pencil on paper.
fn grey_pair(difficulty: f32, rng: &mut HostRng) -> (Colour, Colour) {
    let contrast = within(rng, 1.0 - 0.55 * difficulty.min(1.5), 1.0);
    let dark = rng.random::<f32>() * (1.0 - contrast);
    let inverted = rng.random::<f32>() < 0.2 * difficulty;
    let (paper, ink) = if inverted {
        (dark + contrast, dark)
    } else {
        (dark, dark + contrast)
    };
    ([paper; 3], [ink; 3])
}

/// Any colour on any other, far enough apart to be read.
fn colour_pair(rng: &mut HostRng) -> (Colour, Colour) {
    const TRIES: usize = 32;
    for _ in 0..TRIES {
        let (paper, ink): (Colour, Colour) = (rng.random(), rng.random());
        let apart: f32 = paper.iter().zip(ink).map(|(a, b)| (a - b) * (a - b)).sum();
        if apart > 0.36 {
            return (paper, ink);
        }
    }
    ([0.0; 3], [1.0; 3])
}

/// A mark of two to five pixels that keeps clear of the middle.
fn speck(rng: &mut HostRng) -> [(f32, f32); 2] {
    let (sin, cos) = sin_cos(rng.random());
    let distance = within(rng, 12.0, 20.0);
    let (x, y) = (16.0 + distance * cos, 16.0 + distance * sin);
    let length = within(rng, 2.0, 5.0);
    let (sin, cos) = sin_cos(rng.random());
    [(x, y), (x + length * cos, y + length * sin)]
}

/// A short bar across some part of the image, in a colour between paper and ink.
fn occluder(paper: Colour, ink: Colour, rng: &mut HostRng) -> Occluder {
    let (x, y) = (within(rng, 6.0, 26.0), within(rng, 6.0, 26.0));
    let (sin, cos) = sin_cos(rng.random());
    let half = within(rng, 1.0, 6.0);
    let blend = rng.random::<f32>();
    Occluder {
        from: (x - half * cos, y - half * sin),
        to: (x + half * cos, y + half * sin),
        radius: within(rng, 1.2, 2.4),
        colour: std::array::from_fn(|channel| {
            paper[channel] + blend * (ink[channel] - paper[channel])
        }),
    }
}
