//! S3 Express One Zone: directory buckets, in one AZ.
//!
//! # Contract of faults
//!
//! Everything that the regional store may do to one request ([`object_store`](super::object_store): the lattice, the
//! bound on late requests) this one may do too. Beyond that:
//! * **Its AZ is all there is.** While the AZ is down ([`ExpressFault::AzDown`]) nothing gets through, what was under
//!   way is not applied, and the content is safe. When the AZ is lost for good ([`ExpressStore::az_lost`]) so is the
//!   content, and the store never answers again.
//! * A listing comes in an order of the bucket's own, not sorted.
//!
//! What it never does: answer success without the effect, show a stale read or list (strong consistency holds here
//! too), lose anything while its AZ stands, let two concurrent writes with the same condition both win.
//!
//! # What differs from S3 Standard (AWS S3 User Guide, "Differences for directory buckets")
//!
//! * Limits are per bucket: 2,000,000 GETs and 200,000 PUTs a second (rows S3X-LIM-get, S3X-LIM-put); no prefixes, no
//!   scaling.
//! * A list's prefix is empty or ends in `/`; `/` is the only delimiter; there is no start-after.
//! * Append ([`ObjectOp::Append`]): at exactly the present size, or 400 InvalidWriteOffset; at most 10,000 parts an
//!   object (row S3X-append). A duplicate append therefore finds the offset moved and does nothing.
//! * Tags are unique to the write, so If-Match sees A-B-A.
//! * Parts of a multipart upload are numbered 1, 2, 3 ... without holes.
//! * The bill counts uploaded and retrieved bytes too ([`ExpressAccounting`]; rows USD-s3x-*).
//!
//! # Simpler than reality
//!
//! * No sessions (CreateSession, its tokens and their expiry), no RenameObject, no lifecycle.
//! * Common prefixes of uploads in progress are not listed. The order of a listing is a seeded hash by directory; the
//!   real one is unspecified.
//! * A caller in another AZ pays no extra latency here: that is the network's part.

use super::object_store::{
    Accounting, Admission, Bucket, BucketId, Caller, Engine, Flavour, Key, ListOrder, ObjectError, ObjectFate,
    ObjectLatencies, ObjectOp, ObjectOutput, ObjectStep, OpClass, Outcome, Strain, Weather, Witnessed, az_bit,
};
use super::object_store::{BrownoutError, brownout_error, limits::TokenBucket};
use crate::cloud::latency::{Latency, Ramp};
use crate::fault::FaultId;
use wavetank_sim::{Choices, Domain, Incarnation, Nanos, SortedMap, Stream};

/// Speed and limits of a directory bucket.
#[derive(Clone, Debug)]
pub struct ExpressProfile {
    /// Latencies.
    pub latencies: ObjectLatencies,
    /// PUT, COPY, POST and DELETE requests a second and bucket; 0: unlimited.
    pub put_per_sec: u64,
    /// GET, HEAD and LIST requests a second and bucket; 0: unlimited.
    pub get_per_sec: u64,
    /// How much of a second's requests may come at once, in milliseconds of the rate.
    pub burst_ms: u64,
}

impl ExpressProfile {
    /// Round figures in single-digit milliseconds (rows S3X-*): an assumption, constant and without tails.
    pub fn assumed() -> ExpressProfile {
        let ms = |ms| Latency::constant(Nanos::millis(ms));
        ExpressProfile {
            latencies: ObjectLatencies {
                first_byte_get: ms(5),
                first_byte_put: ms(6),
                complete: ms(20),
                head: ms(4),
                delete: ms(5),
                list: ms(8),
                get_per_mib: ms(7),
                put_per_mib: ms(7),
                put_ramp: Ramp::default(),
                arrival_ppm: 250_000,
                slow_down: ms(2),
                retry_after: Nanos::millis(100),
                attempt_timeout: Nanos::secs(10),
            },
            put_per_sec: 200_000,
            get_per_sec: 2_000_000,
            burst_ms: 100,
        }
    }
}

/// What can be wrong with a store of one AZ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpressFault {
    /// Slow, and failing a share of requests as in
    /// [`ObjectStoreFault::Brownout`](super::object_store::ObjectStoreFault::Brownout).
    Brownout {
        /// In percent of the healthy latency; several multiply.
        latency_percent: u32,
        /// In parts per million; several add up.
        error_ppm: u32,
    },
    /// Its AZ is down: requests hang and are not applied, what was under way is not applied, the content is safe.
    AzDown,
    /// Its content is lost, as when its AZ is: requests hang and are not applied. The heal makes its buckets again, empty.
    Lost,
    /// Callers of one AZ cannot reach it: what they had sent is applied, its answer is lost.
    Unreachable {
        /// Whose.
        from_az: u8,
    },
}

/// What a directory bucket costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpressAccounting {
    /// PUT, COPY, POST and LIST requests (row USD-s3x-put).
    pub put_requests: u64,
    /// Those of them that are LISTs, each page for itself.
    pub list_requests: u64,
    /// GET and HEAD requests (row USD-s3x-get).
    pub get_requests: u64,
    /// Bytes uploaded (row USD-s3x-up): all of them, since April 2025.
    pub uploaded_bytes: u64,
    /// Bytes retrieved (row USD-s3x-dn): all of them.
    pub retrieved_bytes: u64,
    /// Bytes held now.
    pub stored_bytes: u64,
    /// The integral of `stored_bytes` over time, in byte-nanoseconds (row USD-s3x-gb).
    pub stored_byte_nanos: u128,
    /// DELETE and abort requests: free, as in S3 Standard.
    pub delete_requests: u64,
}

impl From<Accounting> for ExpressAccounting {
    fn from(counted: Accounting) -> ExpressAccounting {
        ExpressAccounting {
            put_requests: counted.put_requests,
            list_requests: counted.list_requests,
            get_requests: counted.get_requests,
            uploaded_bytes: counted.bytes_in,
            retrieved_bytes: counted.bytes_out,
            stored_bytes: counted.stored_bytes,
            stored_byte_nanos: counted.stored_byte_nanos,
            delete_requests: counted.delete_requests,
        }
    }
}

struct Rates {
    puts: TokenBucket,
    gets: TokenBucket,
}

/// The directory buckets of one AZ. See the module's contract.
pub struct ExpressStore {
    az: u8,
    lost: bool,
    profile: ExpressProfile,
    engine: Engine,
    /// Per bucket.
    rates: Vec<Rates>,
    faults: SortedMap<FaultId, ExpressFault>,
    latency: Stream,
    brownout: Stream,
    order: Stream,
}

impl ExpressStore {
    /// The `entity`-th Express store of a world, in that AZ, without buckets.
    ///
    /// # Panics
    /// When the AZ is not below 64.
    pub fn new(profile: ExpressProfile, az: u8, choices: &Choices, entity: u64) -> ExpressStore {
        assert!(az_bit(az) != 0);
        ExpressStore {
            az,
            lost: false,
            engine: Engine::new(profile.latencies.retry_after),
            profile,
            rates: Vec::new(),
            faults: SortedMap::new(),
            latency: choices.stream(Domain::new("express/latency"), entity),
            brownout: choices.stream(Domain::new("express/brownout"), entity),
            order: choices.stream(Domain::new("express/order"), entity),
        }
    }

    /// Its AZ.
    pub fn az(&self) -> u8 {
        self.az
    }

    /// Makes an empty directory bucket.
    pub fn create_bucket(&mut self, now: Nanos) -> BucketId {
        let id = BucketId(self.engine.buckets.len() as u32);
        let order = ListOrder::scrambled(self.order.bits64());
        self.engine.buckets.push(Bucket::new(Flavour::Directory, order, now));
        self.rates.push(Rates {
            puts: TokenBucket::full(self.burst(self.profile.put_per_sec), now),
            gets: TokenBucket::full(self.burst(self.profile.get_per_sec), now),
        });
        assert_eq!(self.engine.buckets.len(), self.rates.len());
        id
    }

    fn burst(&self, per_sec: u64) -> u64 {
        (per_sec * self.profile.burst_ms / 1_000).max(1)
    }

    /// Sends a request. Its one answer comes out of a later [`step`](ExpressStore::step).
    ///
    /// # Panics
    /// When the fate's duplicate is beyond the bound on late requests or the AZ is not below 64.
    pub fn submit(
        &mut self,
        now: Nanos,
        caller: Caller,
        bucket: BucketId,
        op: ObjectOp,
        fate: ObjectFate,
        out: &mut Vec<ObjectOutput>,
    ) {
        let upload = self.upload_takes(&op);
        self.accept((now, now), upload, caller, bucket, op, fate, out);
    }

    /// Draws how long the body of a request takes on its way to the store, on its connection alone. For a driver that
    /// passes bodies over the caller's card and then calls [`submit_uploaded`](Self::submit_uploaded).
    pub fn upload_takes(&mut self, op: &ObjectOp) -> Nanos {
        let strain = self.strain();
        self.profile.latencies.draw_upload(op.upload_len(), strain.latency_percent, &mut self.latency)
    }

    /// As [`submit`](Self::submit), of a request that was sent at `sent` and whose body is there now. Whether it is
    /// admitted is decided now; its late bound and its client's time-outs count from when it was sent.
    ///
    /// # Panics
    /// As `submit`; and when it was sent later than now.
    #[expect(clippy::too_many_arguments, reason = "a submit, and when it was sent")]
    pub fn submit_uploaded(
        &mut self,
        now: Nanos,
        sent: Nanos,
        caller: Caller,
        bucket: BucketId,
        op: ObjectOp,
        fate: ObjectFate,
        out: &mut Vec<ObjectOutput>,
    ) {
        self.accept((now, sent), now - sent, caller, bucket, op, fate, out);
    }

    #[expect(clippy::too_many_arguments, reason = "a submit, when it was sent, and what its body takes")]
    fn accept(
        &mut self,
        (now, sent): (Nanos, Nanos),
        upload: Nanos,
        caller: Caller,
        bucket: BucketId,
        op: ObjectOp,
        mut fate: ObjectFate,
        out: &mut Vec<ObjectOutput>,
    ) {
        let strain = self.strain();
        let timing = self.profile.latencies.draw(op.class(), upload, strain.latency_percent, &mut self.latency);
        let admission = self.admit(now, caller, bucket, &op, strain, &mut fate);
        self.engine.accept((now, sent), (caller, bucket, op), fate, admission, timing, out);
    }

    /// Whether callers of that AZ get answers now: a body on its way back breaks off where they do not.
    pub fn answers(&self, az: u8) -> bool {
        !self.engine.weather.is_cut(az)
    }

    fn strain(&self) -> Strain {
        let mut strain = Strain::NONE;
        for fault in self.faults.values() {
            match fault {
                ExpressFault::Brownout { latency_percent, error_ppm } => {
                    strain.slower(*latency_percent);
                    strain.error_ppm = strain.error_ppm.saturating_add(*error_ppm).min(1_000_000);
                }
                ExpressFault::AzDown | ExpressFault::Lost | ExpressFault::Unreachable { .. } => {}
            }
        }
        strain
    }

    fn admit(
        &mut self,
        now: Nanos,
        caller: Caller,
        bucket: BucketId,
        op: &ObjectOp,
        strain: Strain,
        fate: &mut ObjectFate,
    ) -> Admission {
        if self.engine.weather.is_cut(caller.from_az) {
            return Admission::Unreachable;
        }
        let after = self.profile.latencies.slow_down.sample(&mut self.latency);
        if bucket.0 as usize >= self.engine.buckets.len() {
            return Admission::Refused(ObjectError::NoSuchBucket, after);
        }
        let slow_down = ObjectError::SlowDown { retry_after: self.profile.latencies.retry_after };
        if strain.error_ppm > 0 {
            match brownout_error(&mut self.brownout, strain) {
                BrownoutError::None => {}
                BrownoutError::Unavailable => {
                    self.engine.witnessed.brownout_errors += 1;
                    return Admission::Refused(slow_down, after);
                }
                BrownoutError::Internal { applied } => {
                    self.engine.witnessed.brownout_errors += 1;
                    if fate.outcome == Outcome::Ok {
                        fate.outcome = Outcome::InternalError { applied };
                    }
                }
            }
        }
        if self.within_rate(now, bucket, op.class()) {
            Admission::Admitted { skip: Vec::new() }
        } else {
            self.engine.witnessed.throttled += 1;
            Admission::Refused(slow_down, after)
        }
    }

    fn within_rate(&mut self, now: Nanos, bucket: BucketId, class: OpClass) -> bool {
        let is_put = match class {
            OpClass::Put | OpClass::Complete | OpClass::Delete => true,
            OpClass::Get | OpClass::Head | OpClass::List => false,
        };
        let per_sec = if is_put { self.profile.put_per_sec } else { self.profile.get_per_sec };
        let burst = self.burst(per_sec);
        let rates = &mut self.rates[bucket.0 as usize];
        let tokens = if is_put { &mut rates.puts } else { &mut rates.gets };
        per_sec == 0 || tokens.take(now, per_sec, burst)
    }

    /// Does what it asked to be woken for.
    pub fn step(&mut self, now: Nanos, step: ObjectStep, out: &mut Vec<ObjectOutput>) {
        self.engine.step(now, step, out);
    }

    /// A process life has ended: it gets no more answers. What it has sent still takes effect, now or late.
    pub fn owner_died(&mut self, owner: Incarnation) {
        self.engine.owner_died(owner);
    }

    /// Begins a fault.
    ///
    /// # Panics
    /// When the id is in use.
    pub fn inject(&mut self, now: Nanos, id: FaultId, fault: ExpressFault, _out: &mut Vec<ObjectOutput>) {
        if fault == ExpressFault::Lost {
            self.destroy(now);
        }
        let old = self.faults.insert(id, fault);
        assert!(old.is_none(), "{id} is already injected");
        self.engine.weather = self.weather();
    }

    /// Ends a fault; one that does not hold is ignored.
    pub fn heal(&mut self, _now: Nanos, id: FaultId, _out: &mut Vec<ObjectOutput>) {
        self.faults.remove(&id);
        self.engine.weather = self.weather();
    }

    fn weather(&self) -> Weather {
        let mut weather = Weather { down: self.lost, cut: 0 };
        for fault in self.faults.values() {
            match fault {
                ExpressFault::AzDown | ExpressFault::Lost => weather.down = true,
                ExpressFault::Unreachable { from_az } => weather.cut |= az_bit(*from_az),
                ExpressFault::Brownout { .. } => {}
            }
        }
        weather
    }

    /// The AZ is gone for good, and with it all content. Nothing heals this: requests hang for ever after.
    pub fn az_lost(&mut self, now: Nanos) {
        self.lost = true;
        self.destroy(now);
        self.engine.weather = self.weather();
        assert!(self.engine.weather.down, "a lost AZ that answers");
    }

    fn destroy(&mut self, now: Nanos) {
        self.engine.buckets.iter_mut().for_each(|bucket| bucket.destroy(now));
    }

    /// Whether the content is lost for good.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// What a bucket has cost up to `now`; `None`: no such bucket.
    pub fn accounting(&mut self, now: Nanos, bucket: BucketId) -> Option<ExpressAccounting> {
        self.engine.accounting(now, bucket).map(ExpressAccounting::from)
    }

    /// How many buckets there are, numbered from 0.
    pub fn bucket_count(&self) -> u32 {
        self.engine.buckets.len() as u32
    }

    /// How many multipart uploads of a bucket are neither completed nor aborted.
    pub fn open_uploads(&self, bucket: BucketId) -> usize {
        self.engine.open_uploads(bucket)
    }

    /// What was seen to happen.
    pub fn witnessed(&self) -> &Witnessed {
        &self.engine.witnessed
    }

    /// Requests not over yet: unanswered, or with an effect still to come.
    pub fn in_flight(&self) -> usize {
        self.engine.in_flight()
    }

    /// The truth, for invariant checkers: what is under a key at this instant, without a request.
    pub fn peek(&self, bucket: BucketId, key: &str) -> Option<&crate::blob::Blob> {
        self.engine.peek(bucket, key)
    }

    /// The truth, for invariant checkers: all keys of a bucket at this instant, sorted.
    pub fn peek_keys(&self, bucket: BucketId) -> impl Iterator<Item = &Key> {
        self.engine.peek_keys(bucket)
    }
}

#[cfg(test)]
mod tests {
    use super::super::object_store::harness::*;
    use super::super::object_store::{Condition, ListFrom, ObjectOk, PART_LEN_MIN, PARTS_MAX};
    use super::*;
    use crate::blob::Blob;
    use proptest::prelude::*;

    fn express_with(profile: ExpressProfile, seed: u64) -> Bench<ExpressStore> {
        let mut store = ExpressStore::new(profile, 2, &Choices::new(seed), 0);
        store.create_bucket(Nanos::ZERO);
        Bench::new(store)
    }

    fn express() -> Bench<ExpressStore> {
        express_with(ExpressProfile::assumed(), 1)
    }

    fn append(offset: u64, identity: u64) -> ObjectOp {
        ObjectOp::Append { key: key("log"), offset, body: body(identity), condition: Condition::None }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        /// Whatever the order, pages of any size give every key and every common prefix exactly once.
        #[test]
        fn pages_are_complete_in_the_buckets_own_order(
            names in prop::collection::btree_set("[ab]{1,2}(/[ab]{1,2}){0,3}/?", 0..40),
            prefix in prop::sample::select(vec!["", "a/", "b/a/"]), page in 1u32..8, delimit: bool, seed: u64)
        {
            let mut bench = express_with(ExpressProfile::assumed(), seed);
            for name in &names {
                bench.send(put(name, 1), ObjectFate::OK);
            }
            bench.run_out();
            let (mut keys, mut groups) = (Vec::new(), wavetank_sim::SortedSet::new());
            for name in names.iter().filter(|name| name.starts_with(prefix)) {
                match name[prefix.len()..].find('/').filter(|_| delimit) {
                    Some(at) => { groups.insert(name[..prefix.len() + at + 1].to_owned()); }
                    None => keys.push(name.clone()),
                }
            }
            let (got, got_groups, _) = bench.list_all(prefix, page, delimit.then_some('/'));
            let at_once = bench.list_all(prefix, 1_000, delimit.then_some('/'));
            prop_assert_eq!((&got, &got_groups), (&at_once.0, &at_once.1), "the order is fixed for one state");
            let sorted = |mut keys: Vec<Key>| { keys.sort(); keys.iter().map(|k| k.to_string()).collect::<Vec<_>>() };
            prop_assert_eq!(sorted(got), keys);
            prop_assert_eq!(sorted(got_groups), groups.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_list_is_not_sorted_and_its_order_is_the_seeds() {
        let order = |seed| {
            let mut bench = express_with(ExpressProfile::assumed(), seed);
            for i in 0..50 {
                bench.send(put(&format!("wal/{i:03}"), 1), ObjectFate::OK);
            }
            bench.run_out();
            bench.list_all("wal/", 7, None).0
        };
        let first = order(1);
        assert!(!first.is_sorted());
        assert_eq!(first, order(1));
        assert_ne!(first, order(2));
    }

    #[test]
    fn lists_take_only_what_directory_buckets_take() {
        let mut bench = express();
        let mut refused = |prefix: &str, from, delimiter| {
            let list = ObjectOp::List { prefix: key(prefix), from, max_keys: 10, delimiter };
            bench.ok(list) == Err(ObjectError::InvalidArgument)
        };
        assert!(refused("a", ListFrom::Start, None));
        assert!(refused("a/", ListFrom::After(key("a/b")), None));
        assert!(refused("a/", ListFrom::Start, Some('-')));
        assert!(!refused("a/", ListFrom::Start, Some('/')));
    }

    #[test]
    fn append_demands_the_present_size_so_its_duplicate_does_nothing() {
        let mut bench = express();
        assert_eq!(bench.ok(append(5, 1)), Err(ObjectError::InvalidWriteOffset));
        bench.written(append(0, 1));
        let again = ObjectFate { outcome: Outcome::Ok, duplicate: Some(Nanos::secs(5)) };
        assert!(bench.call(append(100, 2), again).is_ok());
        bench.run_out();
        let mut whole = body(1);
        whole.append(&body(2));
        assert_eq!(bench.content("log"), Some(whole), "appended once");
        assert_eq!(bench.ok(append(100, 3)), Err(ObjectError::InvalidWriteOffset));
    }

    #[test]
    fn an_object_has_at_most_ten_thousand_parts() {
        let mut bench = express();
        for i in 0..u64::from(PARTS_MAX) {
            let add = ObjectOp::Append { key: key("log"), offset: i, body: Blob::zeros(1), condition: Condition::None };
            bench.written(add);
        }
        let size = u64::from(PARTS_MAX);
        assert_eq!(bench.ok(append(size, 1)), Err(ObjectError::TooManyParts));
        bench.written(ObjectOp::Copy { source: key("log"), key: key("log"), condition: Condition::None });
        bench.written(append(size, 1));
    }

    #[test]
    fn tags_are_of_the_write_so_if_match_sees_a_b_a() {
        let mut bench = express();
        let first = bench.written(put("k", 1));
        bench.written(put("k", 2));
        let again = bench.written(put("k", 1));
        assert_ne!(first, again);
        assert_eq!(bench.ok(put_if("k", 3, Condition::IfMatch(first))), Err(ObjectError::PreconditionFailed));
        assert!(bench.ok(put_if("k", 3, Condition::IfMatch(again))).is_ok());
    }

    #[test]
    fn parts_are_numbered_without_holes() {
        let mut bench = express();
        let Ok(ObjectOk::Upload(upload)) = bench.ok(ObjectOp::CreateMultipart { key: key("k") }) else { panic!() };
        let part = |part_number| ObjectOp::UploadPart { upload, part_number, body: Blob::named(1, PART_LEN_MIN) };
        let (one, three) = (bench.written(part(1)), bench.written(part(3)));
        let complete = |parts| ObjectOp::CompleteMultipart { upload, parts, condition: Condition::None };
        assert_eq!(bench.ok(complete(vec![(1, one), (3, three)])), Err(ObjectError::InvalidPartOrder));
        assert!(bench.ok(complete(vec![(1, one)])).is_ok());
    }

    #[test]
    fn while_its_az_is_down_nothing_gets_through_and_the_content_is_safe() {
        let mut bench = express();
        let mut out = Vec::new();
        bench.written(put("k", 1));
        let started = bench.now;
        let under_way = bench.send(put("k", 2), ObjectFate::OK);
        bench.device.inject(bench.now, FaultId(1), ExpressFault::AzDown, &mut out);
        let hung = bench.send(get("k"), ObjectFate::OK);
        bench.run_out();
        for token in [under_way, hung] {
            assert_eq!(bench.answers[&token], (started + Nanos::secs(10), Err(ObjectError::TimedOut)));
        }
        bench.device.heal(bench.now, FaultId(1), &mut out);
        assert_eq!(bench.content("k"), Some(body(1)));
        // Cut from AZ 0 only: AZ 1 reads on.
        bench.device.inject(bench.now, FaultId(2), ExpressFault::Unreachable { from_az: 0 }, &mut out);
        assert_eq!(bench.ok(get("k")), Err(ObjectError::TimedOut));
        bench.from_az = 1;
        assert_eq!(bench.content("k"), Some(body(1)));
    }

    #[test]
    fn when_it_is_lost_its_buckets_are_empty_afterwards() {
        let mut bench = express();
        bench.written(put("k", 1));
        let under_way = bench.send(put("l", 2), ObjectFate::OK);
        bench.device.inject(bench.now, FaultId(1), ExpressFault::Lost, &mut Vec::new());
        assert_eq!(bench.ok(get("k")), Err(ObjectError::TimedOut));
        assert_eq!(bench.answers[&under_way].1, Err(ObjectError::TimedOut));
        bench.device.heal(bench.now, FaultId(1), &mut Vec::new());
        assert!(!bench.device.is_lost() && bench.device.peek_keys(BucketId(0)).next().is_none());
        bench.written(put("k", 3));
        assert_eq!(bench.content("k"), Some(body(3)));
    }

    #[test]
    fn with_its_az_lost_for_good_the_content_is_gone_and_nothing_heals_it() {
        let mut bench = express();
        bench.written(put("k", 1));
        bench.device.inject(bench.now, FaultId(1), ExpressFault::AzDown, &mut Vec::new());
        bench.device.az_lost(bench.now);
        bench.device.heal(bench.now, FaultId(1), &mut Vec::new());
        assert_eq!(bench.ok(get("k")), Err(ObjectError::TimedOut));
        assert!(bench.device.is_lost() && bench.device.peek(BucketId(0), "k").is_none());
        assert_eq!(bench.device.accounting(bench.now, BucketId(0)).unwrap().stored_bytes, 0);
    }

    #[test]
    fn limits_are_per_bucket() {
        let mut profile = ExpressProfile::assumed();
        (profile.put_per_sec, profile.get_per_sec, profile.burst_ms) = (100, 1_000, 1_000);
        let mut bench = express_with(profile, 1);
        for i in 0..4_000u64 {
            bench.run_to(Nanos::millis(i));
            bench.send(put(&format!("{i}/k"), 1), ObjectFate::OK);
            bench.send(get(&format!("{i}/k")), ObjectFate::OK);
        }
        bench.run_out();
        let bill = bench.device.accounting(bench.now, BucketId(0)).unwrap();
        assert!((498..=500).contains(&bill.put_requests), "{bill:?}");
        assert_eq!(bill.get_requests, 4_000);
        assert_eq!(bench.device.witnessed().throttled, 4_000 - bill.put_requests);
    }

    #[test]
    fn the_bill_counts_bytes_both_ways() {
        let mut bench = express();
        bench.written(put("k", 1));
        bench.content("k");
        let bill = bench.device.accounting(bench.now, BucketId(0)).unwrap();
        assert_eq!((bill.uploaded_bytes, bill.retrieved_bytes, bill.stored_bytes), (100, 100, 100));
    }
}
