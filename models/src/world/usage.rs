//! What a world has used so far, by the names of a price book.
//!
//! Everything that the world holds is counted from the start of the world to now: instances, volumes and shares as
//! provisioned (they are there from the start), objects by what was stored when, requests as the services count them,
//! bytes where they left and where they arrived.
//!
//! **Simpler than reality:** a host is paid for while it is off; credits of burstable instances beyond the balance are not
//! on the bill; a share is paid for at its whole size, also where the provider counts what is in use (EFS); bytes of
//! messages are payload without headers; bytes to an express store in another zone are not told apart.

use super::{ExpressId, ShareId, StoreId, VolumeId, World};
use crate::cloud::network::{Direction, HostId, LinkClass};
use crate::cloud::object_store::BucketId;
use crate::cloud::price::{Bill, Meter, PriceBook, PriceError, Usage};
use crate::cloud::volume::{VolumeKind, VolumeUsed};
use wavetank_sim::{Nanos, SortedMap};

/// What the things of a world are called in a price book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Products {
    /// Each host's instance type: all of them.
    pub instances: SortedMap<HostId, String>,
    /// Object stores.
    pub object_store: String,
    /// Express stores.
    pub express_store: String,
    /// File shares.
    pub file_share: String,
    /// Volumes of kind gp3.
    pub gp3: String,
    /// Volumes of kind io2.
    pub io2: String,
    /// Volumes of several zones; `None` where the provider has none.
    pub regional_volume: Option<String>,
    /// Bytes within a zone.
    pub same_az: String,
    /// Bytes between zones.
    pub cross_az: String,
    /// Bytes between regions.
    pub cross_region: String,
    /// Bytes to and from object stores.
    pub object_store_transfer: String,
}

impl Products {
    /// AWS, with object stores behind a gateway endpoint. Hosts in the order of their numbers.
    pub fn aws<'a>(instance_types: impl IntoIterator<Item = &'a str>) -> Products {
        let hosts = (0..).map(HostId);
        Products {
            instances: hosts.zip(instance_types.into_iter().map(str::to_owned)).collect(),
            object_store: "s3-standard".into(),
            express_store: "s3-express".into(),
            file_share: "fsx-ontap-multi-az".into(),
            gp3: "ebs-gp3".into(),
            io2: "ebs-io2".into(),
            regional_volume: None,
            same_az: "network-same-az".into(),
            cross_az: "network-cross-az".into(),
            cross_region: "network-cross-region".into(),
            object_store_transfer: "s3-gateway-endpoint".into(),
        }
    }
}

/// How often what of a world was asked for, by kind: PUT and LIST, which have one price, are told apart here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// PUT, COPY and POST.
    pub puts: u64,
    /// LIST, each page for itself.
    pub lists: u64,
    /// GET and HEAD.
    pub gets: u64,
    /// DELETE and abort.
    pub deletes: u64,
}

/// Why a world's usage has no bill.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// A host without an instance type.
    #[error("host {host} has no instance type; every host of the world needs one in `Products::instances`")]
    NoInstanceType {
        /// Which.
        host: HostId,
    },
    /// A regional volume where the products have none.
    #[error("volume {volume:?} is in several zones; name its product in `Products::regional_volume`")]
    NoRegionalVolume {
        /// Which.
        volume: VolumeId,
    },
    /// Something that the book has no price for.
    #[error(transparent)]
    Price(#[from] PriceError),
}

impl World {
    /// Everything used until now.
    ///
    /// # Errors
    /// When something of the world has no name among the products.
    pub fn usage(&mut self, now: Nanos, book: &PriceBook, products: &Products) -> Result<Usage, UsageError> {
        let mut usage = Usage::new();
        for host in self.network.topology().hosts() {
            let instance = products.instances.get(&host).ok_or(UsageError::NoInstanceType { host })?;
            usage.add_hours(instance, now);
        }
        for id in (0..self.volumes.len() as u32).map(VolumeId) {
            self.use_volume(&mut usage, now, book, products, id)?;
        }
        self.use_object_stores(&mut usage, now, products);
        self.use_express_stores(&mut usage, now, products);
        self.use_shares(&mut usage, now, book, products);
        self.use_network(&mut usage, products);
        Ok(usage)
    }

    /// Requests that object stores have processed until now.
    pub fn object_requests(&mut self, now: Nanos) -> Requests {
        let mut all = Requests::default();
        for store in &mut self.stores {
            for bucket in (0..store.bucket_count()).map(BucketId) {
                let used = store.accounting(now, bucket).expect("a bucket below the count");
                all.puts += used.put_requests - used.list_requests;
                all.lists += used.list_requests;
                all.gets += used.get_requests;
                all.deletes += used.delete_requests;
            }
        }
        all
    }

    /// The same of express stores.
    pub fn express_requests(&mut self, now: Nanos) -> Requests {
        let mut all = Requests::default();
        for store in &mut self.expresses {
            for bucket in (0..store.bucket_count()).map(BucketId) {
                let used = store.accounting(now, bucket).expect("a bucket below the count");
                all.puts += used.put_requests - used.list_requests;
                all.lists += used.list_requests;
                all.gets += used.get_requests;
                all.deletes += used.delete_requests;
            }
        }
        all
    }

    /// What the devices of all volumes have been used for, local disks among them.
    pub fn volume_use(&self) -> VolumeUsed {
        let each = (0..self.volumes.len() as u32).map(|id| self.volume(VolumeId(id)).used());
        each.fold(VolumeUsed::default(), |all, one| VolumeUsed {
            reads: all.reads + one.reads,
            writes: all.writes + one.writes,
            read_bytes: all.read_bytes + one.read_bytes,
            written_bytes: all.written_bytes + one.written_bytes,
        })
    }

    /// Bytes read from and written to file shares.
    pub fn share_bytes(&self) -> (u64, u64) {
        let each = (0..self.shares.len() as u32).map(|id| self.share(ShareId(id)));
        each.fold((0, 0), |(read, written), share| (read + share.read_bytes(), written + share.written_bytes()))
    }

    /// What everything until now costs.
    ///
    /// # Errors
    /// As [`usage`](World::usage), and when the book has no price for something used.
    pub fn bill(&mut self, now: Nanos, book: &PriceBook, products: &Products) -> Result<Bill, UsageError> {
        Ok(self.usage(now, book, products)?.bill(book)?)
    }

    fn use_volume(
        &self,
        usage: &mut Usage,
        now: Nanos,
        book: &PriceBook,
        products: &Products,
        id: VolumeId,
    ) -> Result<(), UsageError> {
        let spec = self.volume(id).spec();
        let product = match spec.kind {
            // In the instance's price.
            VolumeKind::LocalNvme { .. } => return Ok(()),
            VolumeKind::Gp3 { .. } => &products.gp3,
            VolumeKind::Io2 { .. } => &products.io2,
            VolumeKind::Regional { .. } => {
                products.regional_volume.as_ref().ok_or(UsageError::NoRegionalVolume { volume: id })?
            }
        };
        usage.add_stored(product, spec.capacity_bytes, now);
        usage.add_volume(book, product, spec.iops, spec.throughput_bytes_per_sec.div_ceil(1 << 20), now);
        Ok(())
    }

    fn use_object_stores(&mut self, usage: &mut Usage, now: Nanos, products: &Products) {
        let product = &products.object_store;
        for id in (0..self.stores.len() as u32).map(StoreId) {
            let store = &mut self.stores[id.0 as usize];
            for bucket in (0..store.bucket_count()).map(BucketId) {
                let used = store.accounting(now, bucket).expect("a bucket below the count");
                usage.add_puts(product, used.put_requests);
                usage.add_gets(product, used.get_requests);
                usage.add_deletes(product, used.delete_requests);
                usage.add_byte_nanos(product, used.stored_byte_nanos);
            }
        }
    }

    fn use_express_stores(&mut self, usage: &mut Usage, now: Nanos, products: &Products) {
        let product = &products.express_store;
        for id in (0..self.expresses.len() as u32).map(ExpressId) {
            let store = &mut self.expresses[id.0 as usize];
            for bucket in (0..store.bucket_count()).map(BucketId) {
                let used = store.accounting(now, bucket).expect("a bucket below the count");
                usage.add_puts(product, used.put_requests);
                usage.add_gets(product, used.get_requests);
                usage.add_deletes(product, used.delete_requests);
                usage.add_byte_nanos(product, used.stored_byte_nanos);
                usage.add_written(product, used.uploaded_bytes);
                usage.add_read(product, used.retrieved_bytes);
            }
        }
    }

    fn use_shares(&self, usage: &mut Usage, now: Nanos, book: &PriceBook, products: &Products) {
        let product = &products.file_share;
        for id in (0..self.shares.len() as u32).map(ShareId) {
            let share = self.share(id);
            usage.add_stored(product, share.spec().capacity_bytes, now);
            let mib_per_sec = share.spec().throughput_bytes_per_sec.div_ceil(1 << 20);
            usage.add_volume(book, product, 0, mib_per_sec, now);
            // Some charge for throughput, some for bytes.
            if book.price(product, Meter::WrittenGb).is_ok() {
                usage.add_written(product, share.written_bytes());
            }
            if book.price(product, Meter::ReadGb).is_ok() {
                usage.add_read(product, share.read_bytes());
            }
        }
    }

    fn use_network(&self, usage: &mut Usage, products: &Products) {
        let classes = [
            (LinkClass::SameAz, &products.same_az),
            (LinkClass::CrossAz, &products.cross_az),
            (LinkClass::CrossRegion, &products.cross_region),
            (LinkClass::ObjectStorage, &products.object_store_transfer),
        ];
        for (class, product) in classes {
            let bytes = |direction| self.network.accounting().class(class, direction).bytes;
            usage.add_transfer_out(product, bytes(Direction::Out));
            usage.add_transfer_in(product, bytes(Direction::In));
        }
    }
}
