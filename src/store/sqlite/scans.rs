//! The candidate files of branches.

use serde::{Deserialize, Serialize};

use super::SqliteStore;
use crate::domain::pull_request::{BranchName, CommitId, RepoName};
use crate::store::{LeftOutFile, Scan, ScannedFile, StoreError};

impl SqliteStore {
    pub(super) async fn read_scan(
        &self,
        forge: &str,
        repository: &RepoName,
        branch: &BranchName,
    ) -> Result<Option<Scan>, StoreError> {
        let sql = "SELECT head, selector, files, left_out FROM scan WHERE forge = ? AND repository = ? AND branch = ?";
        let query = sqlx::query_as::<_, (String, String, String, String)>(sql);
        let query = query.bind(forge).bind(repository.as_str()).bind(branch.as_str());
        let row = query.fetch_optional(&self.pool).await.map_err(self.read_error())?;
        let Some((head, selector, files, left_out)) = row else { return Ok(None) };
        Ok(Some(Scan {
            head: head.parse::<CommitId>().map_err(|error| self.damaged(error))?,
            selector,
            files: self.json::<Vec<FileRow>>(&files)?.into_iter().map(ScannedFile::from).collect(),
            left_out: self.json::<Vec<(String, String)>>(&left_out)?.into_iter().map(left_out_file).collect(),
        }))
    }

    pub(super) async fn write_scan(
        &self,
        (forge, repository, branch): (&str, &RepoName, &BranchName),
        scan: &Scan,
    ) -> Result<(), StoreError> {
        let files: Vec<FileRow> = scan.files.iter().map(FileRow::from).collect();
        let left_out: Vec<_> = scan.left_out.iter().map(|file| (&file.path, &file.reason)).collect();
        let sql = "INSERT OR REPLACE INTO scan (forge, repository, branch, head, selector, files, left_out)
                   VALUES (?, ?, ?, ?, ?, ?, ?)";
        let query = sqlx::query(sql).bind(forge).bind(repository.as_str()).bind(branch.as_str());
        let query = query
            .bind(scan.head.as_str())
            .bind(&scan.selector)
            .bind(self.to_json(&files)?)
            .bind(self.to_json(&left_out)?);
        query.execute(&self.pool).await.map(drop).map_err(self.write_error())
    }
}

#[derive(Serialize, Deserialize)]
struct FileRow {
    path: String,
    mode: u32,
    blob: String,
}

impl From<&ScannedFile> for FileRow {
    fn from(file: &ScannedFile) -> Self {
        Self { path: file.path.clone(), mode: file.mode, blob: file.blob.clone() }
    }
}

impl From<FileRow> for ScannedFile {
    fn from(row: FileRow) -> Self {
        Self { path: row.path, mode: row.mode, blob: row.blob }
    }
}

fn left_out_file((path, reason): (String, String)) -> LeftOutFile {
    LeftOutFile { path, reason }
}
