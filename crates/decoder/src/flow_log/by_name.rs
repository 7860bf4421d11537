//! Fields by their names: most names that are none are seen to be none without a comparison.

use super::field::Field;

/// Some seven times as many as there are fields.
const SLOTS: usize = 512;

/// A hash table that is made once.
pub(super) struct ByName {
    /// A field lies in the slot of its name, or in the first behind it that was free.
    slots: [Option<Field>; SLOTS],
}

impl ByName {
    pub(super) fn new() -> Self {
        let mut slots = [None; SLOTS];
        for field in Field::ALL {
            let free = probes(field.name().as_bytes()).find(|slot| slots[*slot].is_none());
            if let Some(slot) = free {
                slots[slot] = Some(*field);
            }
        }
        ByName { slots }
    }

    /// The field of a name with underscores or hyphens.
    pub(super) fn find(&self, name: &str) -> Option<Field> {
        let name = name.as_bytes();
        let is_name = |field: &Field| {
            let ours = field.name().as_bytes();
            ours.len() == name.len() && ours.iter().zip(name).all(|(ours, byte)| *ours == underscored(*byte))
        };
        probes(name).map_while(|slot| self.slots[slot]).find(is_name)
    }
}

/// The slots that a name may be in, in order.
fn probes(name: &[u8]) -> impl Iterator<Item = usize> {
    let byte = |at: usize| usize::from(name.get(at).copied().map_or(0, underscored));
    let len = name.len();
    // The ends and the middle tell most of them apart.
    let hash = len * 5 + byte(0) * 31 + byte(len / 2) * 7 + byte(len.wrapping_sub(2)) * 17 + byte(len.wrapping_sub(1));
    (0..SLOTS).map(move |n| (hash + n) % SLOTS)
}

fn underscored(byte: u8) -> u8 {
    if byte == b'-' { b'_' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_after_few_comparisons() {
        let by_name = ByName::new();
        let comparisons = Field::ALL.iter().map(|field| {
            let name = field.name();
            assert_eq!(by_name.find(name), Some(*field));
            assert_eq!(by_name.find(&name.replace('_', "-")), Some(*field));
            assert_eq!(by_name.find(&format!("{name}_")), None);
            1 + probes(name.as_bytes()).position(|slot| by_name.slots[slot] == Some(*field)).unwrap()
        });
        let comparisons: Vec<usize> = comparisons.collect();
        assert!(comparisons.iter().sum::<usize>() <= Field::ALL.len() * 3 / 2, "{comparisons:?}");
        assert_eq!(by_name.find(""), None);
    }
}
