//! The program: hands the arguments to the command line and its outcome to the operating system.

use std::process::ExitCode;

fn main() -> ExitCode {
    refrom::cli::main(std::env::args_os())
}
