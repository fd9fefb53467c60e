use firebrick_core::image::{Image, Region};
use firebrick_core::testkit::photo;

use super::*;

fn rotation(degrees: f64, centre: [f64; 2]) -> Homography {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let [x, y] = centre;
    Homography::affine([
        cos,
        sin,
        x - cos * x - sin * y,
        -sin,
        cos,
        y + sin * x - cos * y,
    ])
}

fn close([x, y]: [f64; 2], [u, v]: [f64; 2]) -> bool {
    (x - u).abs() < 1e-6 && (y - v).abs() < 1e-6
}

#[test]
fn warps_in_a_row_are_one_warp() {
    let size = Size::new(20, 10);
    let turn = || Warp::homography(size, rotation(20.0, [10.0, 5.0]), Interpolation::Bilinear);
    let stretch = || {
        Warp::homography(
            Size::new(40, 10),
            Homography::axes([0.5, 1.0], [0.0; 2]),
            Interpolation::Bilinear,
        )
    };
    let wave = || {
        Warp::field(
            size,
            |[x, y]| [x + (y / 3.0).sin(), y],
            Interpolation::Bilinear,
        )
    };
    let point = [7.25, 3.5];
    let both = turn().then(stretch());
    assert_eq!(both.output(), Size::new(40, 10));
    assert_eq!(both.maps.len(), 1);
    assert!(close(
        both.source(point),
        turn().source(stretch().source(point))
    ));
    let all = turn().then(wave()).then(stretch());
    assert_eq!(all.maps.len(), 3);
    assert!(close(
        all.source(point),
        turn().source(wave().source(stretch().source(point)))
    ));
}

#[test]
fn only_warps_that_read_and_fill_alike_join() {
    let size = Size::new(4, 4);
    let warp = |interpolation| Warp::homography(size, Homography::IDENTITY, interpolation);
    let flip = Warp::moves(size, Homography::axes([-1.0, 1.0], [4.0, 0.0]));
    let linear = warp(Interpolation::Bilinear);
    assert!(linear.joins(&flip) && flip.joins(&linear));
    assert!(!linear.joins(&warp(Interpolation::Nearest)));
    assert!(!linear.joins(&Warp::areas(size, Homography::IDENTITY)));
    let filled = |value| warp(Interpolation::Bilinear).outside(Outside::Fill(value));
    assert!(filled(3).joins(&filled(3)) && filled(3).joins(&flip));
    assert!(!filled(3).joins(&filled(4)));
}

#[test]
fn a_map_and_its_inverse_cancel() {
    let map = Homography::perspective([1.1, 0.2, -3.0, -0.1, 0.9, 2.0, 1e-3, -2e-3]);
    let back = map.inverse().unwrap();
    assert!(close(back.at(map.at([12.0, 30.0])), [12.0, 30.0]));
    assert!(Homography::axes([0.0, 1.0], [0.0; 2]).inverse().is_none());
}

#[test]
fn what_is_outside_is_filled_repeated_or_mirrored() {
    let image = Image {
        width: 3,
        height: 1,
        channels: 1,
        pixels: vec![10, 20, 30],
    };
    let shown = |outside| {
        let map = Homography::shift([-2.0, 0.0]);
        let warp = Warp::moves(Size::new(7, 1), map).outside(outside);
        warp.apply(&image).pixels
    };
    assert_eq!(shown(Outside::Fill(9)), [9, 9, 10, 20, 30, 9, 9]);
    assert_eq!(shown(Outside::Edge), [10, 10, 10, 20, 30, 30, 30]);
    assert_eq!(shown(Outside::Reflect), [30, 20, 10, 20, 30, 20, 10]);
}

#[test]
fn masks_keep_their_values_and_boxes_move_along() {
    let size = Size::new(40, 30);
    let region = Region {
        left: 10.0,
        top: 8.0,
        width: 12.0,
        height: 10.0,
    };
    let mut mask = Image::black(40, 30, 1);
    for y in 8..18 {
        mask.pixels[y * 40 + 10..y * 40 + 22].fill(7);
    }
    let turn = Warp::homography(size, rotation(25.0, [20.0, 15.0]), Interpolation::Bilinear)
        .outside(Outside::Fill(3));
    let bend = Warp::field(
        size,
        |[x, y]| [x + 2.0 * (y / 9.0).sin(), y + (x / 7.0).cos()],
        Interpolation::Bilinear,
    );
    let tilt = Warp::homography(
        size,
        Homography::perspective([1.1, 0.1, -2.0, 0.05, 1.2, -1.0, 1e-3, 2e-3]),
        Interpolation::Bilinear,
    );
    for warp in [
        turn.clone(),
        bend.clone(),
        tilt.clone(),
        turn.then(bend).then(tilt),
    ] {
        let moved = warp.mask(&mask, 1);
        assert!(moved.pixels.iter().all(|value| [0, 1, 7].contains(value)));
        let of = |axis: fn(usize) -> usize| {
            let inside = moved
                .pixels
                .iter()
                .enumerate()
                .filter(|(_, value)| **value == 7);
            let all: Vec<_> = inside.map(|(at, _)| axis(at)).collect();
            (
                *all.iter().min().unwrap() as f64,
                *all.iter().max().unwrap() as f64 + 1.0,
            )
        };
        let ((left, right), (top, bottom)) = (of(|at| at % 40), of(|at| at / 40));
        let found = warp.region(region).unwrap();
        let sides = [
            found.left,
            found.left + found.width,
            found.top,
            found.top + found.height,
        ];
        for (found, expected) in sides.into_iter().zip([left, right, top, bottom]) {
            assert!((found - expected).abs() <= 1.0, "{found} is not {expected}");
        }
    }
    let away = Warp::moves(size, Homography::shift([100.0, 0.0]));
    assert_eq!(away.region(region), None);
}

#[test]
fn the_identity_changes_nothing_at_all() {
    let image = photo(23, 17, 3);
    for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
        let warp = Warp::homography(image.size(), Homography::IDENTITY, interpolation);
        assert_eq!(warp.apply(&image), image);
    }
}

/// One pixel by itself: the same formulas without rows.
fn read(warp: &Warp, image: &Image, interpolation: Interpolation, [x, y]: [usize; 2]) -> Vec<u8> {
    let sides = [image.width, image.height];
    let mut at = warp.source([x as f64 + 0.5, y as f64 + 0.5]);
    let inside = |axis: usize, at: f64| at >= 0.0 && at < sides[axis] as f64;
    if !(inside(0, at[0]) && inside(1, at[1])) {
        if let Some(Outside::Fill(fill)) = warp.outside {
            return vec![fill; image.channels];
        }
        for (at, side) in at.iter_mut().zip(sides) {
            let last = side as f64 - 1.0;
            if warp.outside == Some(Outside::Reflect) && side > 1 {
                let phase = (*at - 0.5).rem_euclid(2.0 * last);
                *at = phase.min(2.0 * last - phase) + 0.5;
            }
            *at = at.clamp(0.0, side as f64 - 1e-9);
        }
    }
    let value = |[x, y]: [usize; 2], channel| {
        f64::from(image.pixels[(y * image.width + x) * image.channels + channel])
    };
    if interpolation == Interpolation::Nearest {
        let at = at.map(|at| at as usize);
        return (0..image.channels)
            .map(|channel| value(at, channel) as u8)
            .collect();
    }
    // In steps of 1/2048 of a pixel, exact in double precision.
    let steps = at.map(|at| ((at - 0.5) * 2048.0 + 0.5).floor() / 2048.0);
    let [dx, dy] = steps.map(|at| at - at.floor());
    let corner = |right: f64, down: f64| {
        let place = |axis: usize, far: f64| {
            (steps[axis].floor() + far).clamp(0.0, sides[axis] as f64 - 1.0) as usize
        };
        [place(0, right), place(1, down)]
    };
    let mixed = |channel| {
        let row = |down| {
            value(corner(0.0, down), channel) * (1.0 - dx) + value(corner(1.0, down), channel) * dx
        };
        (row(0.0) * (1.0 - dy) + row(1.0) * dy) as u8
    };
    (0..image.channels).map(mixed).collect()
}

#[test]
fn rows_are_read_as_each_pixel_by_itself() {
    let turn = |interpolation| {
        let map = rotation(33.0, [11.0, 8.0]);
        Warp::homography(Size::new(41, 19), map, interpolation)
    };
    let tilt = |interpolation| {
        let map = Homography::perspective([1.3, 0.2, -4.0, 0.1, 1.1, -2.0, 8e-3, -5e-3]);
        Warp::homography(Size::new(23, 17), map, interpolation)
    };
    let bend = |interpolation| {
        let bent = |[x, y]: [f64; 2]| [x + 3.0 * (y / 4.0).sin(), y - 2.0 * (x / 5.0).cos()];
        Warp::field(Size::new(30, 20), bent, interpolation)
    };
    let jitter = |interpolation| {
        let size = Size::new(29, 21);
        let field = move |scale: f64| {
            let at = |at: usize| 4.0 * (scale * at as f64).sin();
            (0..size.width * size.height).map(at).collect()
        };
        Warp::displacements(size, move || [field(0.37), field(0.71)], interpolation)
    };
    let mut seen = std::collections::BTreeSet::new();
    for (width, height) in [(23, 17), (7, 30), (2, 2), (1, 5), (1, 1)] {
        for channels in [1, 3] {
            let image = photo(width, height, channels);
            for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
                for outside in [Outside::Fill(77), Outside::Edge, Outside::Reflect] {
                    for warp in [
                        turn(interpolation),
                        tilt(interpolation),
                        bend(interpolation),
                        jitter(interpolation),
                        bend(interpolation).then(tilt(interpolation)),
                        turn(interpolation).then(jitter(interpolation)),
                    ] {
                        let warp = warp.outside(outside);
                        let found = warp.apply(&image);
                        for (at, found) in found.pixels.chunks_exact(channels).enumerate() {
                            let place = [at % warp.output.width, at / warp.output.width];
                            let expected = read(&warp, &image, interpolation, place);
                            assert_eq!(
                                found, expected,
                                "{width} × {height}, {outside:?}, {place:?}"
                            );
                            seen.insert(found.to_vec());
                        }
                    }
                }
            }
        }
    }
    assert!(seen.len() > 1000, "{}", seen.len());
}
