//! What the tests of the command share: it is run as a user runs it, in a folder of the test's own.

#![allow(dead_code)] // Each test binary uses a part.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wavetank"));
    command.current_dir(folder).args(args);
    command
}

pub fn wavetank(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().expect("the binary is built with its tests")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn code(output: &Output) -> i32 {
    output.status.code().expect("not ended by a signal")
}

/// An empty one.
pub fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a folder can be made");
    path
}
