//! Which of some names is most likely meant by one that does not exist.

/// Names that are near to `text`, the nearest first, at most three.
pub fn nearest<'a>(names: impl IntoIterator<Item = &'a str>, text: &str) -> Vec<&'a str> {
    let text = text.to_lowercase();
    let most = 1 + text.chars().count() / 3;
    let mut near: Vec<(usize, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let lower = name.to_lowercase();
            let far = distance(&lower, &text);
            // What is typed in part is meant as well.
            let is_part = text.chars().count() >= 3 && lower.contains(&text);
            (far <= most || is_part).then_some((far, name))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// How many letters must be added, taken away, changed or swapped with their neighbour to turn one text into the other;
/// only the first 100 count.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(100).collect();
    let (mut before_last, mut last): (Vec<usize>, Vec<usize>) = (Vec::new(), (0..=b.len()).collect());
    let mut previous = None;
    for (i, letter) in a.chars().take(100).enumerate() {
        let mut row = vec![i + 1];
        for (j, other) in b.iter().enumerate() {
            let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
            let mut best =
                (at(&last, j) + usize::from(letter != *other)).min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = j > 0 && previous == Some(*other) && b.get(j - 1) == Some(&letter);
            if swapped {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
        previous = Some(letter);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_nearest_comes_first() {
        let names = ["val_loss", "train_loss", "lr", "accuracy", "Status"];
        assert_eq!(nearest(names, "val_los"), ["val_loss"]);
        assert_eq!(nearest(names, "vla_loss"), ["val_loss"]);
        assert_eq!(nearest(names, "loss"), ["val_loss", "train_loss"]);
        assert_eq!(nearest(names, "status"), ["Status"]);
        assert!(nearest(names, "optimizer").is_empty());
    }

    proptest! {
        #[test]
        fn distance_is_one(a in "[ab\u{e4}]{0,8}", b in "[ab\u{e4}]{0,8}") {
            prop_assert_eq!(distance(&a, &b), distance(&b, &a));
            prop_assert_eq!(distance(&a, &b) == 0, a == b);
            prop_assert!(distance(&a, &b) <= a.chars().count().max(b.chars().count()));
        }
    }
}
