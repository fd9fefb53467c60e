//! Rounding in steps that become vectors; `as`, `round` and `floor` do not.
//!
//! Near 2²³ in single and 2⁵² in double precision, numbers have no bits for a fraction. Adding such a number rounds to a whole
//! one, halves to the even one, which then is in the lowest bits.

pub(super) use firebrick_core::kernels::cut_off;

const SINGLE: f32 = 8_388_608.0;
const DOUBLE: f64 = 4_503_599_627_370_496.0;

/// The nearest whole number to one between 0 and 255, halves to the even one.
#[inline(always)]
pub(super) fn nearest(value: f32) -> u8 {
    (value + SINGLE).to_bits() as u8
}

/// As [`nearest`], in double precision.
#[inline(always)]
pub(super) fn nearest_double(value: f64) -> u8 {
    (value + DOUBLE).to_bits() as u8
}

/// The largest whole number that is not above the value; anything where that has more than 32 bits.
#[inline(always)]
pub(super) fn floor(value: f64) -> i32 {
    // With room for negative ones.
    const HALFWAY: f64 = 1.5 * DOUBLE;
    let whole = value + HALFWAY;
    let whole = if whole - HALFWAY > value {
        whole - 1.0
    } else {
        whole
    };
    whole.to_bits() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_as_the_standard_library_does() {
        let nearby = |at: f64| [at, at.next_down(), at.next_up(), at - 0.25, at + 0.3];
        for half in -1200..=1200 {
            for value in nearby(f64::from(half) / 2.0) {
                assert_eq!(floor(value), value.floor() as i32, "{value}");
                for single in [
                    value as f32,
                    (value as f32).next_up(),
                    (value as f32).next_down(),
                ] {
                    assert_eq!(cut_off(single), single as u8, "{single}");
                    if (0.0..=255.0).contains(&single) {
                        assert_eq!(nearest(single), single.round_ties_even() as u8, "{single}");
                    }
                }
                if (0.0..=255.0).contains(&value) {
                    assert_eq!(
                        nearest_double(value),
                        value.round_ties_even() as u8,
                        "{value}"
                    );
                }
            }
        }
        let ends = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30];
        assert_eq!(ends.map(cut_off), ends.map(|end| end as u8));
        assert_eq!(floor(1e9 + 0.5), 1_000_000_000);
    }
}
