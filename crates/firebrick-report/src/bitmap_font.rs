//! A font of 5×8 pixels for the texts below the pictures of a contact sheet.

/// Pixels of a row of a letter, with the gap to the next one.
pub(crate) const ADVANCE: usize = 6;
/// Pixels from the top of a letter to the end of its descender.
pub(crate) const HEIGHT: usize = 8;

/// Letters side by side, each five wide with a gap of one.
const SHEETS: [(&str, [&str; HEIGHT]); 5] = [
    (
        "abcdefghijklm",
        [
            "..... #.... ..... ....# ..... ..##. ..... #.... ..#.. ...#. #.... .##.. .....",
            "..... #.... ..... ....# ..... .#... ..... #.... ..... ..... #.... ..#.. .....",
            ".###. ####. .#### .#### .###. ####. .#### ####. .##.. ..##. #..#. ..#.. ##.#.",
            "....# #...# #.... #...# #...# .#... #...# #...# ..#.. ...#. #.#.. ..#.. #.#.#",
            ".#### #...# #.... #...# ##### .#... #...# #...# ..#.. ...#. ##... ..#.. #.#.#",
            "#...# #...# #.... #...# #.... .#... .#### #...# ..#.. ...#. #.#.. ..#.. #.#.#",
            ".#### ####. .#### .#### .###. .#... ....# #...# .###. ...#. #..#. .###. #.#.#",
            "..... ..... ..... ..... ..... ..... .###. ..... ..... .##.. ..... ..... .....",
        ],
    ),
    (
        "nopqrstuvwxyz",
        [
            "..... ..... ..... ..... ..... ..... .#... ..... ..... ..... ..... ..... .....",
            "..... ..... ..... ..... ..... ..... .#... ..... ..... ..... ..... ..... .....",
            "####. .###. ####. .#### #.##. .#### ####. #...# #...# #...# #...# #...# #####",
            "#...# #...# #...# #...# ##... #.... .#... #...# #...# #.#.# .#.#. #...# ...#.",
            "#...# #...# #...# #...# #.... .###. .#... #...# #...# #.#.# ..#.. #...# ..#..",
            "#...# #...# ####. .#### #.... ....# .#... #...# .#.#. #.#.# .#.#. .#### .#...",
            "#...# .###. #.... ....# #.... ####. ..##. .#### ..#.. .#.#. #...# ....# #####",
            "..... ..... #.... ....# ..... ..... ..... ..... ..... ..... ..... .###. .....",
        ],
    ),
    (
        "0123456789 .,",
        [
            ".###. ..#.. .###. .###. ...#. ##### ..##. ##### .###. .###. ..... ..... .....",
            "#...# .##.. #...# #...# ..##. #.... .#... ....# #...# #...# ..... ..... .....",
            "#..## ..#.. ....# ....# .#.#. ####. #.... ...#. #...# #...# ..... ..... .....",
            "#.#.# ..#.. ..##. ..##. #..#. ....# ####. ..#.. .###. .#### ..... ..... .....",
            "##..# ..#.. .#... ....# ##### ....# #...# ..#.. #...# ....# ..... ..... .....",
            "#...# ..#.. #.... #...# ...#. #...# #...# .#... #...# ...#. ..... .##.. .##..",
            ".###. .###. ##### .###. ...#. .###. .###. .#... .###. .##.. ..... .##.. ..#..",
            "..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... ..... .#...",
        ],
    ),
    (
        ":-+=_()[]/%|*",
        [
            "..... ..... ..... ..... ..... ...#. .#... .###. .###. ..... ##..# ..#.. .....",
            "..... ..... ..#.. ..... ..... ..#.. ..#.. .#... ...#. ....# ##..# ..#.. #.#.#",
            ".##.. ..... ..#.. ##### ..... .#... ...#. .#... ...#. ...#. ...#. ..#.. .###.",
            ".##.. .###. ##### ..... ..... .#... ...#. .#... ...#. ..#.. ..#.. ..#.. #####",
            "..... ..... ..#.. ##### ..... .#... ...#. .#... ...#. .#... .#... ..#.. .###.",
            ".##.. ..... ..#.. ..... ..... ..#.. ..#.. .#... ...#. #.... #..## ..#.. #.#.#",
            ".##.. ..... ..... ..... ..... ...#. .#... .###. .###. ..... #..## ..#.. .....",
            "..... ..... ..... ..... ##### ..... ..... ..... ..... ..... ..... ..... .....",
        ],
    ),
    (
        "°×…",
        [
            ".##.. ..... .....",
            "#..#. ..... .....",
            ".##.. ..... .....",
            "..... .#.#. .....",
            "..... ..#.. .....",
            "..... .#.#. .....",
            "..... ..... #.#.#",
            "..... ..... .....",
        ],
    ),
];

/// The pixels of a text, `(x, y)` from its upper left corner. Capitals look like small letters, and what the font
/// does not have is a box.
pub(crate) fn pixels(text: &str) -> impl Iterator<Item = (usize, usize)> {
    text.chars().enumerate().flat_map(|(index, letter)| {
        let place = place(letter);
        let cells = (0..HEIGHT).flat_map(|y| (0..ADVANCE - 1).map(move |x| (x, y)));
        let inked = cells.filter(move |(x, y)| match place {
            Some((sheet, at)) => SHEETS[sheet].1[*y].as_bytes()[at * ADVANCE + x] == b'#',
            None => *y < HEIGHT - 1 && (*x == 0 || *x == 4 || *y == 0 || *y == HEIGHT - 2),
        });
        inked.map(move |(x, y)| (index * ADVANCE + x, y))
    })
}

/// The sheet of a letter, and its number there.
fn place(letter: char) -> Option<(usize, usize)> {
    let letter = letter.to_lowercase().next().unwrap_or(letter);
    let mut sheets = SHEETS.iter().enumerate();
    sheets.find_map(|(sheet, (letters, _))| {
        Some((sheet, letters.chars().position(|known| known == letter)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_has_its_place_and_a_shape_of_its_own() {
        let mut shapes = std::collections::BTreeSet::new();
        for (letters, rows) in SHEETS {
            for row in rows {
                assert_eq!(
                    row.len(),
                    letters.chars().count() * ADVANCE - 1,
                    "{letters}"
                );
            }
            for letter in letters.chars() {
                let shape: Vec<_> = pixels(&letter.to_string()).collect();
                assert_eq!(shape.is_empty(), letter == ' ');
                // At this size the sign of multiplication is an x.
                assert!(letter == '×' || shapes.insert(shape), "{letter}");
            }
        }
        assert!(shapes.insert(pixels("ß").collect()), "the box");
        assert!(pixels("Az").eq(pixels("aZ")));
    }

    #[test]
    fn letters_stand_side_by_side() {
        let l: Vec<_> = pixels("l").collect();
        let moved: Vec<_> = l.iter().map(|(x, y)| (x + ADVANCE, *y)).collect();
        assert!(pixels(" l").eq(moved));
        assert!(pixels("l l").all(|(x, y)| x < 3 * ADVANCE && y < HEIGHT));
    }
}
