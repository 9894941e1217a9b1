//! Repositories as git sees them: a bare object cache, the transport, and commits built without a work tree.
