//! What goes over a link: frames of eight bytes (channel, kind, length) and so many more.

/// The most bytes that follow a frame's first eight.
pub(super) const LARGEST: usize = 16 * 1024;
const HEADER: usize = 8;

/// What a frame says of its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It is opened.
    Open,
    /// Bytes of it.
    Data,
    /// No more bytes come.
    End,
    /// No more bytes come, and none are taken.
    Gone,
    /// So many more bytes may be sent, in four bytes.
    Credit,
    /// Bytes of a feed, whose number is in the place of a channel's.
    Feed,
    /// From now on it gets what comes of a feed, whose number is in four bytes.
    Follow,
    /// It gets no more of a feed, whose number is in four bytes.
    Unfollow,
}

impl Kind {
    pub(super) fn is_of_feeds(self) -> bool {
        matches!(self, Self::Feed | Self::Follow | Self::Unfollow)
    }
}

const KINDS: [Kind; 8] =
    [Kind::Open, Kind::Data, Kind::End, Kind::Gone, Kind::Credit, Kind::Feed, Kind::Follow, Kind::Unfollow];

/// What no frame begins with, or what a frame of its kind doesn't hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nonsense;

/// A frame as it came.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub(super) channel: u32,
    pub(super) kind: Kind,
    pub(super) body: &'a [u8],
}

/// Appends a frame. Its body is at most [`LARGEST`].
pub(super) fn write(out: &mut Vec<u8>, channel: u32, kind: Kind, body: &[u8]) {
    fill(out, channel, kind, body.len(), |out| out.extend_from_slice(body));
}

/// Appends a frame whose body `fill` writes, and tells its length; nothing where it would be longer than `most`.
pub(super) fn fill(
    out: &mut Vec<u8>,
    channel: u32,
    kind: Kind,
    most: usize,
    fill: impl FnOnce(&mut Vec<u8>),
) -> Option<usize> {
    let start = out.len();
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&[kind as u8, 0, 0, 0]);
    fill(out);
    let body = out.len() - start - HEADER;
    let length = u16::try_from(body).ok().filter(|_| body <= most.min(LARGEST));
    let Some(length) = length else {
        out.truncate(start);
        return None;
    };
    out[start + HEADER - 2..start + HEADER].copy_from_slice(&length.to_be_bytes());
    Some(body)
}

/// What the body of four bytes says.
pub(super) fn number(body: &[u8]) -> Result<u32, Nonsense> {
    body.try_into().map(u32::from_be_bytes).map_err(|_| Nonsense)
}

/// Takes the first frame off what has come; `None` where it isn't whole yet.
pub(super) fn read<'a>(bytes: &mut &'a [u8]) -> Result<Option<Frame<'a>>, Nonsense> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
    let [a, b, c, d, kind, zero, high, low] = *header;
    let kind = *KINDS.get(usize::from(kind)).filter(|_| zero == 0).ok_or(Nonsense)?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let fits = match kind {
        Kind::Data | Kind::Feed => (1..=LARGEST).contains(&length),
        Kind::Credit | Kind::Follow | Kind::Unfollow => length == 4,
        Kind::Open | Kind::End | Kind::Gone => length == 0,
    };
    if !fits {
        return Err(Nonsense);
    }
    let Some((body, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    *bytes = rest;
    Ok(Some(Frame { channel: u32::from_be_bytes([a, b, c, d]), kind, body }))
}
