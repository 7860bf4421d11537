//! The bytes of a file or of standard input, inflated if they are gzip, as far as they are there.

#![allow(clippy::disallowed_types, reason = "what is inflated here is taken block by block")]

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};

use flate2::bufread::MultiGzDecoder;

/// What reading gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many bytes.
    Bytes(usize),
    /// All that is there was read.
    End,
    /// There is more, for which who reads would have to wait.
    Wait,
}

/// Bytes that may be read on when there are more of them.
#[derive(Debug)]
pub(super) struct Content<R> {
    input: Input<R>,
}

#[derive(Debug)]
enum Input<R> {
    /// Too short to tell.
    Unknown(BufReader<Growing<R>>),
    Plain(BufReader<Growing<R>>),
    Gzip(Box<MultiGzDecoder<BufReader<Growing<R>>>>),
    /// Something failed while it was taken apart.
    Gone,
}

/// What gzip begins with ([RFC 1952](https://www.rfc-editor.org/rfc/rfc1952#section-2.3.1)).
const MAGIC_1: u8 = 0x1f;
const MAGIC_2: u8 = 0x8b;
/// How much is read at once.
const BLOCK: usize = 64 << 10;

impl<R: Read> Content<R> {
    /// Reads from the beginning. With `grows` the end is where it goes on later.
    pub(super) fn new(read: R, grows: bool) -> Self {
        let growing = Growing { read, grows, taken: 0, must_wait: false, held: None };
        Content { input: Input::Unknown(BufReader::with_capacity(BLOCK, growing)) }
    }

    /// What is read.
    pub(super) fn source(&mut self) -> Option<&mut R> {
        self.growing().map(|growing| &mut growing.read)
    }

    fn growing(&mut self) -> Option<&mut Growing<R>> {
        match &mut self.input {
            Input::Unknown(reader) | Input::Plain(reader) => Some(reader.get_mut()),
            Input::Gzip(decoder) => Some(decoder.get_mut().get_mut()),
            Input::Gone => None,
        }
    }

    /// Reads as much as there is at once.
    ///
    /// # Errors
    ///
    /// As reading; what is no gzip any more is [`ErrorKind::InvalidInput`] or [`ErrorKind::InvalidData`], and what was cut off
    /// [`ErrorKind::UnexpectedEof`].
    pub(super) fn read(&mut self, block: &mut [u8]) -> io::Result<Step> {
        if matches!(self.input, Input::Unknown(_)) && !self.look()? {
            return Ok(self.nothing());
        }
        let read = match &mut self.input {
            Input::Plain(reader) => reader.read(block),
            Input::Gzip(decoder) => decoder.read(block),
            Input::Unknown(_) | Input::Gone => Ok(0),
        };
        match read {
            Ok(0) => Ok(Step::End),
            Ok(read) => Ok(Step::Bytes(read)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(self.nothing()),
            Err(error) => Err(error),
        }
    }

    /// From now on its end is its end.
    pub(super) fn ends(&mut self) {
        if let Some(growing) = self.growing() {
            growing.grows = false;
        }
    }

    /// Why reading gave nothing.
    fn nothing(&mut self) -> Step {
        match self.growing() {
            Some(Growing { must_wait: true, .. }) => Step::Wait,
            _ => Step::End,
        }
    }

    pub(super) fn is_gzip(&self) -> bool {
        matches!(self.input, Input::Gzip(_))
    }

    /// How many bytes were read of the file itself, as it lies there.
    pub(super) fn taken(&self) -> u64 {
        match &self.input {
            Input::Unknown(reader) | Input::Plain(reader) => reader.get_ref().taken,
            Input::Gzip(decoder) => decoder.get_ref().get_ref().taken,
            Input::Gone => 0,
        }
    }

    /// Looks whether it is gzip, and says whether there was enough of it.
    fn look(&mut self) -> io::Result<bool> {
        let Input::Unknown(reader) = &mut self.input else { return Ok(true) };
        if let Ok([MAGIC_1]) = reader.fill_buf() {
            // Whoever writes it byte by byte. It comes again with what follows, or alone if that was all.
            reader.consume(1);
            reader.get_mut().held = Some(MAGIC_1);
        }
        match reader.fill_buf() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        let Input::Unknown(reader) = std::mem::replace(&mut self.input, Input::Gone) else { return Ok(true) };
        self.input = match reader.buffer().starts_with(&[MAGIC_1, MAGIC_2]) {
            true => Input::Gzip(Box::new(MultiGzDecoder::new(reader))),
            false => Input::Plain(reader),
        };
        Ok(true)
    }
}

impl<R: Read + Seek> Content<R> {
    /// Goes to a position, in bytes of what [`read`](Self::read) gives.
    pub(super) fn go_to(&mut self, position: u64) -> io::Result<()> {
        self.input = match std::mem::replace(&mut self.input, Input::Gone) {
            Input::Plain(mut reader) => {
                reader.seek(SeekFrom::Start(position))?;
                reader.get_mut().taken = position;
                Input::Plain(reader)
            }
            Input::Gzip(decoder) => {
                let mut growing = decoder.into_inner().into_inner();
                growing.read.rewind()?;
                growing.taken = 0;
                Input::Gzip(Box::new(MultiGzDecoder::new(BufReader::with_capacity(BLOCK, growing))))
            }
            Input::Unknown(reader) => Input::Unknown(reader),
            Input::Gone => Input::Gone,
        };
        let mut left = if self.is_gzip() { position } else { 0 };
        let mut block = vec![0; BLOCK];
        while left > 0 {
            let most = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match self.read(&mut block[..most])? {
                Step::Bytes(read) => left -= read as u64,
                Step::End => break,
                Step::Wait => return Err(ErrorKind::WouldBlock.into()),
            }
        }
        Ok(())
    }
}

/// A file that may grow: at its end it says that reading would block, which decoders carry on from.
#[derive(Debug)]
struct Growing<R> {
    read: R,
    grows: bool,
    taken: u64,
    /// Whether it was not its end that reading would have waited at.
    must_wait: bool,
    /// A byte that was taken, and comes before what is read next.
    held: Option<u8>,
}

impl<R: Read> Read for Growing<R> {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let held = usize::from(self.held.is_some());
        let Some(rest) = block.get_mut(held..) else { return Ok(0) };
        let read = self.read.read(rest);
        self.must_wait = read.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        let read = read?;
        self.taken += read as u64;
        if read == 0 && self.grows && !block.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        if let Some(byte) = self.held.take() {
            block[0] = byte;
        }
        Ok(held + read)
    }
}

impl<R: Seek> Seek for Growing<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.read.seek(to)
    }
}

/// Whether it is the compressed data that is wrong, and not reading it.
pub(super) fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn all<R: Read>(content: &mut Content<R>) -> String {
        let (mut text, mut block) = (Vec::new(), vec![0; 5]);
        while let Step::Bytes(read) = content.read(&mut block).unwrap() {
            text.extend_from_slice(&block[..read]);
        }
        String::from_utf8(text).unwrap()
    }

    /// A file that is written to by the test.
    #[derive(Clone, Default)]
    struct Written(std::rc::Rc<std::cell::RefCell<Cursor<Vec<u8>>>>);

    impl Read for Written {
        fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
            self.0.borrow_mut().read(block)
        }
    }

    #[test]
    fn gzip_that_grows_member_by_member_and_byte_by_byte_is_read_on() {
        let bytes = [gzip("one\n"), gzip("two\n")].concat();
        let file = Written::default();
        let mut content = Content::new(file.clone(), true);
        let mut text = String::new();
        for byte in bytes {
            file.0.borrow_mut().get_mut().push(byte);
            text.push_str(&all(&mut content));
        }
        assert_eq!(text, "one\ntwo\n");
        content.ends();
        assert_eq!(content.read(&mut [0; 5]).unwrap(), Step::End);
    }

    #[test]
    fn what_begins_as_gzip_does_and_is_none_is_read_too() {
        for bytes in [&b"\x1f"[..], b"\x1f\x1f\n", b"\x1fone\n"] {
            let file = Written::default();
            let mut content = Content::new(file.clone(), true);
            let mut text = String::new();
            for byte in bytes {
                file.0.borrow_mut().get_mut().push(*byte);
                text.push_str(&all(&mut content));
            }
            content.ends();
            text.push_str(&all(&mut content));
            assert_eq!((text.as_bytes(), content.taken()), (bytes, bytes.len() as u64));
        }
    }

    /// Gives two bytes at a time, and would have who reads wait before each two.
    struct Slow<'a>(&'a [u8], bool);

    impl Read for Slow<'_> {
        fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 { Err(ErrorKind::WouldBlock.into()) } else { (&mut self.0).take(2).read(block) }
        }
    }

    #[test]
    fn what_is_to_be_waited_for_is_no_end_and_reading_goes_on_there() {
        let text = "one\ntwo\nthree\n";
        for (bytes, waits) in [(text.as_bytes().to_vec(), true), (gzip(text), true), (gzip(text), false)] {
            let mut content = Content::new(Slow(&bytes, !waits), false);
            let (mut read, mut block, mut waited) = (Vec::new(), [0; 64], 0);
            loop {
                match content.read(&mut block).unwrap() {
                    Step::Bytes(len) => read.extend_from_slice(&block[..len]),
                    Step::Wait => waited += 1,
                    Step::End => break,
                }
            }
            assert_eq!(String::from_utf8(read).unwrap(), text);
            assert!(waited >= bytes.len() / 3, "{waited} times of {}", bytes.len());
        }
    }

    #[test]
    fn a_position_is_found_again_in_what_is_inflated_and_in_what_is_not() {
        let text = "one\ntwo\nthree\n";
        for bytes in [text.as_bytes().to_vec(), [gzip("one\nt"), gzip("wo\nthree\n")].concat()] {
            let mut content = Content::new(Cursor::new(bytes), false);
            assert_eq!(all(&mut content), text);
            for position in [8, 0, 4, 14] {
                content.go_to(position).unwrap();
                assert_eq!(all(&mut content), text[position as usize..]);
            }
        }
    }

    #[test]
    fn gzip_that_is_cut_off_says_so_once_it_is_at_its_end() {
        let bytes = gzip("one\ntwo\n");
        let mut content = Content::new(&bytes[..bytes.len() - 3], true);
        assert_eq!(all(&mut content), "one\ntwo\n");
        content.ends();
        assert!(is_damage(&content.read(&mut [0; 5]).unwrap_err()));
    }
}
