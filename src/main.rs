//! The `jkeys` program.

use std::io::{self, IsTerminal as _, Stdout};
use std::process::ExitCode;

use clap::Parser as _;
use jkeys::cli::{Cli, Screen, conclude, run};
use jkeys::clock::Clock;
use rustix::termios::tcgetwinsize;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let (mut out, mut notes) = (io::stdout(), io::stderr());
    let columns = columns(&out);
    let mut screen = Screen::new(&mut out, &mut notes, columns);
    conclude(run(cli, &Clock::machine(), &mut screen).await)
}

/// The width of the terminal, if `out` is one.
fn columns(out: &Stdout) -> Option<usize> {
    let size = out.is_terminal().then(|| tcgetwinsize(out).ok())??;
    (size.ws_col > 0).then_some(usize::from(size.ws_col))
}
