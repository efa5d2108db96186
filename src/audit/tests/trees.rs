//! The tree and its proofs, against RFC 6962's definition and the vectors of its reference implementation.

use proptest::prelude::*;

use super::super::{Tree, leaf_hash, node_hash, root_at, verify_consistency, verify_inclusion};
use super::Log;
use crate::types::{Digest, TreeHead};

const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn reference() -> Log {
    let mut log = Log::new(1);
    for leaf in LEAVES {
        log.push(bytes(leaf));
    }
    log
}

/// The root as RFC 6962 defines it.
fn defined(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(defined(left), defined(right))
        }
    }
}

fn leaves(count: usize) -> Vec<Digest> {
    (0..count).map(|leaf| leaf_hash(&leaf.to_be_bytes())).collect()
}

fn log_of(count: usize) -> Log {
    let mut log = Log::new(1);
    for leaf in 0..count {
        log.push(leaf.to_be_bytes().to_vec());
    }
    log
}

#[test]
fn the_roots_are_those_of_the_reference() {
    let log = reference();
    for (size, root) in (0..).zip(ROOTS) {
        assert_eq!(root_at(&log, size).unwrap().to_string(), root);
    }
    assert_eq!(log.tree.root().to_string(), ROOTS[8]);
}

#[test]
fn the_proofs_are_those_of_the_reference() {
    let shown = |proof: Vec<Digest>| proof.iter().map(ToString::to_string).collect::<Vec<_>>();
    let log = reference();
    let path = [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ];
    assert_eq!(shown(log.prove(0).hashes), path);
    assert_eq!(shown(log.consistency(1)), path);
    assert_eq!(
        shown(log.consistency(6)),
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ]
    );
}

#[test]
fn the_root_is_as_defined_at_every_size_and_over_three_levels_of_tiles() {
    let all = leaves(1100);
    let mut tree = Tree::default();
    for (size, leaf) in (1..).zip(&all) {
        tree.append(*leaf, &mut Vec::new());
        if size < 20 || size % 97 == 0 || size % 256 < 2 {
            assert_eq!(tree.root(), defined(&all[..size]), "{size}");
        }
    }
    let log = log_of(66_000);
    assert_eq!(log.tree.levels(), 3);
    assert_eq!(log.tree.root(), defined(&leaves(66_000)));
}

#[test]
fn a_tree_resumed_from_its_tiles_is_the_same_tree() {
    for count in [0, 1, 255, 256, 257, 512, 1000, 65_535, 65_536, 65_537] {
        let log = log_of(count);
        let rest = leaves(count)[count - count % 256..].to_vec();
        let Ok(resumed) = Tree::resume(count as u64, rest, &log);
        let (mut one, mut other) = (resumed, log.tree.clone());
        assert_eq!(one.root(), other.root(), "{count}");
        for leaf in leaves(300) {
            let (mut tiles, mut others) = (Vec::new(), Vec::new());
            one.append(leaf, &mut tiles);
            other.append(leaf, &mut others);
            assert_eq!(tiles, others);
        }
        assert_eq!(one.root(), other.root(), "{count}");
    }
}

#[test]
fn every_proof_of_a_small_log_holds_and_no_other() {
    let log = log_of(33);
    for size in 1..=33 {
        let part = log_of(size);
        for index in 0..size as u64 {
            let leaf = leaf_hash(&index.to_be_bytes());
            let proof = part.prove(index).hashes;
            assert_eq!(verify_inclusion(part.head(), index, leaf, &proof), Ok(()));
            for other in (0..=size as u64).filter(|other| *other != index) {
                assert!(
                    verify_inclusion(part.head(), other, leaf, &proof).is_err(),
                    "{index} as {other} of {size}"
                );
            }
        }
        assert_eq!(
            verify_consistency(part.head(), log.head(), &log.consistency(size as u64)),
            Ok(())
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn proofs_hold_and_a_changed_one_does_not(size in 1u64..1500, index in 0u64..1500, old in 0u64..1500, flip in 0usize..20) {
        let (index, old) = (index % size, old % (size + 1));
        let log = log_of(usize::try_from(size).unwrap());
        let leaf = leaf_hash(&index.to_be_bytes());
        let proof = log.prove(index).hashes;
        prop_assert_eq!(verify_inclusion(log.head(), index, leaf, &proof), Ok(()));
        let before = TreeHead { size: old, root: root_at(&log, old).unwrap() };
        let consistency = log.consistency(old);
        prop_assert_eq!(verify_consistency(before, log.head(), &consistency), Ok(()));
        for (is_inclusion, proof) in [(true, proof), (false, consistency)] {
            let holds = |proof: &[Digest]| if is_inclusion {
                verify_inclusion(log.head(), index, leaf, proof).is_ok()
            } else {
                verify_consistency(before, log.head(), proof).is_ok()
            };
            let longer = [&proof[..], &[Digest([9; 32])]].concat();
            prop_assert!(!holds(&longer));
            if let Some(at) = (!proof.is_empty()).then(|| flip % proof.len()) {
                let mut changed = proof.clone();
                changed[at].0[0] ^= 1;
                prop_assert!(!holds(&changed));
                prop_assert!(!holds(&proof[1..]));
                prop_assert!(!holds(&proof[..proof.len() - 1]));
            }
        }
    }
}
