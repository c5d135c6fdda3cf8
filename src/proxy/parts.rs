//! A body as it arrives, in parts of one size, so that the memory that one client gives back serves
//! another. Of buffers that grow, a thousand small ones would leave as much to nobody as they took.

use super::budget::{Charge, NoRoom};

/// The memory that a long body takes at a time.
const PART: usize = 16 << 10;

/// What of a body has arrived.
#[derive(Default)]
pub(super) struct Parts {
    parts: Vec<Vec<u8>>,
    length: usize,
}

impl Parts {
    /// How much has.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Takes more, once there is room for it.
    pub(super) fn add(&mut self, mut data: &[u8], charge: &mut Charge) -> Result<(), NoRoom> {
        self.length += data.len();
        while !data.is_empty() {
            let last = self.parts.last_mut();
            match last.filter(|part| part.len() < part.capacity()) {
                Some(part) => {
                    let room = part.capacity() - part.len();
                    let (now, rest) = data.split_at(data.len().min(room));
                    part.extend_from_slice(now);
                    data = rest;
                }
                None => {
                    // A small body takes no more than its length.
                    let size = match self.parts.is_empty() {
                        true => data.len().min(PART),
                        false => PART,
                    };
                    charge.add(size)?;
                    self.parts.push(Vec::with_capacity(size));
                }
            }
        }
        Ok(())
    }

    /// All of it.
    pub(super) fn whole(mut self) -> Vec<u8> {
        match self.parts.as_slice() {
            [] | [_] => self.parts.pop().unwrap_or_default(),
            parts => parts.concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{PART, Parts};
    use crate::proxy::budget::{Budget, NoRoom};

    #[test]
    fn a_body_in_parts_is_whole_again_and_charged() {
        let budget = Budget::default();
        for sizes in [
            &[0][..],
            &[7],
            &[PART],
            &[1, PART - 1, PART + 1, 3 * PART, 5],
            &[5; 9],
        ] {
            let mut charge = budget.charge(Arc::default());
            let (mut parts, mut sent) = (Parts::default(), Vec::new());
            for (at, size) in sizes.iter().enumerate() {
                let data = vec![u8::try_from(at).expect("few"); *size];
                parts.add(&data, &mut charge).expect("room");
                sent.extend(data);
            }
            let taken: usize = parts.parts.iter().map(Vec::capacity).sum();
            assert!(
                charge.bytes() >= taken && taken <= sent.len() + PART,
                "{sizes:?}"
            );
            assert_eq!(parts.whole(), sent);
        }
        let mut charge = budget.charge(Arc::default());
        let refused = Parts::default().add(&vec![0; 17 << 20], &mut charge);
        assert_eq!(refused, Err(NoRoom::Own));
    }
}
