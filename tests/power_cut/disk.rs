//! A model of a disk: what is durable, and what may or may not be when the power goes.
//!
//! Durable is what was synced: of a file its bytes as far as they were written when the sync began, of a folder its names. Of the rest
//! a power cut leaves any part, in any order, each write torn between sectors. Names of one folder keep their order.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::cut::Image;
use super::trace::{Call, Event, Place};

/// A file or folder, whatever its name.
pub(super) type Node = usize;

#[derive(Debug, Clone)]
pub(super) enum Content {
    File(File),
    Folder(Folder),
}

#[derive(Debug, Clone, Default)]
pub(super) struct File {
    pub(super) durable: Vec<u8>,
    pub(super) pending: Vec<Change>,
    /// As the process sees it.
    len: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Change {
    /// The call that made it.
    pub(super) id: usize,
    has_ended: bool,
    pub(super) what: What,
}

/// A write, and where it goes.
pub(super) struct Newest {
    pub(super) id: usize,
    /// Below the root.
    pub(super) path: PathBuf,
    pub(super) offset: u64,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Write { offset: u64, bytes: Vec<u8> },
    Truncate(u64),
}

#[derive(Debug, Clone, Default)]
pub(super) struct Folder {
    pub(super) durable: Names,
    pub(super) pending: Vec<Renaming>,
    /// As the process sees it.
    names: Names,
}

pub(super) type Names = BTreeMap<OsString, Node>;

#[derive(Debug, Clone)]
pub(super) enum Renaming {
    Put(OsString, Node),
    Remove(OsString),
    Move(OsString, OsString),
}

pub(super) fn rename(names: &mut Names, renaming: &Renaming) {
    match renaming {
        Renaming::Put(name, node) => drop(names.insert(name.clone(), *node)),
        Renaming::Remove(name) => drop(names.remove(name)),
        Renaming::Move(from, to) => {
            if let Some(node) = names.remove(from) {
                names.insert(to.clone(), node);
            }
        }
    }
}

pub(super) fn change(content: &mut Vec<u8>, what: &What) {
    match what {
        What::Write { offset, bytes } => {
            let start = usize::try_from(*offset).expect("a small file");
            let end = start + bytes.len();
            content.resize(content.len().max(end), 0);
            content[start..end].copy_from_slice(bytes);
        }
        What::Truncate(len) => content.resize(usize::try_from(*len).expect("a small file"), 0),
    }
}

#[derive(Debug, Clone, Copy)]
struct Open {
    node: Node,
    position: u64,
    append: bool,
}

/// The disk under one folder.
#[derive(Debug, Clone)]
pub(super) struct Disk {
    root: PathBuf,
    nodes: Vec<Content>,
    fds: HashMap<i32, Open>,
    begun: HashMap<usize, Call>,
    /// What each sync that has begun will have made durable when it ends.
    syncing: HashMap<usize, Synced>,
}

#[derive(Debug, Clone)]
enum Synced {
    File(Node, Vec<usize>),
    Folder(Node, usize),
}

impl Disk {
    /// The node of its root.
    pub(super) const ROOT: Node = 0;

    /// With an empty folder `root`, which is durable.
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            nodes: vec![Content::Folder(Folder::default())],
            fds: HashMap::new(),
            begun: HashMap::new(),
            syncing: HashMap::new(),
        }
    }

    /// With what a power cut has left, all of it durable.
    pub(super) fn with(root: &Path, image: &Image) -> Self {
        let mut disk = Self::new(root);
        for (path, content) in image {
            let new = match content {
                Some(content) => Content::File(File {
                    durable: content.clone(),
                    len: content.len() as u64,
                    ..File::default()
                }),
                None => Content::Folder(Folder::default()),
            };
            let new = disk.add(new);
            let parent = disk
                .node(root.join(path).parent().expect("a folder"))
                .expect("a folder comes before what is in it");
            if let Content::Folder(folder) = &mut disk.nodes[parent] {
                let name = path.file_name().expect("a name").to_owned();
                folder.durable.insert(name.clone(), new);
                folder.names.insert(name, new);
            }
        }
        disk
    }

    /// Whether the file at `path` below the root has writes that are not durable.
    pub(super) fn has_torn(&self, path: &Path) -> bool {
        let node = self.node(&self.root.join(path));
        node.is_some_and(|node| matches!(&self.nodes[node], Content::File(file) if !file.pending.is_empty()))
    }

    /// The last write that has begun, if it is not durable.
    pub(super) fn newest_write(&self) -> Option<Newest> {
        let files = self.nodes.iter().enumerate();
        let newest = files.filter_map(|(node, content)| match content {
            Content::File(file) => file.pending.last().map(|change| (change, node)),
            Content::Folder(_) => None,
        });
        let (change, node) = newest.max_by_key(|(change, _)| change.id)?;
        let What::Write { offset, .. } = change.what else {
            return None;
        };
        let path = self.path_of(node)?.strip_prefix(&self.root).ok()?.to_owned();
        Some(Newest {
            id: change.id,
            path,
            offset,
        })
    }

    pub(super) fn content(&self, node: Node) -> &Content {
        &self.nodes[node]
    }

    pub(super) fn take(&mut self, event: &Event) {
        match event {
            Event::Begun { id, call } => {
                self.begin(*id, call);
                self.begun.insert(*id, call.clone());
            }
            Event::Ended { id, returned } => {
                let call = self.begun.remove(id).expect("it began");
                self.end(*id, &call, *returned);
            }
        }
    }

    /// A write may reach the disk from its beginning on. A number may be given anew before the end of the call that gave it back.
    fn begin(&mut self, id: usize, call: &Call) {
        match call {
            Call::Close(fd) => drop(self.fds.remove(fd)),
            Call::Write { fd, offset, bytes } => {
                let Some(open) = self.fds.get_mut(fd) else { return };
                let Content::File(file) = &mut self.nodes[open.node] else {
                    panic!("a folder is written to")
                };
                let at = offset.unwrap_or(if open.append { file.len } else { open.position });
                let end = at + bytes.len() as u64;
                if offset.is_none() {
                    open.position = end;
                }
                file.len = file.len.max(end);
                let what = What::Write {
                    offset: at,
                    bytes: bytes.clone(),
                };
                file.pending.push(Change {
                    id,
                    has_ended: false,
                    what,
                });
            }
            Call::Truncate { fd, len } => {
                let Some(open) = self.fds.get(fd) else { return };
                self.truncate(id, open.node, *len);
            }
            Call::Sync(fd) => {
                let Some(open) = self.fds.get(fd) else { return };
                let synced = match &self.nodes[open.node] {
                    Content::File(file) => {
                        let ended = file.pending.iter().filter(|change| change.has_ended);
                        Synced::File(open.node, ended.map(|change| change.id).collect())
                    }
                    Content::Folder(folder) => Synced::Folder(open.node, folder.pending.len()),
                };
                self.syncing.insert(id, synced);
            }
            _ => {}
        }
    }

    fn truncate(&mut self, id: usize, node: Node, len: u64) {
        let Content::File(file) = &mut self.nodes[node] else {
            panic!("a folder is cut")
        };
        file.len = len;
        file.pending.push(Change {
            id,
            has_ended: false,
            what: What::Truncate(len),
        });
    }

    fn end(&mut self, id: usize, call: &Call, returned: i64) {
        if returned < 0 {
            let is_harmless = !matches!(
                call,
                Call::Write { .. } | Call::Truncate { .. } | Call::Sync(_) | Call::Rename { .. }
            );
            assert!(is_harmless || !self.touches(call), "the recorded process failed in {call:?}");
            return;
        }
        match call {
            Call::Write { bytes, .. } => {
                self.has_ended(id);
                assert!(
                    usize::try_from(returned) == Ok(bytes.len()) || !self.touches(call),
                    "the recorded process wrote in part"
                );
            }
            Call::Truncate { .. } => self.has_ended(id),
            Call::Sync(_) => self.synced(id),
            Call::Open {
                at,
                create,
                truncate,
                append,
            } => {
                let fd = i32::try_from(returned).expect("a number");
                self.opened(id, fd, at, (*create, *truncate, *append));
            }
            Call::Dup(fd) => {
                let open = self.fds.get(fd).copied();
                let new = i32::try_from(returned).expect("a number");
                self.fds.extend(open.map(|open| (new, open)));
            }
            Call::Seek(fd) => {
                if let Some(open) = self.fds.get_mut(fd) {
                    open.position = u64::try_from(returned).expect("an offset");
                }
            }
            Call::MakeFolder(at) => {
                if let Some((folder, name)) = self.find(at) {
                    let new = self.add(Content::Folder(Folder::default()));
                    self.rename(folder, Renaming::Put(name, new));
                }
            }
            Call::Remove(at) => {
                if let Some((folder, name)) = self.find(at) {
                    self.rename(folder, Renaming::Remove(name));
                }
            }
            Call::Rename { from, to } => match (self.find(from), self.find(to)) {
                (Some((folder, from)), Some((same, to))) if folder == same => {
                    self.rename(folder, Renaming::Move(from, to));
                }
                (None, None) => {}
                _ => panic!("a file moves between folders: {call:?}"),
            },
            Call::Close(_) | Call::Other => {}
        }
    }

    fn touches(&self, call: &Call) -> bool {
        match call {
            Call::Write { fd, .. } | Call::Truncate { fd, .. } | Call::Sync(fd) => self.fds.contains_key(fd),
            Call::Rename { from, .. } => self.find(from).is_some(),
            _ => false,
        }
    }

    fn has_ended(&mut self, id: usize) {
        for content in &mut self.nodes {
            if let Content::File(file) = content {
                let own = file.pending.iter_mut().filter(|change| change.id == id);
                own.for_each(|change| change.has_ended = true);
            }
        }
    }

    fn synced(&mut self, id: usize) {
        match self.syncing.remove(&id) {
            Some(Synced::File(node, ids)) => {
                let Content::File(file) = &mut self.nodes[node] else { return };
                let (done, left) = std::mem::take(&mut file.pending)
                    .into_iter()
                    .partition(|change| ids.contains(&change.id));
                let done: Vec<Change> = done;
                for own in &done {
                    change(&mut file.durable, &own.what);
                }
                file.pending = left;
            }
            Some(Synced::Folder(node, count)) => {
                let Content::Folder(folder) = &mut self.nodes[node] else {
                    return;
                };
                for renaming in folder.pending.drain(..count.min(folder.pending.len())) {
                    rename(&mut folder.durable, &renaming);
                }
            }
            None => {}
        }
    }

    fn opened(&mut self, id: usize, fd: i32, at: &Place, (create, truncate, append): (bool, bool, bool)) {
        let path = self.absolute(at);
        let node = match self.node(&path) {
            Some(node) => node,
            None if create => {
                let Some((folder, name)) = self.find(at) else { return };
                let new = self.add(Content::File(File::default()));
                self.rename(folder, Renaming::Put(name, new));
                new
            }
            None => return,
        };
        if truncate {
            self.truncate(id, node, 0);
            self.has_ended(id);
        }
        let open = Open {
            node,
            position: 0,
            append,
        };
        self.fds.insert(fd, open);
    }

    fn add(&mut self, content: Content) -> Node {
        self.nodes.push(content);
        self.nodes.len() - 1
    }

    fn rename(&mut self, folder: Node, renaming: Renaming) {
        if let Content::Folder(folder) = &mut self.nodes[folder] {
            rename(&mut folder.names, &renaming);
            folder.pending.push(renaming);
        }
    }

    fn absolute(&self, at: &Place) -> PathBuf {
        let folder = at.folder.and_then(|fd| self.path_of(self.fds.get(&fd)?.node));
        folder.unwrap_or_default().join(&at.path)
    }

    fn path_of(&self, node: Node) -> Option<PathBuf> {
        if node == Self::ROOT {
            return Some(self.root.clone());
        }
        self.nodes.iter().enumerate().find_map(|(parent, content)| {
            let Content::Folder(folder) = content else { return None };
            let (name, _) = folder.names.iter().find(|(_, own)| **own == node)?;
            Some(self.path_of(parent)?.join(name))
        })
    }

    fn node(&self, path: &Path) -> Option<Node> {
        let below = path.strip_prefix(&self.root).ok()?;
        below.iter().try_fold(Self::ROOT, |node, name| match &self.nodes[node] {
            Content::Folder(folder) => folder.names.get(name).copied(),
            Content::File(_) => None,
        })
    }

    /// The folder of a path under the root, and the name in it.
    fn find(&self, at: &Place) -> Option<(Node, OsString)> {
        let path = self.absolute(at);
        let folder = self.node(path.parent()?)?;
        Some((folder, path.file_name()?.to_owned()))
    }
}
