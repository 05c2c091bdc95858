//! What is too large for a message and has to reach every host: components, requests that carry one, and frames of one large record.

use std::io;

use async_nats::jetstream::Context;
use async_nats::jetstream::context::CreateObjectStoreError;
use async_nats::jetstream::object_store::{Config, GetErrorKind, InfoErrorKind, ObjectStore};
use async_nats::jetstream::stream::StorageType;
use tokio::io::AsyncReadExt as _;

use super::link::JournalLink;

/// The bucket, made unless it is there.
pub(super) async fn bucket(
    context: &Context,
    name: &str,
    replicas: usize,
) -> Result<ObjectStore, CreateObjectStoreError> {
    match context.get_object_store(name).await {
        Ok(store) => Ok(store),
        Err(_) => {
            let config = Config {
                bucket: name.to_owned(),
                description: Some("What is too large for Polder's messages.".to_owned()),
                storage: StorageType::File,
                num_replicas: replicas,
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
}

impl Objects {
    pub fn of(link: &JournalLink) -> Self {
        Self { link: link.clone(), bucket: link.inner.objects.clone() }
    }

    /// Blocks, as [`find_and_wait`](Self::find_and_wait) and [`remove_and_wait`](Self::remove_and_wait) do.
    pub fn keep_and_wait(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.link.block_on(self.keep(name, bytes))
    }

    pub fn find_and_wait(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.link.block_on(self.find(name))
    }

    pub fn remove_and_wait(&self, name: &str) -> io::Result<()> {
        self.link.block_on(self.remove(name))
    }

    pub async fn keep(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        keep(&self.bucket, name, bytes).await
    }

    /// `None`: there is none of that name.
    pub async fn find(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        find(&self.bucket, name).await
    }

    pub async fn remove(&self, name: &str) -> io::Result<()> {
        remove(&self.bucket, name).await
    }
}

pub(super) async fn keep(bucket: &ObjectStore, name: &str, bytes: &[u8]) -> io::Result<()> {
    bucket.put(name, &mut &bytes[..]).await.map(drop).map_err(io::Error::other)
}

pub(super) async fn find(bucket: &ObjectStore, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut object = match bucket.get(name).await {
        Ok(object) => object,
        Err(error) if error.kind() == GetErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io::Error::other(error)),
    };
    let mut bytes = Vec::new();
    object.read_to_end(&mut bytes).await?;
    Ok(Some(bytes))
}

pub(super) async fn remove(bucket: &ObjectStore, name: &str) -> io::Result<()> {
    match bucket.info(name).await {
        Ok(_) => bucket.delete(name).await.map_err(io::Error::other),
        Err(error) if error.kind() == InfoErrorKind::NotFound => Ok(()),
        Err(error) => Err(io::Error::other(error)),
    }
}
