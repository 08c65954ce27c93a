//! A batch in pieces: halved again and again where a receiver refuses a whole request for what is wrong with some of it.

use std::ops::Range;

/// How many halvings find a line that is wrong. More would cost a receiver thousands of requests when all lines are wrong; then
/// the piece is refused as a whole, and kept.
const SEARCHES_MAX: u32 = 40;

/// What came of the request for one piece.
#[derive(Debug)]
pub(crate) enum Piece {
    /// The receiver has it, but for these places in the batch and its reasons.
    Taken(Vec<(usize, String)>),
    /// It is too large: halves may not be.
    TooLarge(String),
    /// Something in it is wrong: one of the halves may be right.
    Wrong(String),
}

/// The pieces that are still to be sent, in order.
#[derive(Debug)]
pub(crate) struct Pieces {
    open: Vec<Range<usize>>,
    searches: u32,
}

impl Pieces {
    pub(crate) fn of(lines: usize) -> Self {
        let whole = 0..lines;
        Self { open: vec![whole], searches: SEARCHES_MAX }
    }

    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        self.open.pop()
    }

    /// What came of a piece: the lines that are refused for good. Halves of the others come next.
    pub(crate) fn settle(&mut self, piece: Range<usize>, came: Piece) -> Vec<(usize, String)> {
        let why = match came {
            Piece::Taken(refused) => return refused,
            Piece::TooLarge(why) if piece.len() > 1 => {
                self.halve(&piece);
                drop(why);
                return Vec::new();
            }
            Piece::Wrong(why) if piece.len() > 1 && self.searches > 0 => {
                self.searches -= 1;
                self.halve(&piece);
                drop(why);
                return Vec::new();
            }
            Piece::TooLarge(why) | Piece::Wrong(why) => why,
        };
        piece.map(|index| (index, why.clone())).collect()
    }

    fn halve(&mut self, piece: &Range<usize>) {
        let middle = piece.start + piece.len() / 2;
        self.open.push(middle..piece.end);
        self.open.push(piece.start..middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A receiver that refuses whatever has one of these lines in it.
    fn refused(lines: usize, wrong: &[usize]) -> (Vec<usize>, usize) {
        let mut pieces = Pieces::of(lines);
        let (mut refused, mut taken, mut requests) = (Vec::new(), 0, 0);
        while let Some(piece) = pieces.next() {
            requests += 1;
            let is_wrong = wrong.iter().any(|line| piece.contains(line));
            if !is_wrong {
                taken += piece.len();
            }
            let came = if is_wrong { Piece::Wrong("no".to_owned()) } else { Piece::Taken(Vec::new()) };
            refused.extend(pieces.settle(piece, came).into_iter().map(|(index, _)| index));
        }
        assert_eq!(refused.len() + taken, lines, "each line has one fate");
        (refused, requests)
    }

    #[test]
    fn a_wrong_line_is_found_and_the_others_are_taken() {
        assert_eq!(refused(5000, &[]), (vec![], 1));
        assert_eq!(refused(5000, &[4321]).0, [4321]);
        assert_eq!(refused(1000, &[0, 999]).0, [0, 999]);
    }

    #[test]
    fn when_all_are_wrong_the_search_ends() {
        let all: Vec<usize> = (0..5000).collect();
        let (refused, requests) = refused(5000, &all);
        assert_eq!(refused, all);
        assert!(requests <= 100, "{requests}");
    }

    #[test]
    fn a_piece_that_is_too_large_is_halved_down_to_one_line() {
        let mut pieces = Pieces::of(200);
        let mut refused = Vec::new();
        while let Some(piece) = pieces.next() {
            refused.extend(pieces.settle(piece, Piece::TooLarge("large".to_owned())));
        }
        assert_eq!(refused.len(), 200);
    }
}
