//! What strace(1) saw of a process: its calls that touch files, each with its beginning and its end.
//!
//! A call of one thread may be cut in two by those of others. Whatever it does happens somewhere between both parts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What strace has to record for [`Trace::read`]. Calls in the last line change files in ways that nobody here knows: they must not
/// occur.
pub(super) const CALLS: &str = "open,openat,creat,close,dup,dup2,dup3,fcntl,\
     write,pwrite64,lseek,fsync,fdatasync,sync_file_range,ftruncate,\
     rename,renameat,renameat2,unlink,unlinkat,rmdir,mkdir,mkdirat,\
     writev,pwritev,pwritev2,fallocate,truncate,link,linkat,symlink,symlinkat,copy_file_range,sendfile,splice";

/// One call, as far as it concerns files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Call {
    Open {
        at: Place,
        create: bool,
        truncate: bool,
        append: bool,
    },
    Close(i32),
    Dup(i32),
    /// At an offset, or where the file stands.
    Write {
        fd: i32,
        offset: Option<u64>,
        bytes: Vec<u8>,
    },
    Seek(i32),
    Truncate {
        fd: i32,
        len: u64,
    },
    Sync(i32),
    MakeFolder(Place),
    Remove(Place),
    Rename {
        from: Place,
        to: Place,
    },
    /// Of no concern.
    Other,
}

/// A path, and the folder that it starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// `None`: it is absolute.
    pub(super) folder: Option<i32>,
    pub(super) path: PathBuf,
}

/// A beginning or an end, in the order in which strace saw them.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Begun { id: usize, call: Call },
    Ended { id: usize, returned: i64 },
}

/// All that was recorded.
pub(super) struct Trace {
    pub(super) events: Vec<Event>,
}

impl Trace {
    /// Whether a file was opened whose path holds `part`.
    pub(super) fn touches(&self, part: &str) -> bool {
        self.events.iter().any(|event| match event {
            Event::Begun {
                call: Call::Open { at, .. },
                ..
            } => at.path.to_string_lossy().contains(part),
            _ => false,
        })
    }

    /// Reads the output of `strace -f -xx`.
    pub(super) fn read(text: &str) -> Self {
        let mut reading = Reading::default();
        for line in text.lines() {
            reading.line(line);
        }
        Self { events: reading.events }
    }
}

#[derive(Default)]
struct Reading {
    events: Vec<Event>,
    calls: usize,
    /// By thread: what has begun and not ended.
    open: BTreeMap<String, usize>,
}

impl Reading {
    fn line(&mut self, line: &str) {
        let (thread, rest) = line.split_once(' ').unwrap_or_else(|| panic!("no line of strace: {line}"));
        let rest = rest.trim_start();
        if rest.starts_with("+++") || rest.starts_with("---") {
            return;
        }
        if let Some(resumed) = rest.strip_prefix("<... ") {
            let id = self.open.remove(thread).unwrap_or_else(|| panic!("it never began: {line}"));
            return self.end(id, resumed);
        }
        let id = self.calls;
        self.calls += 1;
        let call = parse_call(rest);
        self.events.push(Event::Begun { id, call });
        if rest.ends_with("<unfinished ...>") {
            self.open.insert(thread.to_owned(), id);
        } else {
            self.end(id, rest);
        }
    }

    fn end(&mut self, id: usize, text: &str) {
        let (_, result) = text.rsplit_once(" = ").unwrap_or_else(|| panic!("no result: {text}"));
        let first = result.split(' ').next().unwrap_or_default();
        // `?`: the process ended in it. `0x1`: flags, not of a file.
        let returned = match first {
            "?" => -1,
            flags if flags.starts_with("0x") => 0,
            number => number.parse().unwrap_or_else(|_| panic!("no number: {text}")),
        };
        self.events.push(Event::Ended { id, returned });
    }
}

fn parse_call(text: &str) -> Call {
    let (name, rest) = text.split_once('(').unwrap_or_else(|| panic!("no call: {text}"));
    let rest = rest.trim_end_matches(" <unfinished ...>");
    let rest = rest
        .rsplit_once(") = ")
        .map_or(rest, |(args, _)| args.trim_end().trim_end_matches(')'));
    let args: Vec<&str> = rest.split(", ").collect();
    let here = |path: usize| Place {
        folder: None,
        path: unquoted_path(args[path]),
    };
    let at = |folder: usize| Place {
        folder: (args[folder] != "AT_FDCWD").then(|| number(args[folder])),
        path: unquoted_path(args[folder + 1]),
    };
    match name {
        "open" => open(here(0), args[1]),
        "openat" => open(at(0), args[2]),
        "close" => Call::Close(number(args[0])),
        "dup" | "dup2" | "dup3" => Call::Dup(number(args[0])),
        "fcntl" if args[1].starts_with("F_DUPFD") => Call::Dup(number(args[0])),
        "write" | "pwrite64" => Call::Write {
            fd: number(args[0]),
            offset: args.get(3).map(|offset| number(offset)),
            bytes: unquoted(args[1]),
        },
        "lseek" => Call::Seek(number(args[0])),
        "ftruncate" => Call::Truncate {
            fd: number(args[0]),
            len: number(args[1]),
        },
        "fsync" | "fdatasync" => Call::Sync(number(args[0])),
        "mkdir" => Call::MakeFolder(here(0)),
        "mkdirat" => Call::MakeFolder(at(0)),
        "unlink" | "rmdir" => Call::Remove(here(0)),
        "unlinkat" => Call::Remove(at(0)),
        "rename" => Call::Rename {
            from: here(0),
            to: here(1),
        },
        "renameat" | "renameat2" => Call::Rename { from: at(0), to: at(2) },
        // It forces nothing to the disk that counts: not the file's size, and not the disk's own cache.
        "sync_file_range" | "fcntl" => Call::Other,
        unknown => panic!("no model of a disk here knows {unknown}: {text}"),
    }
}

fn open(at: Place, flags: &str) -> Call {
    let has = |flag: &str| flags.split('|').any(|own| own == flag);
    Call::Open {
        at,
        create: has("O_CREAT"),
        truncate: has("O_TRUNC"),
        append: has("O_APPEND"),
    }
}

fn number<N: std::str::FromStr>(text: &str) -> N {
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

/// `"\x61\x62"`: every byte is written so.
fn unquoted(text: &str) -> Vec<u8> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let inner = inner.unwrap_or_else(|| panic!("a string that was cut: {text:.60}"));
    let digit = |byte: u8| {
        (byte as char)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
            .expect("a hex digit")
    };
    let bytes = inner.as_bytes().chunks_exact(4);
    bytes.map(|hex| digit(hex[2]) << 4 | digit(hex[3])).collect()
}

fn unquoted_path(text: &str) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    Path::new(&std::ffi::OsString::from_vec(unquoted(text))).to_owned()
}
