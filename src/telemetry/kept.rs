//! A log that is kept in memory until somebody asks for it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many lines are kept: the last ones.
const LINES: usize = 200;

/// The last lines of a log. Clones are one and the same.
#[derive(Debug, Clone, Default)]
pub struct KeptLog(Arc<Mutex<VecDeque<String>>>);

impl KeptLog {
    /// The lines that have come since the last call.
    #[must_use]
    pub fn take(&self) -> String {
        self.lines().drain(..).collect()
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        // Whole lines go in and out, so there is nothing half done behind a panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log writes one line at a time.
impl io::Write for KeptLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.lines();
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(bytes).into_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_given_once() {
        let log = KeptLog::default();
        for number in 0..=LINES {
            let line = format!("line {number}\n");
            log.clone().write_all(line.as_bytes()).unwrap();
        }
        let text = log.take();
        assert!(
            text.starts_with("line 1\n") && text.ends_with(&format!("line {LINES}\n")),
            "{text}"
        );
        assert_eq!(log.take(), "");
    }
}
