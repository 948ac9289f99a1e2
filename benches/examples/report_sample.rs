//! Writes a report of made-up measurements: `cargo run -p wavetank-benches --example report_sample -- DIR [SEEDS]`.

#[path = "../tests/made_up/mod.rs"]
mod made_up;

use std::path::Path;
use std::process::ExitCode;
use wavetank_benches::report::Report;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (Some(dir), seeds) = (args.next(), args.next().map_or(Ok(5), |seeds| seeds.parse())) else {
        eprintln!("usage: report_sample DIR [SEEDS]");
        return ExitCode::from(1);
    };
    let Ok(seeds) = seeds else {
        eprintln!("SEEDS is a number");
        return ExitCode::from(1);
    };
    let runs = made_up::runs(&made_up::PLATFORMS, seeds, 600);
    let report = Report::new(made_up::subject(), &runs, made_up::published()).expect("made up as it has to be");
    print!("{}", report.terminal());
    match report.write(Path::new(&dir)) {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(1)
        }
    }
}
