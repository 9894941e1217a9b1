//! `refrom allow`: undoes a rollback.

use anyhow::anyhow;
use jiff::Timestamp;

use super::Failure;
use super::arguments::Allow;
use super::exit::Outcome;
use super::output::Output;
use super::rollback::{Access, access, acts};
use super::settings::{self, Secrets};
use crate::store::{Allowance, SqliteDenials};

/// Allows the digest again. 3 where it stays denied, or never was: a mistyped digest is no success.
pub async fn run(arguments: &Allow, output: &mut Output) -> Result<Outcome, Failure> {
    let config = settings::load(Some(&arguments.config), Secrets::Skip)?;
    let scope = arguments.image.asked(&config.mirrors);
    // Held until the end where it is free: a file of an older format is brought to this one by opening it.
    let access = access(&config).await?;
    let denials = SqliteDenials::open(&config.store).await?;
    let allowance = denials.allow(&scope, &arguments.digest, Timestamp::now()).await?;
    denials.close().await;
    let digest = arguments.digest.short();
    match allowance {
        Allowance::Now => output.line(format!(
            "{digest} of {scope} may be proposed again; pull requests that go back from it are closed by the next cycle"
        ))?,
        Allowance::Before(at) => output.line(format!("{digest} of {scope} was allowed again at {at:.0} already"))?,
        Allowance::NeverDenied => return Err(anyhow!("{digest} of {scope} was never denied").into()),
        Allowance::DeniedForAllTags => {
            let image = scope.image.familiar();
            return Err(anyhow!("{digest} is denied for all tags of `{image}`: allow it without a tag").into());
        }
    }
    if let (Access::Beside(holder), Allowance::Now) = (&access, allowance) {
        output.line(acts(holder))?;
    }
    Ok(Outcome::Done)
}
