//! Checks whether a JPEG is complete.
//!
//! The decoder fills what is missing with grey and reports no error, so files that were cut off must be
//! found beforehand. When the end marker is missing, the scans are walked code by code without computing
//! pixels (ITU-T T.81, annexes B, F and G), because some phones write complete scans, no marker, and a
//! trailer of their own.
//!
//! The strict mode of the decoder's crate (zune-jpeg 0.5) is no substitute, apart from `image` turning it
//! off: it reads zeros where up to four bytes are missing, and refuses progressive images that lack only
//! the end marker.

use std::borrow::Cow;

use super::limits::{MAX_BYTES, MAX_SIDE};

const END: [u8; 2] = [0xff, 0xd9];
/// A file that was cut off and filled up with zeros, as interrupted downloads are, has at least this
/// many zeros at its end.
const ZEROS: usize = 16;
/// The decoder reads no more scans of a progressive image. A scan of a few bytes can cover millions of
/// blocks, so without a limit a small file would take hours.
const MAX_SCANS: usize = 100;

/// The file if it has an end marker. If only the marker is missing, the file up to the end of its scans
/// with a marker added. `None` if it is cut off.
pub(super) fn whole(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    if has_end_marker(bytes) {
        return Some(Cow::Borrowed(bytes));
    }
    let end = end_of_scans(bytes)?;
    // Zeros can be read as codes, so the scans may seem to continue in them.
    let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
    let first = bytes.len() - zeros;
    // The zero of a last `FF 00` belongs to the scan.
    let stuffed = usize::from(bytes[..first].ends_with(&[0xff]));
    if zeros >= ZEROS && first + stuffed < end {
        return None;
    }
    Some(Cow::Owned([&bytes[..end], &END].concat()))
}

/// Whether the file has an end marker outside of headers and thumbnails.
///
/// Segments are skipped by their length; in compressed data a marker is `FF` and a byte that is
/// neither stuffing (`00`), a restart (`D0` to `D7`) nor fill (`FF`).
fn has_end_marker(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(rest) = bytes.get(at..) {
        match rest {
            [0xff, 0xd9, ..] => return true,
            [0xff, 0x01 | 0xd0..=0xd8, ..] => at += 2,
            [0xff, 0x00 | 0xff, ..] => at += 1,
            [0xff, _, high, low, ..] => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
            [0xff, ..] | [] => return false,
            [_, ..] => at += 1,
        }
    }
    false
}

/// The position after the last scan; `None` if part of the image is missing or is not understood.
fn end_of_scans(bytes: &[u8]) -> Option<usize> {
    let mut tables = Tables::default();
    let mut frame: Option<Frame> = None;
    let mut scans = 0;
    let mut at = 2;
    loop {
        let [0xff, marker] = *bytes.get(at..)?.first_chunk::<2>()? else {
            return None;
        };
        match marker {
            0xff => {
                at += 1;
                continue;
            }
            0x01 | 0xd0..=0xd8 => {
                at += 2;
                continue;
            }
            _ => at += 2,
        }
        let length = usize::from(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?));
        let segment = bytes.get(at + 2..at + length)?;
        at += length;
        match marker {
            0xc4 => tables.read_huffman(segment)?,
            0xdd => tables.restart = usize::from(u16::from_be_bytes(*segment.first_chunk()?)),
            0xc0..=0xc2 => frame = Some(Frame::read(segment, marker == 0xc2)?),
            // Lossless, hierarchical and arithmetic coding, which the decoder does not support either.
            0xc3 | 0xc5..=0xcf => return None,
            0xda => {
                scans += 1;
                if scans > MAX_SCANS {
                    return None;
                }
                let frame = frame.as_mut()?;
                at = frame.walk(segment, &tables, bytes, at)?;
                if frame.is_complete() {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
}

#[derive(Default)]
struct Tables {
    /// By class (0: DC, 1: AC) and number.
    huffman: [[Option<Huffman>; 4]; 2],
    /// Units between restart markers; 0 means that there are none.
    restart: usize,
}

impl Tables {
    fn read_huffman(&mut self, mut segment: &[u8]) -> Option<()> {
        while let Some((head, rest)) = segment.split_first() {
            let counts = *rest.first_chunk::<16>()?;
            let total: usize = counts.iter().map(|count| usize::from(*count)).sum();
            let values = rest.get(16..16 + total)?.to_vec();
            let (class, number) = (usize::from(head >> 4), usize::from(head & 15));
            *self.huffman.get_mut(class)?.get_mut(number)? = Some(Huffman { counts, values });
            segment = &rest[16 + total..];
        }
        Some(())
    }

    fn table(&self, class: usize, number: u8) -> Option<&Huffman> {
        self.huffman[class].get(usize::from(number))?.as_ref()
    }
}

/// Canonical Huffman codes: how many of each length, and what they stand for in order.
struct Huffman {
    counts: [u8; 16],
    values: Vec<u8>,
}

impl Huffman {
    fn symbol(&self, bits: &mut Bits<'_>) -> Option<u8> {
        let (mut code, mut first, mut index) = (0_usize, 0_usize, 0_usize);
        for count in self.counts.map(usize::from) {
            code = 2 * code + bits.take(1)?;
            first *= 2;
            if code < first + count {
                return self.values.get(index + code.checked_sub(first)?).copied();
            }
            first += count;
            index += count;
        }
        None
    }
}

/// The bits of a scan, up to a marker or the end of the file.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    byte: u8,
    left: u32,
}

impl Bits<'_> {
    /// The next bits as a number; of too many, which only damaged tables ask for, the last that fit.
    fn take(&mut self, count: u32) -> Option<usize> {
        let mut value = 0;
        for _ in 0..count {
            if self.left == 0 {
                self.byte = *self.bytes.get(self.at)?;
                self.at += 1;
                if self.byte == 0xff {
                    // `FF 00` is the byte FF; anything else a marker.
                    (*self.bytes.get(self.at)? == 0).then_some(())?;
                    self.at += 1;
                }
                self.left = 8;
            }
            self.left -= 1;
            value = value << 1 | usize::from(self.byte >> self.left & 1);
        }
        Some(value)
    }

    /// Goes past a restart marker.
    fn restart(&mut self) -> Option<()> {
        self.left = 0;
        while *self.bytes.get(self.at..)?.first_chunk::<2>()? == [0xff, 0xff] {
            self.at += 1;
        }
        let [0xff, 0xd0..=0xd7] = *self.bytes.get(self.at..)?.first_chunk::<2>()? else {
            return None;
        };
        self.at += 2;
        Some(())
    }
}

struct Frame {
    progressive: bool,
    /// Units of all components together in the whole image, across and down.
    units: [usize; 2],
    components: Vec<Component>,
}

struct Component {
    id: u8,
    /// Blocks in a unit, across and down.
    sampling: [usize; 2],
    /// Blocks of the component in the whole image, across and down, without those that fill up units.
    blocks: [usize; 2],
    /// For each coefficient the lowest bit that was read; `None` when none was.
    lowest: [Option<u8>; 64],
    /// The coefficients of each block that are not zero so far, on which refining scans depend.
    nonzero: Vec<u64>,
}

/// What a scan contains of each block.
struct Scan<'a> {
    first: usize,
    last: usize,
    refines: bool,
    low: u8,
    dc: Option<&'a Huffman>,
    ac: Option<&'a Huffman>,
}

impl Frame {
    fn read(segment: &[u8], progressive: bool) -> Option<Self> {
        let [_, height @ .., _, _, count] = *segment.first_chunk::<6>()?;
        let height = usize::from(u16::from_be_bytes(height));
        let width = usize::from(u16::from_be_bytes([segment[3], segment[4]]));
        let pixels = width as u64 * height as u64 * u64::from(count);
        if pixels == 0 || pixels > MAX_BYTES || width.max(height) > MAX_SIDE as usize {
            return None;
        }
        let described = segment.get(6..6 + 3 * usize::from(count))?;
        let samplings: Vec<[usize; 2]> = described
            .chunks_exact(3)
            .map(|of| [usize::from(of[1] >> 4), usize::from(of[1] & 15)])
            .collect();
        if count > 4
            || samplings
                .as_flattened()
                .iter()
                .any(|s| !(1..=4).contains(s))
        {
            return None;
        }
        let most = [0, 1].map(|axis| samplings.iter().map(|s| s[axis]).max().unwrap_or(1));
        let size = [width, height];
        let components = described
            .chunks_exact(3)
            .zip(&samplings)
            .map(|(of, sampling)| Component {
                id: of[0],
                sampling: *sampling,
                blocks: [0, 1].map(|axis| {
                    (size[axis] * sampling[axis])
                        .div_ceil(most[axis])
                        .div_ceil(8)
                }),
                lowest: [None; 64],
                nonzero: Vec::new(),
            });
        Some(Self {
            progressive,
            units: [0, 1].map(|axis| size[axis].div_ceil(8 * most[axis])),
            components: components.collect(),
        })
    }

    fn is_complete(&self) -> bool {
        let lowest = self.components.iter().flat_map(|of| &of.lowest);
        lowest.into_iter().all(|low| *low == Some(0))
    }

    /// Walks the scan with this header, whose data begin at `at`; gives the position after them.
    fn walk(&mut self, header: &[u8], tables: &Tables, bytes: &[u8], at: usize) -> Option<usize> {
        let count = usize::from(*header.first()?);
        let [first, last, bits] = *header.get(1 + 2 * count..)?.first_chunk::<3>()?;
        let (first, last) = (usize::from(first), usize::from(last));
        if !(1..=4).contains(&count) {
            return None;
        }
        if self.progressive && (last < first || last > 63 || (first > 0 && count != 1)) {
            return None;
        }
        let mut members = Vec::new();
        for of in header[1..1 + 2 * count].chunks_exact(2) {
            let member = self
                .components
                .iter()
                .position(|component| component.id == of[0])?;
            let scan = Scan {
                first: if self.progressive { first } else { 0 },
                last: if self.progressive { last } else { 63 },
                refines: self.progressive && bits >> 4 > 0,
                low: if self.progressive { bits & 15 } else { 0 },
                dc: tables.table(0, of[1] >> 4),
                ac: tables.table(1, of[1] & 15),
            };
            members.push((member, scan));
        }
        let mut bits = Bits {
            bytes,
            at,
            byte: 0,
            left: 0,
        };
        let units = match members.as_slice() {
            [(member, _)] => self.components[*member].blocks,
            _ => self.units,
        };
        // The blocks of a single component come row by row, without those that fill up units.
        let alone = members.len() == 1;
        let mut run = 0;
        for unit in 0..units[0] * units[1] {
            if tables.restart > 0 && unit > 0 && unit.is_multiple_of(tables.restart) {
                bits.restart()?;
                run = 0;
            }
            for (member, scan) in &members {
                let component = &mut self.components[*member];
                let blocks = if alone {
                    1
                } else {
                    component.sampling.iter().product()
                };
                for _ in 0..blocks {
                    if !self.progressive {
                        sequential(&mut bits, scan)?;
                    } else if scan.first == 0 {
                        dc(&mut bits, scan)?;
                    } else {
                        let count = component.blocks.iter().product();
                        component.nonzero.resize(count, 0);
                        let nonzero = component.nonzero.get_mut(unit)?;
                        ac(&mut bits, scan, nonzero, &mut run)?;
                    }
                }
            }
        }
        for (member, scan) in &members {
            self.components[*member].lowest[scan.first..=scan.last].fill(Some(scan.low));
        }
        Some(bits.at)
    }
}

/// A whole block of a sequential scan.
fn sequential(bits: &mut Bits<'_>, scan: &Scan<'_>) -> Option<()> {
    let size = scan.dc?.symbol(bits)?;
    bits.take(u32::from(size))?;
    let table = scan.ac?;
    let mut index = 1;
    while index < 64 {
        let symbol = table.symbol(bits)?;
        match (usize::from(symbol >> 4), symbol & 15) {
            (15, 0) => index += 16,
            (_, 0) => break,
            (zeros, size) => {
                index += zeros + 1;
                bits.take(u32::from(size))?;
            }
        }
    }
    (index <= 64).then_some(())
}

/// The first coefficient of a block in a progressive scan.
fn dc(bits: &mut Bits<'_>, scan: &Scan<'_>) -> Option<()> {
    let size = if scan.refines {
        1
    } else {
        scan.dc?.symbol(bits)?
    };
    bits.take(u32::from(size)).map(|_| ())
}

/// The other coefficients of a block in a progressive scan; `run` is the number of blocks from this one
/// on that have no new coefficients.
fn ac(bits: &mut Bits<'_>, scan: &Scan<'_>, nonzero: &mut u64, run: &mut usize) -> Option<()> {
    let table = scan.ac?;
    let mut index = scan.first;
    if *run == 0 {
        while index <= scan.last {
            let symbol = table.symbol(bits)?;
            let (mut zeros, size) = (symbol >> 4, symbol & 15);
            if size == 0 && zeros < 15 {
                *run = (1 << zeros) + bits.take(u32::from(zeros))?;
                break;
            }
            bits.take(u32::from(size))?;
            // A refining scan has a bit for each coefficient that is known already; `zeros` counts
            // only the others.
            while index <= scan.last {
                if scan.refines && *nonzero >> index & 1 == 1 {
                    bits.take(1)?;
                } else if zeros == 0 {
                    break;
                } else {
                    zeros -= 1;
                }
                index += 1;
            }
            if size > 0 {
                (index <= scan.last).then_some(())?;
                *nonzero |= 1 << index;
            }
            index += 1;
        }
    }
    if *run > 0 {
        if scan.refines {
            // One bit for each coefficient from `index` to the last that is known already.
            let rest = *nonzero & (u64::MAX << index) & (u64::MAX >> (63 - scan.last));
            bits.take(rest.count_ones())?;
        }
        *run -= 1;
    }
    Some(())
}

#[cfg(test)]
#[path = "jpeg/tests.rs"]
mod tests;
