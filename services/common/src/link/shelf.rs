//! Pieces that many channels of a link get: each goes over the connection once, and then by its number. Both sides keep
//! the same ones, as both put and drop them by the same rule in the same order.

use std::collections::{HashMap, VecDeque};

use tokio_util::bytes::Bytes;

/// The oldest pieces are dropped from where there are more, or more bytes.
const MOST: usize = 8192;
const MOST_BYTES: usize = 512 * 1024;

/// The newest pieces.
#[derive(Default)]
pub(super) struct Shelf {
    pieces: VecDeque<Piece>,
    /// The number of the oldest piece; the others follow.
    first: u32,
    bytes: usize,
    /// The numbers by the places of the bytes in memory, which are kept here and so not used again.
    numbers: HashMap<usize, u32>,
}

/// Something on the shelf.
pub(super) struct Piece {
    pub(super) bytes: Bytes,
    /// How much it is for a reader of a channel.
    pub(super) length: usize,
}

impl Shelf {
    /// Puts a piece in and tells its number.
    pub(super) fn put(&mut self, bytes: Bytes, length: usize) -> u32 {
        let number = self.first.wrapping_add(self.pieces.len() as u32);
        self.numbers.insert(place(&bytes), number);
        self.bytes += length;
        self.pieces.push_back(Piece { bytes, length });
        while self.pieces.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.pieces.pop_front() else { break };
            self.bytes -= oldest.length;
            self.numbers.remove(&place(&oldest.bytes));
            self.first = self.first.wrapping_add(1);
        }
        number
    }

    /// The piece of a number.
    pub(super) fn get(&self, number: u32) -> Option<&Piece> {
        self.pieces.get(number.wrapping_sub(self.first) as usize)
    }

    /// The number of a piece and its length, if it is here. It is most likely the one after `last`.
    pub(super) fn find(&self, bytes: &Bytes, last: u32) -> Option<(u32, usize)> {
        let is_it = |piece: &Piece| piece.bytes.as_ptr() == bytes.as_ptr() && piece.bytes.len() == bytes.len();
        let likely = last.wrapping_add(1);
        let number = match self.get(likely) {
            Some(piece) if is_it(piece) => likely,
            _ => *self.numbers.get(&place(bytes))?,
        };
        self.get(number).filter(|piece| is_it(piece)).map(|piece| (number, piece.length))
    }
}

fn place(bytes: &Bytes) -> usize {
    bytes.as_ptr().addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_is_found_by_itself_and_by_its_number_until_it_is_dropped() {
        let mut shelf = Shelf { first: u32::MAX - 2, ..Shelf::default() };
        let pieces: Vec<Bytes> = (0..6u8).map(|n| Bytes::from(vec![n; 100_000])).collect();
        for (n, piece) in pieces.iter().enumerate() {
            assert!(shelf.find(piece, 0).is_none());
            let number = shelf.put(piece.clone(), 100_004);
            assert_eq!(number, (u32::MAX - 2).wrapping_add(n as u32));
            assert_eq!(shelf.find(piece, number), Some((number, 100_004)));
            assert_eq!(shelf.find(piece, number.wrapping_sub(1)), Some((number, 100_004)));
            assert!(shelf.get(number).is_some_and(|kept| kept.bytes == piece));
        }
        assert!(shelf.find(&pieces[0], 0).is_none() && shelf.get(u32::MAX - 2).is_none(), "it is too old");
        assert_eq!(shelf.numbers.len(), shelf.pieces.len());
        assert!(shelf.find(&Bytes::copy_from_slice(&pieces[5]), 0).is_none(), "the same bytes elsewhere");
    }

    #[test]
    fn many_small_pieces_do_not_fill_the_memory() {
        let mut shelf = Shelf::default();
        (0..20_000u32).for_each(|n| assert_eq!(shelf.put(Bytes::from(vec![0; 1]), 1), n));
        assert_eq!(shelf.pieces.len(), MOST);
        assert!(shelf.get(19_999).is_some() && shelf.get(20_000).is_none() && shelf.get(0).is_none());
    }
}
