//! What is too large for a message and has to reach other hosts: components, frames of one large record, and requests that carry a component.
//! These last are in a bucket of their own, whose objects go away by themselves.

use std::io;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::CreateObjectStoreError;
use async_nats::jetstream::object_store::{Config, GetErrorKind, InfoErrorKind, ObjectStore};
use async_nats::jetstream::stream::StorageType;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;

use super::link::JournalLink;

/// A request in a parcel goes away after this time: longer than any answer is waited for.
pub(super) const PARCEL_AGE_MAX: Duration = Duration::from_secs(900);
/// Larger objects are none of a host's, in bytes.
const OBJECT_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A request to another host that is too large for a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    name: String,
    /// Of what is in it, so that nobody can put something else there.
    digest: String,
}

/// The bucket, made unless it is there.
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

/// Clones share it.
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

    /// Blocks, as [`find_and_wait`](Self::find_and_wait) and [`remove_and_wait`](Self::remove_and_wait) do.
    pub fn keep_and_wait(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.link.block_on(keep(&self.bucket, name, bytes))
    }

    pub fn find_and_wait(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.link.block_on(find(&self.bucket, name))
    }

    pub fn remove_and_wait(&self, name: &str) -> io::Result<()> {
        self.link.block_on(remove(&self.bucket, name))
    }

    /// Goes away by itself, should nobody remove it.
    pub async fn keep_parcel(&self, bytes: &[u8]) -> io::Result<Parcel> {
        let name = format!("parcel-{}", uuid::Uuid::new_v4().simple());
        keep(&self.parcels, &name, bytes).await?;
        Ok(Parcel { name, digest: blake3::hash(bytes).to_hex().to_string() })
    }

    /// `None`: it is not there any more, or not what was put there.
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
