//! Which cycles are told of, and how.

use super::script::told;
use crate::check::cycles::Edges;

const WR: Edges = Edges { ww: false, process: false };
const WW: Edges = Edges { ww: true, process: false };
const PROCESS: Edges = Edges { ww: true, process: true };

fn assert_told(text: &str, edges: Edges, expected: &[&str]) {
    assert_eq!(told(text, edges), expected, "{edges:?} of {text}");
}

#[test]
fn two_writers_in_opposite_orders_are_g0_and_nothing_else() {
    let text = "0 invoke\n 1 invoke\n 0 ok x0=1 y1=1 <x1=2\n 1 ok x1=2 y0=2 <x0=1";
    let g0 = ["PL-1-cycle-exists: 2 3", "G0: 2 ww(x: 1 2) 3 ww(y: 2 1) 2"];
    assert_told(text, WW, &g0);
    assert_told(text, PROCESS, &g0);
}

#[test]
fn a_cycle_with_a_read_is_g1c() {
    let reads = "0 invoke\n 1 invoke\n 0 ok x0=1 <y0=2\n 1 ok y0=2 <x0=1";
    let g1c = ["PL-2-cycle-exists: 2 3", "G1c: 2 wr(x: 1) 3 wr(y: 2) 2"];
    assert_told(reads, WR, &g1c);
    assert_told(reads, PROCESS, &g1c);

    let mixed = "0 invoke\n 1 invoke\n 0 ok x0=1 y1=3\n 1 ok <x0=1 y0=2";
    assert_told(mixed, WW, &["PL-2-cycle-exists: 2 3", "G1c: 2 wr(x: 1) 3 ww(y: 2 3) 2"]);
    assert_told(mixed, WR, &[]);
}

#[test]
fn a_process_that_goes_back_in_the_log_is_g0_process_or_without_process_orders_g0_realtime() {
    let text = "0 invoke\n 0 ok x1=2\n 0 invoke\n 0 ok x0=1";
    assert_told(text, PROCESS, &["G0-process: 1 process(0) 3 ww(x: 1 2) 1"]);
    assert_told(text, WW, &["strong-PL-1-cycle-exists: 1 3", "G0-realtime: 1 realtime(2) 3 ww(x: 1 2) 1"]);
    assert_told(text, WR, &[]);
}

#[test]
fn a_process_that_reads_what_it_sends_later_is_g1c_process_or_without_process_orders_g1c_realtime() {
    let text = "0 invoke\n 0 ok <x0=1\n 0 invoke\n 0 ok x0=1";
    assert_told(text, PROCESS, &["G1c-process: 1 process(0) 3 wr(x: 1) 1"]);
    assert_told(text, WR, &["strong-PL-2-cycle-exists: 1 3", "G1c-realtime: 1 realtime(2) 3 wr(x: 1) 1"]);
}

#[test]
fn across_processes_only_real_time_orders() {
    let writes = "0 invoke\n 0 ok x1=2\n 1 invoke\n 1 ok x0=1";
    assert_told(writes, PROCESS, &["strong-PL-1-cycle-exists: 1 3", "G0-realtime: 1 realtime(2) 3 ww(x: 1 2) 1"]);
    let reads = "0 invoke\n 0 ok <x0=1\n 1 invoke\n 1 ok x0=1";
    assert_told(reads, PROCESS, &["strong-PL-2-cycle-exists: 1 3", "G1c-realtime: 1 realtime(2) 3 wr(x: 1) 1"]);
}

#[test]
fn a_cycle_of_writes_and_time_is_told_beside_one_of_reads() {
    let text = "0 invoke\n 1 invoke\n 0 ok x0=1 <y0=2 z1=2\n 1 ok y0=2 <x0=1\n 0 invoke\n 0 ok z0=1";
    let g1c = ["PL-2-cycle-exists: 2 3", "G1c: 2 wr(x: 1) 3 wr(y: 2) 2"];
    let realtime = ["strong-PL-1-cycle-exists: 2 5", "G0-realtime: 2 realtime(4) 5 ww(z: 1 2) 2"];
    assert_told(text, WW, &[g1c, realtime].concat());
    assert_told(text, PROCESS, &[g1c.as_slice(), &["G0-process: 2 process(0) 5 ww(z: 1 2) 2"]].concat());
}

#[test]
fn a_cycle_of_writes_and_time_is_told_beside_one_of_reads_and_processes() {
    let text = "0 invoke\n 0 ok <x0=1 y1=2\n 0 invoke\n 0 ok x0=1\n 1 invoke\n 1 ok y0=1";
    let expected = [
        "G1c-process: 1 process(0) 3 wr(x: 1) 1",
        "strong-PL-1-cycle-exists: 1 3 5",
        "G0-realtime: 1 realtime(4) 5 ww(y: 1 2) 1",
    ];
    assert_told(text, PROCESS, &expected);
}

#[test]
fn each_component_is_told_of_in_order() {
    let text = "
        0 invoke\n 1 invoke\n 0 ok x0=1 <y0=1\n 1 ok y0=1 <x0=1
        0 invoke\n 1 invoke\n 0 ok x5=2 y6=3\n 1 ok x6=3 y5=2
        0 invoke\n 0 ok <x9=4\n 0 invoke\n 0 ok x9=4";
    let expected = [
        "PL-2-cycle-exists: 2 3",
        "G1c: 2 wr(x: 1) 3 wr(y: 1) 2",
        "PL-1-cycle-exists: 6 7",
        "G0: 6 ww(x: 2 3) 7 ww(y: 2 3) 6",
        "strong-PL-2-cycle-exists: 9 11",
        "G1c-realtime: 9 realtime(10) 11 wr(x: 4) 9",
    ];
    assert_told(text, WW, &expected);
}

#[test]
fn of_several_components_of_a_kind_within_one_the_smallest_is_told_and_then_the_first() {
    // The last operation precedes the first in z: all are one component. Writes alone make 3, 4, 5 and two pairs.
    let text = "
        0 invoke\n 1 invoke\n 2 invoke\n 0 ok a0=1 c1=1 z1=1\n 1 ok a1=2 b0=1\n 2 ok b1=2 c0=2
        0 invoke\n 1 invoke\n 0 ok d0=1 e1=1\n 1 ok d1=2 e0=2
        0 invoke\n 1 invoke\n 0 ok f0=1 g1=1 z0=2\n 1 ok f1=2 g0=2";
    assert_told(text, WW, &["PL-1-cycle-exists: 8 9", "G0: 8 ww(d: 1 2) 9 ww(e: 2 1) 8"]);
}

#[test]
fn a_sample_is_shortest_and_leaps_through_real_time() {
    let text = "0 invoke\n 0 ok <x0=1\n 1 invoke\n 1 ok\n 2 invoke\n 2 ok y0=1\n 1 invoke\n 1 ok x0=1 <y0=1";
    let expected = ["strong-PL-2-cycle-exists: 1 3 5 7", "G1c-realtime: 1 realtime(6) 7 wr(x: 1) 1"];
    assert_told(text, WR, &expected);
}

#[test]
fn data_explains_before_processes_and_processes_before_real_time() {
    let chain = "0 invoke\n 0 ok x1=1 y0=1\n 0 invoke\n 0 ok <y0=1 z0=1\n 0 invoke\n 0 ok <z0=1 x0=2";
    let g1c = "G1c: 1 wr(y: 1) 3 wr(z: 1) 5 ww(x: 2 1) 1";
    let realtime = "G0-realtime: 1 realtime(4) 5 ww(x: 2 1) 1";
    assert_told(chain, WW, &["PL-2-cycle-exists: 1 3 5", g1c, "strong-PL-1-cycle-exists: 1 3 5", realtime]);

    // 1 comes before 4 by data, process and time, and 4 before 7 by process and time.
    let chain = "
        0 invoke\n 0 ok x0=1 x1=2 w1=2\n 0 invoke\n 1 invoke\n 0 ok <x0=1+2\n 0 invoke\n 1 info v0=1\n 0 ok u0=1
        2 invoke\n 2 ok w0=1 <u0=1";
    let g1c = "G1c-process: 1 wr(x: 1) 4 process(0) 7 wr(u: 1) 9 ww(w: 1 2) 1";
    let realtime = "G0-realtime: 1 realtime(8) 9 ww(w: 1 2) 1";
    assert_told(chain, PROCESS, &[g1c, "strong-PL-1-cycle-exists: 1 4 7 9", realtime]);
}

#[test]
fn only_ok_operations_precede_what_is_invoked_after_them() {
    for (kind, expected) in [("ok", "strong-PL-2-cycle-exists: 1 3"), ("info", ""), ("fail", "")] {
        let text = format!("0 invoke\n 0 {kind} <x0=1\n 1 invoke\n 1 ok x0=1");
        assert_eq!(told(&text, WR).first().map_or("", String::as_str), expected, "{kind}");
    }
}

#[test]
fn operations_of_any_end_are_preceded_by_those_before_their_invocations() {
    for kind in ["ok", "info", "fail"] {
        let text = format!("0 invoke\n 0 ok <x0=1\n 1 invoke\n 1 {kind} x0=1");
        let cycle = "G1c-realtime: 1 realtime(2) 3 wr(x: 1) 1";
        assert_told(&text, WR, &["strong-PL-2-cycle-exists: 1 3", cycle]);
    }
}

#[test]
fn an_operation_invoked_one_line_before_a_completion_is_concurrent_with_it() {
    assert_told("1 invoke\n 0 invoke\n 0 ok <x0=1\n 1 ok x0=1", WR, &[]);
    assert_told("0 invoke\n 1 invoke\n 0 ok <x0=1\n 1 ok x0=1", WR, &[]);
    assert_told("0 invoke\n 0 ok <x0=1\n 1 ok x0=1".replace("1 ok", "- ok").as_str(), WR, &[]);
}

#[test]
fn operations_that_neither_send_nor_poll_order_nothing() {
    let text = "0 invoke\n 0 ok <x0=1\n 1:assign invoke\n 1:assign ok\n 2 invoke\n 2 ok x0=1";
    let cycle = "G1c-realtime: 1 realtime(4) 5 wr(x: 1) 1";
    assert_told(text, WR, &["strong-PL-2-cycle-exists: 1 5", cycle]);
    let empty = ["empty-transaction-graph"];
    assert_told("0:assign invoke\n 0:assign ok\n 0:assign invoke\n 0:assign ok", PROCESS, &empty);
    assert_told("0:assign invoke\n 0:assign ok\n 0 invoke\n 0 ok\n 0:assign invoke\n 0:assign ok", PROCESS, &empty);
}

#[test]
fn a_history_that_orders_nothing_is_an_empty_graph() {
    let empty = ["empty-transaction-graph"];
    assert_told("", PROCESS, &empty);
    assert_told("0 invoke\n 0 ok x0=1", PROCESS, &empty);
    assert_told("0 invoke\n 0 ok x0=1+5 <x0=1+5", PROCESS, &empty);
    assert_told("0 invoke\n 0 fail\n 0 invoke\n 0 ok", PROCESS, &empty);
    assert_told("0 invoke\n 0 ok\n 0 invoke", PROCESS, &empty);
    assert_told("0 invoke\n 1 invoke\n 0 ok x0=1\n 1 ok x1=2", WR, &empty);
    assert_told("- ok\n - ok", PROCESS, &empty);
    // One order of any sort is enough.
    assert_told("0 invoke\n 0 ok\n 0 invoke\n 0 fail", WR, &[]);
    assert_told("0 invoke\n 1 invoke\n 0 ok x0=1\n 1 ok x1=2", WW, &[]);
    assert_told("0 invoke\n 1 invoke\n 0 ok x0=1\n 1 ok <x0=1", WR, &[]);
    assert_told("- ok x0=1\n - ok <x0=1", WR, &[]);
}
