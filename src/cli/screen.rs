//! Where output goes. The texts come from [`render`](super::render).

use std::io::{self, ErrorKind, Write};

use super::CliError;

/// Standard output and standard error, or what a test reads instead.
///
/// When the reader of the output goes away (`jkeys history | head`), what is written later is dropped without an error: a rotation
/// goes on to its end, and a reading command looks at [`reader_is_gone`](Self::reader_is_gone).
pub struct Screen<'a> {
    out: &'a mut dyn Write,
    notes: &'a mut dyn Write,
    columns: Option<usize>,
    gone: bool,
}

impl<'a> Screen<'a> {
    /// `out` gets the answers, `notes` what stands beside them; `columns` is the width of the terminal, if `out` is one.
    pub fn new(out: &'a mut dyn Write, notes: &'a mut dyn Write, columns: Option<usize>) -> Self {
        let gone = false;
        Self {
            out,
            notes,
            columns,
            gone,
        }
    }

    /// The width of the terminal, if it is one.
    pub(super) fn columns(&self) -> Option<usize> {
        self.columns
    }

    /// Whether nobody reads the output any more.
    pub(super) fn reader_is_gone(&self) -> bool {
        self.gone
    }

    /// Writes `text` as it is, at once.
    pub(super) fn put(&mut self, text: impl AsRef<[u8]>) -> Result<(), CliError> {
        if self.gone {
            return Ok(());
        }
        self.write(text.as_ref()).or_else(|why| match why.kind() {
            ErrorKind::BrokenPipe => {
                self.gone = true;
                Ok(())
            }
            _ => Err(CliError::Output(why)),
        })
    }

    /// Writes one line.
    pub(super) fn line(&mut self, line: &str) -> Result<(), CliError> {
        self.put(format!("{line}\n"))
    }

    /// Shows `text` in place of what was shown before; below it, where the output is no terminal.
    pub(super) fn redraw(&mut self, text: &str) -> Result<(), CliError> {
        match self.columns {
            Some(_) => self.put(format!("\x1b[H\x1b[J{text}")),
            None => self.put(format!("{text}\n")),
        }
    }

    /// Says something beside the answer. Nothing depends on whether it can be read.
    pub(super) fn note(&mut self, note: &str) {
        let _ = writeln!(self.notes, "note: {note}");
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        self.out.write_all(text)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A writer that fails in one way.
    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_went_away_is_no_error() {
        let (mut out, mut notes) = (Failing(ErrorKind::BrokenPipe), Vec::new());
        let mut screen = Screen::new(&mut out, &mut notes, None);
        assert!(!screen.reader_is_gone());
        screen.line("a").unwrap();
        assert!(screen.reader_is_gone());
        screen.line("b").unwrap();
    }

    #[test]
    fn output_that_can_not_be_written_is_an_error() {
        let (mut out, mut notes) = (Failing(ErrorKind::StorageFull), Vec::new());
        let refused = Screen::new(&mut out, &mut notes, None).line("a").unwrap_err();
        assert!(refused.to_string().contains("can't be written"), "{refused}");
    }

    #[test]
    fn a_terminal_is_redrawn_and_a_file_grows() {
        let draw = |columns| {
            let (mut out, mut notes) = (Vec::new(), Vec::new());
            let mut screen = Screen::new(&mut out, &mut notes, columns);
            screen.redraw("a\n").unwrap();
            screen.redraw("b\n").unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(draw(None), "a\n\nb\n\n");
        assert_eq!(draw(Some(80)), "\x1b[H\x1b[Ja\n\x1b[H\x1b[Jb\n");
    }
}
