//! A Dockerfile's bytes → the images that it uses.
//!
//! A lossless scanner with BuildKit's rules (`frontend/dockerfile` in moby/buildkit): every value is followed byte by
//! byte to where it stands in the file, through continuations, quotes and ARGs. It never fails and never panics; what
//! cannot be followed comes out as skipped, with its reason. Unknown instructions and templates do not stop it.

mod binding;
mod blank;
mod directive;
mod expand;
mod from;
mod glob;
mod heredoc;
mod instruction;
mod mount;
mod scope;
mod stages;
mod traced;
mod walk;
mod words;

use super::image_use::ImageUse;

/// Finds every image use, in the order of the instructions. Stages and `scratch` are no images.
pub fn scan(bytes: &[u8]) -> Vec<ImageUse> {
    let directives = directive::read(bytes);
    let instructions = instruction::read(bytes, &directives);
    let found = walk::walk(bytes, &directives, &instructions);
    binding::bind_comments(bytes, &instructions, found)
}
