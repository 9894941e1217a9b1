"""The shell scripts inside of workflows and pipelines as files, so that shellcheck(1) reads them.

    scripts.py FOLDER FILE...

Fails where an expression of GitHub's, `${{ … }}`, stands in a script: other people's text would become code.
"""

import pathlib
import sys

import yaml


def scripts(document):
    """(name, shell, script) of each step of a workflow, of each job of a pipeline."""
    for name, job in document.get("jobs", {}).items():
        for number, step in enumerate(job.get("steps", [])):
            if "run" in step:
                yield f"{name}-{number}", "bash", step["run"]
    for name, job in document.items():
        if isinstance(job, dict) and "script" in job:
            yield name, "sh", "\n".join(job.get("before_script", []) + job["script"])


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir()
    count = 0
    for path in map(pathlib.Path, sys.argv[2:]):
        for name, shell, script in scripts(yaml.safe_load(path.read_text(encoding="utf-8"))):
            if "${{" in script:
                sys.exit(f"{path}: an expression stands in the script of `{name}`")
            count += 1
            target = folder / f"{count}-{path.stem}-{name}".replace(":", "-")
            # Variables of the runner are set by the runner.
            target.write_text(f"#!/bin/{shell}\n# shellcheck disable=SC2154\nset -e\n{script}\n", encoding="utf-8")
    if count == 0:
        sys.exit("no script was found")


if __name__ == "__main__":
    main()
