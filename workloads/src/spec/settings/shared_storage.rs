//! Settings of AutoMQ-style shared storage (`AutoMQConfig`, s3stream's `Config`): `s3.*`.

use super::{INT_MAX, Kind, Setting, bytes, bytes_or, count, inert, modelled, modelled_unset, ms, time};
use wavetank_sim::Nanos;

const MINUTES: Kind = time(Nanos::secs(60), 1);

/// The table. `-1` of a cache or threshold lets the broker derive it from its memory.
pub const TABLE: &[Setting] = &[
    modelled_unset("s3.block.cache.size", bytes_or(-1)),
    modelled("s3.controller.request.retry.base.delay.ms", ms(0), "500"),
    modelled("s3.controller.request.retry.max.count", count(0, INT_MAX), "2147483647"),
    modelled("s3.max.stream.num.per.stream.set.object", count(1, INT_MAX), "20000"),
    modelled("s3.max.stream.object.num.per.commit", count(1, INT_MAX), "10000"),
    modelled("s3.network.baseline.bandwidth", bytes(1), "1073741824"),
    modelled("s3.network.refill.period.ms", ms(1), "10"),
    modelled("s3.object.block.size", bytes(1), "524288"),
    modelled("s3.object.delete.retention.minutes", time(Nanos::secs(60), 0), "1"),
    modelled("s3.object.part.size", bytes(5_242_880), "16777216"),
    modelled("s3.stream.object.compaction.interval.minutes", MINUTES, "30"),
    modelled("s3.stream.object.compaction.max.size.bytes", bytes(1), "10737418240"),
    modelled("s3.stream.object.split.size", bytes(1), "8388608"),
    modelled("s3.stream.set.object.compaction.cache.size", bytes(1), "209715200"),
    modelled("s3.stream.set.object.compaction.force.split.minutes", MINUTES, "120"),
    modelled("s3.stream.set.object.compaction.interval.minutes", MINUTES, "5"),
    modelled("s3.stream.set.object.compaction.max.num", count(1, INT_MAX), "500"),
    modelled("s3.stream.set.object.compaction.stream.split.size", bytes(1), "8388608"),
    modelled_unset("s3.wal.cache.size", bytes_or(-1)),
    modelled_unset("s3.wal.path", Kind::WalUri),
    modelled("s3.wal.upload.interval.ms", ms(1), "60000"),
    modelled_unset("s3.wal.upload.threshold", bytes_or(-1)),
    inert("elasticstream.enable", Kind::Bool),
    inert("s3.backpressure.cooldown.ms", ms(0)),
    inert("s3.backpressure.enabled", Kind::Bool),
    inert("s3.data.buckets", Kind::Text),
    inert("s3.ops.buckets", Kind::Text),
    inert("s3.telemetry.metrics.enable", Kind::Bool),
    inert("s3.telemetry.metrics.exporter.uri", Kind::Text),
    inert("s3.wal.capacity", bytes(1)),
    inert("s3.wal.iops", count(1, INT_MAX)),
    inert("s3.wal.thread", count(1, INT_MAX)),
];
