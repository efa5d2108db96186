//! The audit log: its records in one byte-exact form, the Merkle tree over them, signed checkpoints, and proofs.
//!
//! Everything here is computed from bytes that are handed in; nothing reads a disk or holds a private key. A signature is made by
//! a function that the keeper of the key hands in ([`Sign`]).

mod accept;
mod canonical;
mod canonical_serde;
mod checkpoint;
mod note;
mod proof;
mod proof_file;
mod read;
mod record;
mod tile;
mod tree;
mod verify;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use accept::{Adopted, GoesOn, LogRefusal, NotGivenUp, Sent, accept, follows};
pub use canonical::canonical;
pub use checkpoint::{
    Checkpoint, CheckpointError, add_cosignature, cosign, cosignature_time, cosignatures, cosigned_at, origin, witness_name,
};
pub use note::{MAX_NOTE_BYTES, NoteError, NoteKey, NoteKeyError, NoteSignature, Sign, SignedNote, signer};
pub use proof::{
    MAX_PROOF_HASHES, ProofError, prove_consistency, prove_inclusion, root_at, verify_consistency, verify_inclusion,
};
pub use proof_file::{RecordProof, RecordProofError};
pub use read::{NoRecord, ReadRecord, RecordReader};
pub use record::{Record, RecordError, SCHEMA, public_form};
pub use tile::{bundle_bytes, bundle_path, edge_files, full_tile_file, tile_bytes, tile_hashes, tile_path};
pub use tree::{FullTile, Hashes, TILE_WIDTH, Tree, leaf_hash, node_hash};
pub use verify::{Broken, LogCheck, Seen, Whole};
