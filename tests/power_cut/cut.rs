//! What a power cut leaves of a disk, and what it may do with each change that is not durable.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::disk::{Content, Disk, File, Node, What, change, rename};

/// What a disk writes whole.
const SECTOR_BYTES: u64 = 512;

/// What becomes of all that is not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is gone.
    Nothing,
    /// It is there.
    Everything,
    /// The names are there, and no byte.
    NamesOnly,
    /// The bytes are there, under the names of before.
    BytesOnly,
    /// Of each file the changes up to some moment.
    Prefixes,
    /// Of each file only the newest change.
    Newest,
    /// Of each file any changes.
    Any,
    /// Of each file any sectors of any changes.
    Torn,
    /// Of the newest write of all only its first bytes, up to anywhere; all that came before it is there.
    Within,
    /// The same, and of what came before it any changes.
    WithinAny,
}

impl Fate {
    /// Each once, and the worst twice.
    pub(super) const TRIED: [Self; 9] = [
        Self::Nothing,
        Self::Everything,
        Self::NamesOnly,
        Self::BytesOnly,
        Self::Newest,
        Self::Prefixes,
        Self::Any,
        Self::Torn,
        Self::Torn,
    ];

    /// For the moments in which a write is under way.
    pub(super) const WITHIN: [Self; 3] = [Self::Within, Self::Within, Self::WithinAny];

    /// How many of `count` changes of the names in a folder are there: they keep their order.
    fn names(self, count: usize, random: &mut ChaCha8Rng) -> usize {
        match self {
            Self::Nothing | Self::BytesOnly => 0,
            Self::Everything | Self::NamesOnly | Self::Within => count,
            Self::Prefixes | Self::Newest | Self::Any | Self::Torn | Self::WithinAny => random.random_range(0..=count),
        }
    }

    /// Which of `count` changes of a file are there.
    fn changes(self, count: usize, random: &mut ChaCha8Rng) -> Vec<bool> {
        let until = random.random_range(0..=count);
        let mut is_kept = |place| match self {
            Self::Nothing | Self::NamesOnly => false,
            Self::Everything | Self::BytesOnly | Self::Within => true,
            Self::Prefixes => place < until,
            Self::Newest => place + 1 == count,
            Self::Any | Self::WithinAny => random.random(),
            Self::Torn => random.random_bool(0.7),
        };
        (0..count).map(&mut is_kept).collect()
    }

    fn cuts_newest(self) -> bool {
        matches!(self, Self::Within | Self::WithinAny)
    }

    fn keeps_sector(self, random: &mut ChaCha8Rng) -> bool {
        self != Self::Torn || random.random()
    }
}

/// Every file that is there after a power cut, by its path below the root; a folder has no content.
pub(super) type Image = BTreeMap<PathBuf, Option<Vec<u8>>>;

impl Disk {
    /// What is there when the power goes now.
    pub(super) fn cut(&self, fate: Fate, random: &mut ChaCha8Rng) -> Image {
        let mut cut = Cut {
            disk: self,
            newest: self.newest_write().map(|newest| newest.id).filter(|_| fate.cuts_newest()),
            fate,
            random,
            image: Image::new(),
        };
        cut.folder(Self::ROOT, Path::new(""));
        cut.image
    }
}

struct Cut<'a> {
    disk: &'a Disk,
    /// The write that is cut short.
    newest: Option<usize>,
    fate: Fate,
    random: &'a mut ChaCha8Rng,
    image: Image,
}

impl Cut<'_> {
    fn folder(&mut self, node: Node, path: &Path) {
        let Content::Folder(folder) = self.disk.content(node) else {
            return;
        };
        let mut names = folder.durable.clone();
        let kept = self.fate.names(folder.pending.len(), self.random);
        folder.pending[..kept]
            .iter()
            .for_each(|renaming| rename(&mut names, renaming));
        for (name, node) in names {
            let path = path.join(name);
            if let Content::File(file) = self.disk.content(node) {
                let content = self.file(file);
                self.image.insert(path, Some(content));
            } else {
                self.image.insert(path.clone(), None);
                self.folder(node, &path);
            }
        }
    }

    fn file(&mut self, file: &File) -> Vec<u8> {
        let mut content = file.durable.clone();
        let kept = self.fate.changes(file.pending.len(), self.random);
        for (own, is_kept) in file.pending.iter().zip(kept) {
            match &own.what {
                What::Write { offset, bytes } if Some(own.id) == self.newest => {
                    let first = self.random.random_range(0..bytes.len().max(1));
                    self.write(&mut content, *offset, &bytes[..first]);
                }
                _ if !is_kept => {}
                What::Write { offset, bytes } => self.write(&mut content, *offset, bytes),
                what @ What::Truncate(_) => change(&mut content, what),
            }
        }
        content
    }

    fn write(&mut self, content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
        let (mut at, mut rest) = (offset, bytes);
        while !rest.is_empty() {
            let room = usize::try_from(SECTOR_BYTES - at % SECTOR_BYTES).expect("a sector");
            let (sector, after) = rest.split_at(room.min(rest.len()));
            if self.fate.keeps_sector(self.random) {
                let what = What::Write {
                    offset: at,
                    bytes: sector.to_vec(),
                };
                change(content, &what);
            }
            at += sector.len() as u64;
            rest = after;
        }
    }
}
