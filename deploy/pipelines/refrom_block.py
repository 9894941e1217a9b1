#!/usr/bin/env python3
"""Reads the machine-readable block of a refrom pull request (merge request) and prints it as JSON.

    refrom_block.py BODY_FILE [--root WORK_TREE] [--head COMMIT]

Prints `{"version", "commit", "pins": [{"file", "line", "image", "tag", "old", "new"}], "dockerfiles": [...]}` on one
line. `dockerfiles` are the files of the pins that can be built by themselves: no Makefile, no Terraform.

The body is other people's text, and what is printed here is used in pipelines: every value has a form in which it means
nothing to a shell, to YAML or to a log, or nothing is printed at all.

Exit status: 0 printed; 1 there is no block, or it is not to be trusted; 3 with --root or --head: the block does not
belong to these files (yet): refrom pushes first and writes the body then.

Python 3.8 or newer, nothing else.
"""

import argparse
import json
import re
import sys

VERSION = 1
# GitHub's bodies have at most 65,536 characters, GitLab's 1,048,576.
BODY_BYTES_MAX = 4 * 1024 * 1024
PINS_MAX = 10_000

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{40}([0-9a-f]{24})?")
# A registry's host and port, and a repository's path.
IMAGE = re.compile(r"[A-Za-z0-9.-]{1,253}(:[0-9]{1,5})?(/[a-z0-9._-]{1,255}){1,16}")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
# From the repository's root; plain segments that do not begin with `-` and are neither `.` nor `..`.
SEGMENT = r"(?!\.{1,2}(/|$))[A-Za-z0-9._@+][A-Za-z0-9._@+-]*"
FILE = re.compile(rf"{SEGMENT}(/{SEGMENT})*")
FILE_LENGTH_MAX = 1024
# The names that refrom reads as Dockerfiles by itself.
DOCKERFILE = re.compile(r"([Dd]ockerfile|[Cc]ontainerfile)([.].+)?|[Dd]ockerfile-.+|.+[.][Dd]ockerfile")


class Refused(Exception):
    """The body has no block that may be used."""


class Stale(Exception):
    """The block belongs to other files than these."""


def blocks(body):
    """The JSON of each hidden block: `<!-- refrom {…} -->`."""
    for part in body.split("<!--")[1:]:
        text = part.lstrip()
        if text.startswith("refrom") and text[len("refrom"):][:1] in ("{", " ", "\t", "\r", "\n"):
            yield text[len("refrom"):].split("-->", 1)[0]


def parse(text):
    """One block, checked."""
    try:
        block = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("the block is no JSON") from None
    if not isinstance(block, dict) or type(block.get("version")) is not int:
        raise Refused("the block has no version")
    if block["version"] > VERSION:
        raise Refused(f"the block has version {block['version']}, this reader knows {VERSION}")
    pins = block.get("pins")
    if not isinstance(pins, list) or not 0 < len(pins) <= PINS_MAX:
        raise Refused("the block has no pins")
    commit = block.get("commit")
    return {
        "version": block["version"],
        "commit": None if commit is None else value(COMMIT, commit, "commit"),
        "pins": [pin(item) for item in pins],
    }


def pin(item):
    if not isinstance(item, dict):
        raise Refused("a pin is no object")
    line = item.get("line")
    if type(line) is not int or not 0 < line < 2**31:
        raise Refused("a pin has no line")
    file = value(FILE, item.get("file"), "file")
    if len(file) > FILE_LENGTH_MAX:
        raise Refused("a pin's file has a name that is too long")
    return {
        "file": file,
        "line": line,
        "image": value(IMAGE, item.get("image"), "image"),
        "tag": value(TAG, item.get("tag"), "tag"),
        "old": value(DIGEST, item.get("old"), "old"),
        "new": value(DIGEST, item.get("new"), "new"),
    }


def value(form, text, name):
    # The value itself is not repeated: it is what could not be trusted.
    if not isinstance(text, str) or not form.fullmatch(text):
        raise Refused(f"a pin's `{name}` has a form that this pipeline does not handle")
    return text


def read(body):
    """The block of a body; several equal ones are one."""
    found = [parse(text) for text in blocks(body)]
    if not found:
        raise Refused("there is no block")
    if any(block != found[0] for block in found):
        raise Refused("there are several blocks that differ")
    return found[0]


def check_files(block, root):
    """Whether every new digest stands in its file: what the body says is what the branch holds."""
    for item in block["pins"]:
        try:
            with open(f"{root}/{item['file']}", "rb") as file:
                content = file.read()
        except OSError:
            raise Stale(f"{item['file']} is not there") from None
        if item["new"].encode() not in content:
            raise Stale(f"{item['file']} does not hold {item['new']}")


def main():
    parser = argparse.ArgumentParser(description="Reads the machine-readable block of a refrom pull request.")
    parser.add_argument("body", metavar="BODY_FILE")
    parser.add_argument("--root", metavar="WORK_TREE", help="check that its files hold the new digests")
    parser.add_argument("--head", metavar="COMMIT", help="check that the branch is as refrom made it")
    arguments = parser.parse_args()
    with open(arguments.body, "rb") as file:
        raw = file.read(BODY_BYTES_MAX + 1)
    try:
        if len(raw) > BODY_BYTES_MAX:
            raise Refused("the body is too long")
        block = read(raw.decode("utf-8", "replace"))
        if arguments.head and block["commit"] != arguments.head:
            raise Stale("the branch's head is another commit than the block's")
        if arguments.root:
            check_files(block, arguments.root)
    except (Refused, Stale) as error:
        print(f"refrom_block: {error}", file=sys.stderr)
        return 3 if isinstance(error, Stale) else 1
    files = sorted({item["file"] for item in block["pins"]})
    block["dockerfiles"] = [file for file in files if DOCKERFILE.fullmatch(file.rsplit("/", 1)[-1])]
    print(json.dumps(block, separators=(",", ":")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
