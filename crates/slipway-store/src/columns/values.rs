//! A value, or none, for every slot. Where few slots have one, only those are kept: most keys of a large store belong to
//! few of its runs.

/// What can be kept so.
pub(crate) trait Value: Copy {
    /// Stands for no value.
    const NONE: Self;

    fn is_none(self) -> bool;
}

/// Of so many slots one has to have a value, or else the values are packed.
const SLOTS_A_VALUE: usize = 8;

#[derive(Debug, Clone)]
pub(crate) enum Values<T> {
    /// One for each slot, none included.
    Each(Vec<T>),
    /// Those of the slots that have one, and these slots in order.
    Few { slots: usize, at: Vec<u32>, values: Vec<T> },
}

impl<T> Default for Values<T> {
    fn default() -> Self {
        Self::Few { slots: 0, at: Vec::new(), values: Vec::new() }
    }
}

impl<T: Value> Values<T> {
    /// Number of slots.
    pub(crate) fn slots(&self) -> usize {
        match self {
            Self::Each(values) => values.len(),
            Self::Few { slots, .. } => *slots,
        }
    }

    pub(crate) fn get(&self, slot: usize) -> T {
        match self {
            Self::Each(values) => values[slot],
            Self::Few { at, values, .. } => find(at, slot).map_or(T::NONE, |place| values[place]),
        }
    }

    /// For every slot, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = T> + '_ {
        let mut next = 0;
        (0..self.slots()).map(move |slot| match self {
            Self::Each(values) => values[slot],
            Self::Few { at, values, .. } => match at.get(next) {
                Some(other) if *other as usize == slot => {
                    next += 1;
                    values[next - 1]
                }
                _ => T::NONE,
            },
        })
    }

    /// The slots that have a value, in order, if only those are kept.
    pub(crate) fn few(&self) -> Option<&[u32]> {
        match self {
            Self::Each(_) => None,
            Self::Few { at, .. } => Some(at),
        }
    }

    /// Sets the value of a slot. Quick when slots come in order.
    pub(crate) fn set(&mut self, slot: u32, value: T) {
        match self {
            Self::Each(values) => values[slot as usize] = value,
            Self::Few { slots, at, values } => {
                let place = match at.last() {
                    Some(last) if *last >= slot => at.binary_search(&slot),
                    _ => Err(at.len()),
                };
                match place {
                    Ok(place) if value.is_none() => {
                        at.remove(place);
                        values.remove(place);
                    }
                    Ok(place) => values[place] = value,
                    Err(_) if value.is_none() => {}
                    Err(place) => {
                        at.insert(place, slot);
                        values.insert(place, value);
                    }
                }
                if at.len() > *slots / SLOTS_A_VALUE {
                    *self = Self::Each(self.iter().collect());
                }
            }
        }
    }

    /// Makes room for further slots, without a value.
    pub(crate) fn grow(&mut self, to: usize) {
        match self {
            Self::Each(values) => values.resize(to, T::NONE),
            Self::Few { slots, .. } => *slots = to,
        }
    }

    /// Makes another value of each; none stays none.
    pub(crate) fn replace(&mut self, with: impl Fn(T) -> T) {
        let (Self::Each(values) | Self::Few { values, .. }) = self;
        for value in values.iter_mut().filter(|value| !value.is_none()) {
            *value = with(*value);
        }
    }

    /// About how much memory they take.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Each(values) => values.len() * size_of::<T>(),
            Self::Few { at, .. } => at.len() * (size_of::<u32>() + size_of::<T>()),
        }
    }
}

impl<T> FromIterator<T> for Values<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::Each(values.into_iter().collect())
    }
}

fn find(at: &[u32], slot: usize) -> Option<usize> {
    at.binary_search_by(|other| (*other as usize).cmp(&slot)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whether packed or not, they are what a plain list is.
        #[test]
        fn like_a_list(steps in prop::collection::vec((0u32..60, 0u32..3, any::<bool>()), 0..80)) {
            let mut list = vec![0u32; 20];
            let mut values = Values::default();
            values.grow(20);
            for (slot, value, grows) in steps {
                if grows && list.len() < 60 {
                    list.resize(list.len() + 3, 0);
                    values.grow(list.len());
                }
                let slot = slot % list.len() as u32;
                list[slot as usize] = value;
                values.set(slot, value);
                prop_assert_eq!(values.slots(), list.len());
                prop_assert_eq!(values.iter().collect::<Vec<_>>(), list.clone());
                prop_assert!((0..list.len()).all(|slot| values.get(slot) == list[slot]));
                if let Some(few) = values.few() {
                    let with_value = (0..list.len() as u32).filter(|slot| list[*slot as usize] != 0);
                    prop_assert_eq!(few, with_value.collect::<Vec<_>>());
                }
            }
            values.replace(|value| value + 7);
            let replaced: Vec<u32> = list.iter().map(|value| if *value == 0 { 0 } else { value + 7 }).collect();
            prop_assert_eq!(values.iter().collect::<Vec<_>>(), replaced);
        }
    }

    #[test]
    fn what_few_slots_have_takes_little_room() {
        let mut values = Values::default();
        values.grow(1000);
        (0..100).for_each(|place| values.set(place * 10, 1));
        assert_eq!(values.bytes(), 800);
        (0..1000).for_each(|slot| values.set(slot, 1));
        assert_eq!(values.bytes(), 4000);
    }
}
