//! Classes are the same where their names are: columns of members that have them in another order.

use std::collections::HashMap;

use firebrick_types::error::visible;

use crate::error::EnsembleError;

/// For each class of the ensemble, the column that a member has it in; `None` where the member has the same order.
///
/// # Errors
/// [`EnsembleError::ClassNames`] naming the member and a class that is missing, or one that it has besides.
///
/// ```
/// use firebrick_ensemble::class_names::columns;
/// let names = |names: [&str; 3]| names.map(String::from);
/// let (first, other) = (names(["cat", "dog", "owl"]), names(["owl", "cat", "dog"]));
/// assert_eq!(columns(&first, "b", &other)?, Some(vec![1, 2, 0]));
/// assert_eq!(columns(&first, "a", &first)?, None);
/// # Ok::<(), firebrick_ensemble::EnsembleError>(())
/// ```
pub fn columns(
    classes: &[String],
    member: &str,
    own: &[String],
) -> Result<Option<Vec<usize>>, EnsembleError> {
    if classes == own {
        return Ok(None);
    }
    let wrong = |problem: String| EnsembleError::ClassNames {
        member: member.into(),
        problem,
    };
    let mut places = HashMap::with_capacity(own.len());
    for (place, class) in own.iter().enumerate() {
        if places.insert(class.as_str(), place).is_some() {
            return Err(wrong(format!("has two classes `{}`", visible(class))));
        }
    }
    let place = |class: &String| {
        let missing = || wrong(format!("has no class `{}`", visible(class)));
        places.remove(class.as_str()).ok_or_else(missing)
    };
    let columns: Vec<usize> = classes.iter().map(place).collect::<Result<_, _>>()?;
    match own.iter().find(|name| places.contains_key(name.as_str())) {
        Some(more) => Err(wrong(format!(
            "has the class `{}`, which the others do not have",
            visible(more)
        ))),
        None => Ok(Some(columns)),
    }
}

/// Logits of images with their columns in another order.
///
/// # Panics
/// When a column does not exist.
#[must_use]
pub fn reordered(logits: &[f32], columns: &[usize]) -> Vec<f32> {
    let rows = logits.chunks_exact(columns.len().max(1));
    rows.flat_map(|row| columns.iter().map(|column| row[*column]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &str) -> Vec<String> {
        names.split(' ').map(String::from).collect()
    }

    #[test]
    fn columns_follow_the_names() {
        let order = columns(&names("a b c"), "m", &names("c a b")).unwrap();
        assert_eq!(order, Some(vec![1, 2, 0]));
        let logits = [30.0, 10.0, 20.0, 31.0, 11.0, 21.0];
        assert_eq!(
            reordered(&logits, &order.unwrap()),
            [10.0, 20.0, 30.0, 11.0, 21.0, 31.0]
        );
    }

    #[test]
    fn other_classes_are_named() {
        for (own, needle) in [
            ("a b", "member `m` has no class `c`"),
            ("a b d", "has no class `c`"),
            ("a b c d", "has the class `d`, which the others do not have"),
            ("a b c c", "has two classes `c`"),
        ] {
            let error = columns(&names("a b c"), "m", &names(own)).unwrap_err();
            assert!(error.to_string().contains(needle), "{error}");
        }
    }
}
