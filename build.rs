//! Compiles `proto/` without protoc, and lists every method so that a test can demand a row for each in the authorisation table.

use std::path::Path;
use std::{env, error::Error, fs};

const PROTOS: [&str; 3] = ["enrollment", "fleet", "admin"];

/// Messages that hold secrets: their `Debug` is written by hand.
const SECRET: [&str; 5] = [
    "jkeys.v1.EnrollRequest",
    "jkeys.v1.LeaderUpdate",
    "jkeys.v1.Generation",
    "jkeys.v1.PrivateHalf",
    "jkeys.v1.CreateTokenResponse",
];

#[expect(clippy::disallowed_methods, reason = "it writes for the compiler, not for jkeys")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let files = PROTOS.map(|name| format!("jkeys/v1/{name}.proto"));
    let descriptors = protox::compile(files, ["proto"])?;

    let methods: Vec<String> = (descriptors.file.iter())
        .flat_map(|file| file.service.iter().map(move |service| (file, service)))
        .flat_map(|(file, service)| {
            let path = format!("/{}.{}", file.package(), service.name());
            (service.method.iter()).map(move |method| format!("{path}/{}", method.name()))
        })
        .collect();
    let out = env::var("OUT_DIR")?;
    let list = format!("/// The path of every method of `proto/`.\npub const METHODS: &[&str] = &{methods:?};\n");
    fs::write(Path::new(&out).join("methods.rs"), list)?;

    tonic_prost_build::configure()
        .bytes(".jkeys.v1.LeaderUpdate")
        .skip_debug(SECRET)
        .compile_fds(descriptors)?;
    Ok(())
}
