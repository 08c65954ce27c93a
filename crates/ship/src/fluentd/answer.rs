//! What a receiver says: small MessagePack values, read with a limit on everything.

use rmp::Marker;

use crate::net::{Dialer, Socket};

/// The longest answer: a handshake's texts and digests are a few hundred bytes.
const BYTES_MAX: usize = 16 * 1024;

/// The deepest list in a list.
const DEPTH_MAX: u32 = 4;

/// A value of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Item {
    /// Nothing, a number: nobody needs what it is.
    Other,
    Flag(bool),
    /// Text or bytes: receivers differ in which they send.
    Text(Vec<u8>),
    List(Vec<Item>),
    Map(Vec<(Item, Item)>),
}

impl Item {
    pub(super) fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(bytes) => Some(bytes),
            Self::Other | Self::Flag(_) | Self::List(_) | Self::Map(_) => None,
        }
    }

    /// The value of a map's key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        pairs.iter().find(|(name, _)| name.text() == Some(key.as_bytes())).map(|(_, value)| value)
    }

    /// The elements of a list.
    pub(super) fn list(&self) -> &[Self] {
        match self {
            Self::List(list) => list,
            Self::Other | Self::Flag(_) | Self::Text(_) | Self::Map(_) => &[],
        }
    }

    /// The first element of a list.
    pub(super) fn first(&self) -> Option<&Self> {
        self.list().first()
    }
}

/// Reads one value, and nothing behind it: a receiver only speaks when it is asked.
pub(super) async fn read(dialer: &Dialer, socket: &mut Socket) -> Result<Item, String> {
    let mut buffer = Vec::new();
    // One deadline for the whole answer, so that a receiver can't send a byte now and then for ever.
    let whole = async {
        loop {
            dialer.receive(socket, &mut buffer).await?;
            match parse(&buffer) {
                Parsed::Item(item) => return Ok(item),
                Parsed::Unfinished if buffer.len() <= BYTES_MAX => {}
                Parsed::Unfinished => return Err(format!("the receiver's answer is longer than {BYTES_MAX} bytes")),
                Parsed::Nonsense => return Err("the receiver's answer is not of the forward protocol".to_owned()),
            }
        }
    };
    match tokio::time::timeout(dialer.timeout(), whole).await {
        Ok(read) => read,
        Err(_) => Err(format!("the receiver did not answer within {:?}", dialer.timeout())),
    }
}

/// What a buffer holds.
#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    Item(Item),
    Unfinished,
    Nonsense,
}

fn parse(buffer: &[u8]) -> Parsed {
    let mut rest = buffer;
    match item(&mut rest, DEPTH_MAX) {
        Ok(item) if rest.is_empty() => Parsed::Item(item),
        Ok(_) => Parsed::Nonsense,
        Err(stopped) => stopped,
    }
}

fn item(rest: &mut &[u8], depth: u32) -> Result<Item, Parsed> {
    let marker = Marker::from_u8(take(rest, 1)?.first().copied().unwrap_or(0));
    Ok(match marker {
        Marker::Null | Marker::FixPos(_) | Marker::FixNeg(_) => Item::Other,
        Marker::True => Item::Flag(true),
        Marker::False => Item::Flag(false),
        Marker::U8 | Marker::I8 => skip(rest, 1)?,
        Marker::U16 | Marker::I16 => skip(rest, 2)?,
        Marker::U32 | Marker::I32 => skip(rest, 4)?,
        Marker::U64 | Marker::I64 => skip(rest, 8)?,
        Marker::FixStr(length) => text(rest, usize::from(length))?,
        Marker::Str8 | Marker::Bin8 => sized_text(rest, 1)?,
        Marker::Str16 | Marker::Bin16 => sized_text(rest, 2)?,
        Marker::FixArray(length) => list(rest, usize::from(length), depth)?,
        Marker::FixMap(length) => map(rest, usize::from(length), depth)?,
        _ => return Err(Parsed::Nonsense),
    })
}

fn take<'b>(rest: &mut &'b [u8], length: usize) -> Result<&'b [u8], Parsed> {
    let (taken, behind) = rest.split_at_checked(length).ok_or(Parsed::Unfinished)?;
    *rest = behind;
    Ok(taken)
}

fn skip(rest: &mut &[u8], length: usize) -> Result<Item, Parsed> {
    take(rest, length).map(|_| Item::Other)
}

fn text(rest: &mut &[u8], length: usize) -> Result<Item, Parsed> {
    take(rest, length).map(|bytes| Item::Text(bytes.to_vec()))
}

fn sized_text(rest: &mut &[u8], width: usize) -> Result<Item, Parsed> {
    let length = take(rest, width)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    text(rest, length)
}

fn list(rest: &mut &[u8], length: usize, depth: u32) -> Result<Item, Parsed> {
    let below = depth.checked_sub(1).ok_or(Parsed::Nonsense)?;
    let items: Result<Vec<Item>, Parsed> = (0..length).map(|_| item(rest, below)).collect();
    items.map(Item::List)
}

fn map(rest: &mut &[u8], length: usize, depth: u32) -> Result<Item, Parsed> {
    let below = depth.checked_sub(1).ok_or(Parsed::Nonsense)?;
    let pairs: Result<Vec<_>, Parsed> = (0..length).map(|_| Ok((item(rest, below)?, item(rest, below)?))).collect();
    pairs.map(Item::Map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_it_is_whole_and_never_beyond() {
        let ack = b"\x81\xa3ack\xa2id";
        assert_eq!(parse(ack), Parsed::Item(Item::Map(vec![(Item::Text(b"ack".into()), Item::Text(b"id".into()))])));
        for length in 0..ack.len() {
            assert_eq!(parse(&ack[..length]), Parsed::Unfinished, "{length}");
        }
        assert_eq!(parse(b"\x81\xa3ack\xa2idx"), Parsed::Nonsense);
        assert_eq!(parse(b"\xdd\xff\xff\xff\xff"), Parsed::Nonsense, "no answer has so long a list");
        assert_eq!(parse(b"\x91\x91\x91\x91\x91\xc0"), Parsed::Nonsense, "nor one so deep");
        assert_eq!(parse(b"\xda\xff\xff"), Parsed::Unfinished);
        assert_eq!(parse(b"HTTP/1.1 400"), Parsed::Nonsense);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_fail(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            parse(&bytes);
        }
    }
}
