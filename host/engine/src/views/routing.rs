//! Groups events by the document they belong to, so that each document is folded in one call. Pure.

use std::collections::HashMap;

/// For each document, the indexes of its events in order. Documents are in the order of their first event, so that the
/// same history always gives the same effects in the same order.
#[derive(Debug, Default)]
pub(crate) struct ByDocument {
    places: HashMap<String, usize>,
    groups: Vec<Vec<usize>>,
}

impl ByDocument {
    /// Adds events with their documents. `first` is the index of the first event.
    pub(crate) fn add(&mut self, first: usize, keys_by_event: Vec<Vec<String>>) {
        for (offset, keys) in keys_by_event.into_iter().enumerate() {
            for key in keys {
                let place = *self.places.entry(key).or_insert(self.groups.len());
                match self.groups.get_mut(place) {
                    // An event that names a document twice is folded into it once.
                    Some(group) if group.last() == Some(&(first + offset)) => {}
                    Some(group) => group.push(first + offset),
                    None => self.groups.push(vec![first + offset]),
                }
            }
        }
    }

    pub(crate) fn into_groups(self) -> Vec<(String, Vec<usize>)> {
        let mut named: Vec<(String, usize)> = self.places.into_iter().collect();
        named.sort_unstable_by_key(|(_, place)| *place);
        named.into_iter().map(|(key, _)| key).zip(self.groups).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_sorted_by_document_and_keep_their_order() {
        let keys = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>();
        let mut sorted = ByDocument::default();
        sorted.add(0, vec![keys(&["b"]), keys(&[]), keys(&["a", "b", "a"])]);
        sorted.add(3, vec![keys(&["a"])]);
        assert_eq!(sorted.into_groups(), [("b".to_owned(), vec![0, 2]), ("a".to_owned(), vec![2, 3])]);
    }
}
