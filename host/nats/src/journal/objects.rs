//! Objects for other hosts that are too large for a message: components, frames of one large record, and requests that
//! carry a component. The requests are in a bucket of their own, whose objects expire.

use std::io;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::CreateObjectStoreError;
use async_nats::jetstream::object_store::{Config, GetErrorKind, InfoErrorKind, ObjectStore};
use async_nats::jetstream::stream::StorageType;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use super::link::JournalLink;

/// Time after which the request in a parcel expires. It is longer than any wait for an answer.
pub(super) const PARCEL_AGE_MAX: Duration = Duration::from_secs(900);
/// Largest object in bytes; hosts write no larger ones.
const OBJECT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A request to another host that is too large for a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    name: String,
    /// Digest of the content, so that the content cannot be replaced.
    digest: String,
}

/// Opens the bucket, and makes it unless it exists.
pub(super) async fn bucket(
    context: &Context,
    name: &str,
    replicas: usize,
    age_max: Duration,
) -> Result<ObjectStore, CreateObjectStoreError> {
    match context.get_object_store(name).await {
        Ok(store) => Ok(store),
        Err(_) => {
            let config = Config {
                bucket: name.to_owned(),
                description: Some("What is too large for Polder's messages.".to_owned()),
                storage: StorageType::File,
                num_replicas: replicas,
                max_age: age_max,
                ..Config::default()
            };
            context.create_object_store(config).await
        }
    }
}

/// A handle to the objects of one journal; clones share it.
#[derive(Clone)]
pub struct Objects {
    link: JournalLink,
    bucket: ObjectStore,
    parcels: ObjectStore,
}

impl Objects {
    pub fn of(link: &JournalLink) -> Self {
        let (bucket, parcels) = (link.inner.objects.clone(), link.inner.parcels.clone());
        Self { link: link.clone(), bucket, parcels }
    }

    /// Stores an object. Blocks, as [`find_and_wait`](Self::find_and_wait) and
    /// [`remove_and_wait`](Self::remove_and_wait) do.
    pub fn keep_and_wait(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.link.block_on(keep(&self.bucket, name, bytes))
    }

    pub fn find_and_wait(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.link.block_on(find(&self.bucket, name))
    }

    pub fn remove_and_wait(&self, name: &str) -> io::Result<()> {
        self.link.block_on(remove(&self.bucket, name))
    }

    /// Stores a request. It expires if no host removes it.
    pub async fn keep_parcel(&self, bytes: &[u8]) -> io::Result<Parcel> {
        let name = format!("parcel-{}", uuid::Uuid::new_v4().simple());
        keep(&self.parcels, &name, bytes).await?;
        Ok(Parcel { name, digest: blake3::hash(bytes).to_hex().to_string() })
    }

    /// Returns `None` if the parcel is gone, or its content was replaced.
    pub async fn find_parcel(&self, parcel: &Parcel) -> io::Result<Option<Vec<u8>>> {
        let found = find(&self.parcels, &parcel.name).await?;
        Ok(found.filter(|bytes| blake3::hash(bytes).to_hex().as_str() == parcel.digest))
    }

    pub async fn remove_parcel(&self, parcel: &Parcel) -> io::Result<()> {
        remove(&self.parcels, &parcel.name).await
    }
}

pub(super) async fn keep(bucket: &ObjectStore, name: &str, bytes: &[u8]) -> io::Result<()> {
    bucket.put(name, &mut &bytes[..]).await.map(drop).map_err(io::Error::other)
}

pub(super) async fn find(bucket: &ObjectStore, name: &str) -> io::Result<Option<Vec<u8>>> {
    let object = match bucket.get(name).await {
        Ok(object) => object,
        Err(error) if error.kind() == GetErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io::Error::other(error)),
    };
    let mut bytes = Vec::new();
    object.take(OBJECT_BYTES_MAX + 1).read_to_end(&mut bytes).await?;
    match bytes.len() as u64 <= OBJECT_BYTES_MAX {
        true => Ok(Some(bytes)),
        false => Err(io::Error::other(format!("object {name} has more than {OBJECT_BYTES_MAX} bytes"))),
    }
}

pub(super) async fn remove(bucket: &ObjectStore, name: &str) -> io::Result<()> {
    match bucket.info(name).await {
        Ok(_) => bucket.delete(name).await.map_err(io::Error::other),
        Err(error) if error.kind() == InfoErrorKind::NotFound => Ok(()),
        Err(error) => Err(io::Error::other(error)),
    }
}
