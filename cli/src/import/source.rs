//! Files of lines, of which some are read twice.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _, copy, stdin},
    path::Path,
};

use anyhow::Context as _;

/// A file. Standard input becomes one that nobody else sees and that goes with this process.
pub(super) struct Source {
    /// As the user named it.
    pub(super) name: String,
    file: BufReader<File>,
    at: u64,
    line: u32,
}

/// Where a line is.
#[derive(Clone, Copy)]
pub(super) struct At {
    /// Counted from 1.
    pub(super) line: u32,
    offset: u64,
    length: u32,
}

impl Source {
    /// Opens a file, or with `-` standard input.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        if path.as_os_str() == "-" {
            let mut file = tempfile::tempfile().context("cannot keep standard input in the temporary folder")?;
            copy(&mut stdin().lock(), &mut file).context("cannot keep standard input in the temporary folder")?;
            file.flush()?;
            file.rewind()?;
            return Ok(Self { name: "standard input".to_owned(), file: BufReader::new(file), at: 0, line: 0 });
        }
        let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { name: path.display().to_string(), file: BufReader::new(file), at: 0, line: 0 })
    }

    /// The next line that isn't empty.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<(At, String)>> {
        loop {
            let mut text = Vec::new();
            let length = self.file.read_until(b'\n', &mut text)?;
            if length == 0 {
                return Ok(None);
            }
            self.line += 1;
            let at = At { line: self.line, offset: self.at, length: u32::try_from(length)? };
            self.at += length as u64;
            let text = self.text(text)?;
            if !text.is_empty() {
                return Ok(Some((at, text)));
            }
        }
    }

    /// A line that was there.
    pub(super) fn again(&mut self, at: At) -> anyhow::Result<String> {
        self.file.seek(SeekFrom::Start(at.offset))?;
        let mut text = vec![0; at.length as usize];
        self.file.read_exact(&mut text)?;
        self.text(text)
    }

    fn text(&self, bytes: Vec<u8>) -> anyhow::Result<String> {
        let text = String::from_utf8(bytes).ok();
        let text =
            text.with_context(|| format!("{}:{} is not UTF-8: export it again as such", self.name, self.line))?;
        Ok(text.trim_start_matches('\u{feff}').trim().to_owned())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_found_again() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all("\u{feff}{\"a\":1}\r\n\n{\"b\":\"ä\"}".as_bytes()).unwrap();
        let mut source = Source::open(file.path()).unwrap();
        let (first, text) = source.next().unwrap().unwrap();
        assert_eq!((first.line, text.as_str()), (1, "{\"a\":1}"));
        let (third, text) = source.next().unwrap().unwrap();
        assert_eq!((third.line, text.as_str()), (3, "{\"b\":\"ä\"}"));
        assert!(source.next().unwrap().is_none());
        assert_eq!(source.again(third).unwrap(), "{\"b\":\"ä\"}");
        assert_eq!(source.again(first).unwrap(), "{\"a\":1}");
    }
}
