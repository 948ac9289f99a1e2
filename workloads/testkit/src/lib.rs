//! Sweeps as tests: what anybody needs who wants an invariant held by `cargo test`.
//!
//! ```no_run
//! wavetank_testkit::sweeps! {
//!     /// A broker that dies loses nothing, on any kind of log.
//!     nothing_is_lost_in_failovers: ["broker-failover@s3-wal", "broker-failover@ebs-wal"], 0..50;
//!     /// And whoever takes its log over finds records that are in no object.
//!     logs_are_taken_over: ["late-writes@s3-wal"], 0..40, |sweep| {
//!         sweep.reaching("recovery: a log had records that were in no object").holding("reads end", |report| {
//!             (report.now.0 < 700_000_000_000).then_some(()).ok_or_else(|| format!("at {} s", report.now))
//!         })
//!     };
//! }
//! ```
//!
//! A test that fails names the seed, what is wrong in a line, and the command that shows it again from the file that it leaves.
//! Variables of the environment change what is run: see [`Settings`].
//!
//! [`strategies`] are for proptest: scenarios, and cases whose storms proptest makes smaller.

mod settings;
pub mod strategies;
mod sweep;

pub use settings::{BadSetting, Settings};
pub use sweep::{Failed, Sweep};

/// Tests that sweep scenarios: a name, scenarios as the command line names them, seeds, and what else is to hold (optional:
/// a closure that is given the [`Sweep`], and gives it back).
#[macro_export]
macro_rules! sweeps {
    ($($(#[$about:meta])* $name:ident: [$($scenario:expr),+ $(,)?], $seeds:expr $(, $more:expr)?;)+) => {$(
        $(#[$about])*
        #[test]
        fn $name() {
            let sweep = $crate::Sweep::new([$($scenario),+], $seeds);
            $(let sweep = $crate::Sweep::with(sweep, $more);)?
            sweep.run(&$crate::Settings::of_environment().expect("WAVETANK_ variables"));
        }
    )+};
}
