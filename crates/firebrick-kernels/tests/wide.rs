//! Plain loops give the same on every instruction set.

mod settings;

use settings::every_level;

firebrick_kernels::wide! {
    /// Neighbours mixed in single precision, cut off to bytes.
    fn mixed(values: &[u8], weight: f32) -> Vec<u8> {
        let pairs = values.iter().zip(&values[1..]);
        let mix = |(one, other): (&u8, &u8)| f32::from(*one) + weight * f32::from(*other);
        pairs.map(|pair| mix(pair) as u8).collect()
    }
}

#[test]
fn every_instruction_set_gives_the_same_bytes() {
    let values: Vec<u8> = (0..1000_u32).map(|at| (at * at % 251) as u8).collect();
    let pairs = values.windows(2);
    // With the roundings of single precision, not as if each sum were rounded once.
    let expected: Vec<u8> = pairs
        .map(|pair| (f32::from(pair[0]) + (0.3 * f32::from(pair[1]))) as u8)
        .collect();
    every_level(|level| assert_eq!(mixed(&values, 0.3), expected, "{level:?}"));
}
